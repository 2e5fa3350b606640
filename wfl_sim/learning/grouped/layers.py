"""Layers of a group: what a layer computes when the rows of its input belong to many devices.

Inputs have shape (devices * batch, ..., features), the rows of one device together. Weights are
stacks, (devices, out, in).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

Stacks = Mapping[str, Tensor]
"""parameter name to a tensor of shape (devices, *shape)"""
Names = Mapping[str, str]
"""a layer's name of a parameter to that of the parts"""
Forward = Callable[..., Tensor]
Make = Callable[[Any, Names, Stacks, Stacks], Forward]
"""from layer, names, stacks and scales"""


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return each device's rows times its own weight, plus its own bias (devices, out)."""
    rows = x.reshape(len(weight), -1, x.shape[-1])
    columns = weight.transpose(1, 2)
    y = torch.bmm(rows, columns) if bias is None else torch.baddbmm(bias[:, None], rows, columns)
    return y.view(*x.shape[:-1], weight.shape[1])


class GroupLayers:
    """The layers of a network that hold parts, and how they work on the stacks of a group."""

    def __init__(self, model: PreTrainedModel, parameters: Mapping[str, nn.Parameter]) -> None:
        """Find them.

        Args:
            model: with its parts.
            parameters: of the parts, by name.

        Raises:
            ValueError: a layer of a kind that cannot work on stacks; the message names it.
        """
        names = {id(value): name for name, value in parameters.items()}
        self._found: list[tuple[nn.Module, Make, Names]] = []
        inside: set[int] = set()
        for path, module in model.named_modules():
            own = {n: names[id(p)] for n, p in module.named_parameters() if id(p) in names}
            adapted = isinstance(module, LoraLayer)
            if adapted:
                self._found.append((module, _lora, own))
                pieces = {id(each) for each in module.modules()}
                inside |= pieces - {id(each) for each in module.base_layer.modules()}
            elif id(module) not in inside and any("." not in name for name in own):
                if type(module) not in _KINDS:
                    raise ValueError(f"{path} is a {type(module).__name__}")
                self._found.append((module, _KINDS[type(module)], own))

    @contextmanager
    def on(self, stacks: Stacks, scales: Stacks) -> Iterator[None]:
        """Let the network compute with stacks for a while.

        Args:
            stacks: values of the parameters.
            scales: alpha / rank of each LoRA that is on, by the name of its part, (devices, 1, 1).
        """
        with ExitStack() as restored:
            for module, make, own in self._found:
                module.forward = make(module, own, stacks, scales)
                restored.callback(delattr, module, "forward")
            yield


def _lora(layer: Any, own: Names, stacks: Stacks, scales: Stacks) -> Forward:
    pairs = [
        (own[f"lora_A.{part}.weight"], own[f"lora_B.{part}.weight"], scale)
        for part, scale in scales.items()
        if part in layer.lora_A
    ]

    def forward(x: Tensor, *arguments: Any, **options: Any) -> Tensor:
        y = layer.base_layer(x, *arguments, **options)
        rows = x.reshape(len(next(iter(stacks.values()))), -1, x.shape[-1])
        sums = y.view(len(rows), -1, y.shape[-1])
        for a, b, scale in pairs:
            low = torch.bmm(rows, stacks[a].transpose(1, 2))
            sums = torch.baddbmm(sums, low, (scale * stacks[b]).transpose(1, 2))
        return sums.view(y.shape)

    return forward


def _linear(layer: nn.Linear, own: Names, stacks: Stacks, scales: Stacks) -> Forward:
    weight = stacks[own["weight"]]
    bias = stacks[own["bias"]] if "bias" in own else None
    return lambda x: linear(x, weight, bias)


def _layer_norm(layer: nn.LayerNorm, own: Names, stacks: Stacks, scales: Stacks) -> Forward:
    weight = stacks[own["weight"]]
    bias = stacks[own["bias"]] if "bias" in own else None

    def forward(x: Tensor) -> Tensor:
        rows = functional.layer_norm(x, layer.normalized_shape, eps=layer.eps)
        rows = rows.reshape(len(weight), -1, x.shape[-1]) * weight[:, None]
        return (rows if bias is None else rows + bias[:, None]).view(x.shape)

    return forward


_KINDS: Final[Mapping[type, Make]] = {
    nn.Linear: _linear,
    nn.LayerNorm: _layer_norm,
}
