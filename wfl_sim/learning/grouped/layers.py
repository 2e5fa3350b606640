"""Stacks of the parameters of many devices, and layers that compute with them.

A stack is one tensor, (devices, *shape). Where ranks differ, a smaller LoRA is filled up with rows
of A and columns of B that are zero. They add nothing to B A x, and their gradients are zero: that
of a row of A is a product with a column of B, and the other way round.

Inputs of layers have shape (devices * batch, ..., features), the rows of one device together.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from wfl_sim.methods.parts import LoRA, Part
from wfl_sim.state import State

Stacks = Mapping[str, Tensor]
"""Parameter name to a tensor of shape (devices, *shape)."""
Names = Mapping[str, str]
"""A layer's name of a parameter to its name in a state."""
Forward = Callable[..., Tensor]
Make = Callable[[Any, Names, Stacks, Stacks], Forward]
"""From layer, names, stacks and scales."""


def stacked(states: Sequence[State], name: str, device: torch.device) -> Tensor:
    """Return the values of a parameter in all states, shape (states, largest of each side)."""
    arrays = [state[name] for state in states]
    sides = np.max([array.shape for array in arrays], axis=0)
    stack = np.zeros((len(arrays), *sides), np.float32)
    for row, array in zip(stack, arrays, strict=True):
        row[tuple(slice(side) for side in array.shape)] = array
    return torch.from_numpy(stack).to(device)


def slice_of(stack: NDArray[np.float32], row: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return a copy of one device's values."""
    return stack[row][tuple(slice(side) for side in shape)].copy()


def scales_of(
    fleet: Sequence[Sequence[Part]], device: torch.device, mutes: Collection[str] = ()
) -> dict[str, Tensor]:
    """Return alpha / rank of each LoRA that is not muted, (devices, 1, 1), by its part's name."""
    loras: dict[str, list[float]] = {}
    for parts in fleet:
        for part in parts:
            if isinstance(part.config, LoRA) and part.name not in mutes:
                loras.setdefault(part.name, []).append(part.config.scale)
    return {
        name: torch.tensor(values, device=device)[:, None, None] for name, values in loras.items()
    }


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return each device's rows times its own weight, plus its own bias (devices, out)."""
    rows = x.reshape(len(weight), -1, x.shape[-1])
    columns = weight.transpose(1, 2)
    y = torch.bmm(rows, columns) if bias is None else torch.baddbmm(bias[:, None], rows, columns)
    return y.view(*x.shape[:-1], weight.shape[1])


class GroupLayers:
    """The layers of a network that hold parts, and how they compute with the stacks of a group.

    Raises:
        ValueError: a layer of a kind that cannot work on stacks; the message names it.
    """

    def __init__(self, model: PreTrainedModel, parameters: Mapping[str, nn.Parameter]) -> None:
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
            elif id(module) not in inside and any(_held(name) for name in own):
                kind = parametrize.type_before_parametrizations(module)
                if kind not in _KINDS:
                    raise ValueError(f"{path} is a {kind.__name__}")
                self._found.append((module, _KINDS[kind], own))
                inside |= {
                    id(each)
                    for name, each in module.named_modules()
                    if name.startswith("parametrizations")
                }

    @contextmanager
    def on(self, stacks: Stacks, scales: Stacks) -> Iterator[None]:
        """Let the network compute with stacks inside of the `with` block.

        Args:
            stacks: values of the parameters.
            scales: alpha / rank of each LoRA that is on, by the name of its part, (devices, 1, 1).
        """
        with ExitStack() as restored:
            for module, make, own in self._found:
                module.forward = make(module, own, stacks, scales)
                restored.callback(delattr, module, "forward")
            yield


def _held(name: str) -> bool:
    """Return whether a layer itself has a parameter of this name, or an offset to one."""
    return "." not in name or name.startswith("parametrizations.")


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


def _value(layer: nn.Module, own: Names, stacks: Stacks, leaf: str) -> Any:
    """Return the values of a weight for all devices, offsets included; None where it has none."""
    base, offset = (f"parametrizations.{leaf}.{each}" for each in ("original", "0.offset"))
    there, devices = dict(layer.named_parameters()), len(next(iter(stacks.values())))
    found = [
        stacks[own[name]] if name in own else there[name].expand(devices, *there[name].shape)
        for name in (leaf, base, offset)
        if name in there
    ]
    return sum(found[1:], found[0]) if found else None


def _linear(layer: nn.Linear, own: Names, stacks: Stacks, scales: Stacks) -> Forward:
    weight, bias = (_value(layer, own, stacks, leaf) for leaf in ("weight", "bias"))
    return lambda x: linear(x, weight, bias)


def _transposed(layer: Conv1D, own: Names, stacks: Stacks, scales: Stacks) -> Forward:
    weight, bias = (_value(layer, own, stacks, leaf) for leaf in ("weight", "bias"))
    return lambda x: linear(x, weight.transpose(1, 2), bias)


def _layer_norm(layer: nn.LayerNorm, own: Names, stacks: Stacks, scales: Stacks) -> Forward:
    weight, bias = (_value(layer, own, stacks, leaf) for leaf in ("weight", "bias"))

    def forward(x: Tensor) -> Tensor:
        rows = functional.layer_norm(x, layer.normalized_shape, eps=layer.eps)
        rows = rows.reshape(len(weight), -1, x.shape[-1]) * weight[:, None]
        return (rows if bias is None else rows + bias[:, None]).view(x.shape)

    return forward


_KINDS: Final[Mapping[type, Make]] = {
    nn.Linear: _linear,
    Conv1D: _transposed,
    nn.LayerNorm: _layer_norm,
}
