"""FLOPs of any code that uses torch, counted while it runs."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch.utils.flop_counter import FlopCounterMode

T = TypeVar("T")


def counted_call(call: Callable[[], T], seed: int) -> tuple[T, float]:
    """Return what a call returns, and the FLOPs of its matrix products and convolutions.

    Args:
        call: runs under torch's generator of this seed, which is put back afterwards.
        seed: of the generator.
    """
    with torch.random.fork_rng(devices=[]), FlopCounterMode(display=False) as counter:
        torch.manual_seed(seed)
        result = call()
    return result, float(counter.get_total_flops())
