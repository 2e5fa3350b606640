"""Bottleneck adapters, added to the output of a sub-layer before its residual sum.

x + W_up f(W_down x + b_down) + b_up with x of shape (batch, tokens, hidden); Houlsby et al. 2019,
arXiv 1902.00751, figure 2. W_down is initialised Kaiming-uniform, the rest with zeros (the paper
draws all near zero), so a new adapter is the identity.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from torch import Generator, Tensor, nn
from torch.nn import Parameter, functional
from transformers import PreTrainedModel

from wfl_sim.learning.peft.sublayers import sublayers
from wfl_sim.methods.parts import Adapter, Part

_ACTIVATIONS: Final[Mapping[str, Callable[[Tensor], Tensor]]] = MappingProxyType(
    {"relu": functional.relu, "gelu": functional.gelu}
)


class Bottleneck(nn.Module):
    """x + W_up f(W_down x), with biases."""

    def __init__(self, hidden: int, config: Adapter) -> None:
        super().__init__()
        self.down = nn.Linear(hidden, config.bottleneck)
        self.up = nn.Linear(config.bottleneck, hidden)
        self.activation = _ACTIVATIONS[config.activation]

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of `x`."""
        return x + self.up(self.activation(self.down(x)))

    def hook(self, module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        """Return what replaces the output of a sub-layer."""
        return self(output)


def attach_adapter(model: PreTrainedModel, part: Part) -> dict[str, Parameter]:
    """Add a bottleneck to the sub-layers of every layer."""
    config = part.config
    assert isinstance(config, Adapter)
    found: dict[str, Parameter] = {}
    for place, module in sublayers(model).items():
        if config.placement == "houlsby" or ".attention" not in place:
            bottleneck = Bottleneck(model.config.hidden_size, config)
            module.add_module(f"adapter_{part.name}", bottleneck)
            module.register_forward_hook(bottleneck.hook)
            found |= {f"{place}.{inner}": value for inner, value in bottleneck.named_parameters()}
    return found


def initialize_adapter(model: PreTrainedModel, name: str, value: Tensor, rng: Generator) -> None:
    """Draw W_down Kaiming-uniform with a = sqrt(5); everything else 0."""
    if name.endswith(".down.weight"):
        nn.init.kaiming_uniform_(value, a=math.sqrt(5), generator=rng)
    else:
        nn.init.zeros_(value)
