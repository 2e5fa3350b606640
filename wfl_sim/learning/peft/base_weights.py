"""Parts that train weights of the backbone: all, those of the last layers, or offsets to these.

Parts that train the weights themselves keep a copy of the pretrained values, where they start and
where the reference of a policy is.
"""

import re
from collections.abc import Mapping

import torch
from torch import Generator, Tensor, nn
from torch.nn import Parameter
from torch.nn.utils import parametrize
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from wfl_sim.learning.peft.architecture import last_weights
from wfl_sim.learning.peft.lora import targets_of
from wfl_sim.methods.parts import Full, LastLayers, Offset, Part

_PRETRAINED = "_wfl_sim_pretrained"
_BUFFER = "pretrained_"


def attach_full(model: PreTrainedModel, part: Part) -> dict[str, Parameter]:
    """Return the parameters of the backbone, or those of the target matrices.

    All weights of a language model are its output layer, too, where that is not the embeddings. A
    matrix of a layer that keeps it transposed (GPT-2) is named ``transposed`` in place of
    ``weight``, for methods that add products of LoRA factors to it.
    """
    config = part.config
    assert isinstance(config, Full)
    backbone, found = model.base_model, {}
    targets = targets_of(model, config.targets) if config.adapted else ()
    transposed = {f"{n}.weight" for n, m in backbone.named_modules() if isinstance(m, Conv1D)}
    ends = [re.compile(rf"(.*\.)?{re.escape(each)}\.weight") for each in targets]
    for name, value in backbone.named_parameters():
        if not ends or any(each.fullmatch(name) for each in ends):
            stem = name.removesuffix("weight")
            found[f"{stem}transposed" if name in transposed else name] = value
    if model.can_generate() and not ends:
        inside = {id(value) for value in found.values()}
        found |= {name: v for name, v in model.named_parameters() if id(v) not in inside}
    if not found:
        raise ValueError(f"part {part.name!r}: no weight is named {targets}")
    keep_pretrained(model, found)
    return found


def keep_pretrained(model: PreTrainedModel, found: Mapping[str, Parameter]) -> None:
    """Keep copies of the present values of parameters, where `initialize_full` finds them."""
    kept = {**getattr(model, _PRETRAINED, {})}
    kept |= {name: value.detach().clone() for name, value in found.items()}
    object.__setattr__(model, _PRETRAINED, kept)


def initialize_full(model: PreTrainedModel, name: str, value: Tensor, rng: Generator) -> None:
    """Copy the pretrained value."""
    with torch.no_grad():
        value.copy_(getattr(model, _PRETRAINED)[name])


def attach_last_layers(model: PreTrainedModel, part: Part) -> dict[str, Parameter]:
    """Return the weights of the last layers; a copy of each becomes a buffer of its module."""
    assert isinstance(part.config, LastLayers)
    found: dict[str, Parameter] = {}
    for name, module, leaf in last_weights(model, part.name, part.config.layers):
        found[name] = getattr(module, leaf)
        module.register_buffer(_BUFFER + leaf, found[name].detach().clone(), persistent=False)
    return found


def initialize_last_layers(
    model: PreTrainedModel, name: str, value: Tensor, rng: Generator
) -> None:
    """Copy the pretrained value."""
    module, _, leaf = name.rpartition(".")
    with torch.no_grad():
        value.copy_(model.base_model.get_buffer(f"{module}.{_BUFFER}{leaf}"))


class OffsetWeight(nn.Module):
    """Parametrization w + d of a weight w, with d = 0 at first."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.offset = Parameter(torch.zeros_like(weight))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight that the layer uses."""
        return weight + self.offset


def attach_offset(model: PreTrainedModel, part: Part) -> dict[str, Parameter]:
    """Add an offset to each weight of the last layers."""
    assert isinstance(part.config, Offset)
    found: dict[str, Parameter] = {}
    for name, module, leaf in list(last_weights(model, part.name, part.config.layers)):
        parametrization = OffsetWeight(getattr(module, leaf).detach())
        parametrize.register_parametrization(module, leaf, parametrization)
        found[name] = parametrization.offset
    return found
