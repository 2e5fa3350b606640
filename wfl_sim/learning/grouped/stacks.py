"""Stacks: one tensor for a parameter of many devices, zero where a device's own is smaller.

LoRAs of different ranks differ in the number of rows of A and of columns of B. Zeros there add
nothing to B A x and get a gradient of zero: the row of A that a zero column of B reads, and the
other way round.
"""

from collections.abc import Collection, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wfl_sim.methods.parts import LoRA, Part
from wfl_sim.state import State


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
    """Return alpha / rank of each LoRA that is not muted, (devices, 1, 1), by its part's name.

    Args:
        fleet: the parts of each of the devices.
        device: where torch puts it.
        mutes: names of LoRAs that contribute nothing.
    """
    loras: dict[str, list[float]] = {}
    for parts in fleet:
        for part in parts:
            if isinstance(part.config, LoRA) and part.name not in mutes:
                loras.setdefault(part.name, []).append(part.config.scale)
    return {
        name: torch.tensor(values, device=device)[:, None, None] for name, values in loras.items()
    }
