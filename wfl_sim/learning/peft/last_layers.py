"""The weights of the last blocks themselves, which go on from their pretrained values.

Those values are kept beside them: where a part begins is also where the reference of a policy is.
"""

import torch
from torch import Generator, Tensor
from torch.nn import Parameter
from transformers import PreTrainedModel

from wfl_sim.learning.peft.architecture import last_weights
from wfl_sim.methods.parts import LastLayers, Part

_KEPT = "pretrained_"


def attach(model: PreTrainedModel, part: Part) -> dict[str, Parameter]:
    """Return the weights; a copy of each becomes a buffer of its module."""
    assert isinstance(part.config, LastLayers)
    found: dict[str, Parameter] = {}
    for name, module, leaf in last_weights(model, part.name, part.config.layers):
        found[name] = getattr(module, leaf)
        module.register_buffer(_KEPT + leaf, found[name].detach().clone(), persistent=False)
    return found


def start(model: PreTrainedModel, name: str, value: Tensor, rng: Generator) -> None:
    """The pretrained value."""
    module, _, leaf = name.rpartition(".")
    with torch.no_grad():
        value.copy_(model.base_model.get_buffer(f"{module}.{_KEPT}{leaf}"))
