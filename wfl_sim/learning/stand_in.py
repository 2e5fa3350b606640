"""A stand-in network: one layer of width 64 with four classes, for shapes without a model."""

from collections.abc import Iterable
from math import prod
from typing import Final

from wfl_sim.methods.parts import (
    Adapter,
    Critic,
    Full,
    Head,
    LastLayers,
    LoRA,
    Offset,
    Part,
    Router,
    Shapes,
)

_WIDTH: Final = 64
_CLASSES: Final = 4


def shapes_of(parts: Iterable[Part]) -> dict[str, tuple[int, ...]]:
    """Return the parameters that parts would have on the stand-in, and their shapes."""
    return {f"{part.name}/{n}": s for part in parts for n, s in _of(part.config).items()}


def values(shapes: Shapes) -> int:
    """Return the number of values."""
    return sum(prod(shape) for shape in shapes.values())


def _of(config: object) -> dict[str, tuple[int, ...]]:
    match config:
        case LoRA(rank=rank):
            return {
                "layer.lora_A.weight": (rank, _WIDTH),
                "layer.lora_B.weight": (_WIDTH, rank),
            }
        case Adapter(bottleneck=size):
            return {
                "layer.down.weight": (size, _WIDTH),
                "layer.down.bias": (size,),
                "layer.up.weight": (_WIDTH, size),
                "layer.up.bias": (_WIDTH,),
            }
        case Full() | LastLayers() | Offset():
            return {"layer.weight": (_WIDTH, _WIDTH)}
        case Head():
            return {"weight": (_CLASSES, _WIDTH), "bias": (_CLASSES,)}
        case Critic(values=count):
            return {"weight": (count, _WIDTH), "bias": (count,)}
        case Router(over=over):
            return {"layer.weight": (len(over), _WIDTH)}
    raise ValueError(f"no stand-in for a part of kind {type(config).__name__}")
