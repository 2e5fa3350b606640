"""Routers in the adapted layers: mixtures of LoRAs with the weights softmax(G x).

x is the layer's input, of shape (batch, tokens, width); G, (parts, width), is zero at first, so all
LoRAs weigh the same.
"""

from collections.abc import Callable
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from torch.nn import Parameter
from transformers import PreTrainedModel

from wfl_sim.methods.parts import Part, Router


class Gate(nn.Module):
    """G, and the weights of the present input of a layer."""

    def __init__(self, width: int, experts: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, experts, bias=False)
        self._weights: list[Tensor] = []

    def route(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Compute the weights before the layer runs."""
        self._weights = [torch.softmax(self.linear(inputs[0]), dim=-1)]

    def weighting(self, expert: int) -> Callable[[nn.Module, Any, Tensor], Tensor]:
        """Return the hook that weighs the output of one LoRA."""

        def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            return output * self._weights[0][..., expert : expert + 1]

        return hook


def attach_router(model: PreTrainedModel, part: Part) -> dict[str, Parameter]:
    """Add a gate to every layer that the LoRAs of all its parts adapt."""
    config = part.config
    assert isinstance(config, Router)
    found: dict[str, Parameter] = {}
    for name, module in list(model.base_model.named_modules()):
        if isinstance(module, LoraLayer) and all(each in module.lora_B for each in config.over):
            assert isinstance(module, nn.Module)
            gate = Gate(int(module.in_features or 0), len(config.over))
            module.add_module(f"router_{part.name}", gate)
            module.register_forward_pre_hook(gate.route)
            for expert, each in enumerate(config.over):
                module.lora_B[each].register_forward_hook(gate.weighting(expert))
            found |= {f"{name}.{each}": value for each, value in gate.linear.named_parameters()}
    if not found:
        raise ValueError(f"part {part.name!r}: no layer is adapted by all of {config.over}")
    return found
