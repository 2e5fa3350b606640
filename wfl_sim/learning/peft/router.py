"""A router in each adapted layer: softmax(G x) weighs what the LoRAs of some parts add.

x is the layer's input, of shape (batch, tokens, width); G, (parts, width), starts at zero.
"""

from collections.abc import Callable
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch import Generator, Tensor, nn
from torch.nn import Parameter
from transformers import PreTrainedModel

from wfl_sim.methods.parts import Part, Router


class Gate(nn.Module):
    """G, and the weights for the input that is going through the layer."""

    def __init__(self, width: int, experts: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, experts, bias=False)
        self._weights: list[Tensor] = []

    def look(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Reckon the weights before the layer does its work."""
        self._weights = [torch.softmax(self.linear(inputs[0]), dim=-1)]

    def weigh(self, expert: int) -> Callable[[nn.Module, Any, Tensor], Tensor]:
        """Return the hook that weighs what one LoRA adds."""

        def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            return output * self._weights[0][..., expert : expert + 1]

        return hook


def attach(model: PreTrainedModel, part: Part) -> dict[str, Parameter]:
    """Put a gate into every layer that the LoRAs of all its parts adapt."""
    config = part.config
    assert isinstance(config, Router)
    found: dict[str, Parameter] = {}
    for name, module in list(model.base_model.named_modules()):
        if isinstance(module, LoraLayer) and all(each in module.lora_B for each in config.over):
            assert isinstance(module, nn.Module)
            gate = Gate(int(module.in_features or 0), len(config.over))
            module.add_module(f"router_{part.name}", gate)
            module.register_forward_pre_hook(gate.look)
            for expert, each in enumerate(config.over):
                module.lora_B[each].register_forward_hook(gate.weigh(expert))
            found |= {f"{name}.{each}": value for each, value in gate.linear.named_parameters()}
    if not found:
        raise ValueError(f"part {part.name!r}: no layer is adapted by all of {config.over}")
    return found


def start(model: PreTrainedModel, name: str, value: Tensor, rng: Generator) -> None:
    """All LoRAs weigh the same."""
    nn.init.zeros_(value)
