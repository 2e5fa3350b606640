"""Repeatable torch: seeded, deterministic, on a fixed number of threads, and only for a while."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.utils.deterministic

_memory: Any = torch.utils.deterministic  # its one attribute is unknown to type checkers


@contextmanager
def exact(*, seed: int, threads: int | None = None) -> Iterator[None]:
    """Run torch deterministically from `seed`; every global setting comes back afterwards.

    Sums inside a matrix product are split by threads, so the same bits need the same `threads`;
    None leaves the number as it is.
    """
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    filled = _memory.fill_uninitialized_memory
    before = torch.get_num_threads()
    generators = [torch.default_generator]
    if torch.cuda.is_initialized():
        generators.append(torch.cuda.default_generators[torch.cuda.current_device()])
    numbers = [generator.get_state() for generator in generators]
    for generator in generators:
        generator.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    # Filling fresh memory with NaN guards against nothing here and costs time at every step.
    _memory.fill_uninitialized_memory = False
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        _memory.fill_uninitialized_memory = filled
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        for generator, state in zip(generators, numbers, strict=True):
            generator.set_state(state)
