"""What a device adds to the weights of the last blocks: w + d, with d = 0 at first."""

import torch
from torch import Generator, Tensor, nn
from torch.nn import Parameter
from torch.nn.utils import parametrize
from transformers import PreTrainedModel

from wfl_sim.learning.peft.architecture import last_weights
from wfl_sim.methods.parts import Offset, Part


class Sum(nn.Module):
    """A weight and what is added to it."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.offset = Parameter(torch.zeros_like(weight))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight that the layer uses."""
        return weight + self.offset


def attach(model: PreTrainedModel, part: Part) -> dict[str, Parameter]:
    """Put an offset beside each weight."""
    assert isinstance(part.config, Offset)
    found: dict[str, Parameter] = {}
    for name, module, leaf in list(last_weights(model, part.name, part.config.layers)):
        addend = Sum(getattr(module, leaf).detach())
        parametrize.register_parametrization(module, leaf, addend)
        found[name] = addend.offset
    return found


def start(model: PreTrainedModel, name: str, value: Tensor, rng: Generator) -> None:
    """d = 0."""
    nn.init.zeros_(value)
