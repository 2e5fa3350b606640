"""Client selection: the contract and its registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from wfl_sim.config.registry import Registry

if TYPE_CHECKING:
    from wfl_sim.network.client import Client


class Selector(Protocol):
    """Selects the clients of a round.

    The members of a client that a selection may use are those of `network.client.Client`.

    >>> from types import SimpleNamespace
    >>> class LargestData:
    ...     def select(self, devices, count, rng):
    ...         best = sorted(devices, key=lambda device: -device.examples)[:count]
    ...         return sorted(best, key=lambda device: device.index)
    >>> selector: Selector = LargestData()
    >>> devices = [SimpleNamespace(index=i, examples=n) for i, n in enumerate((5, 20, 10))]
    >>> [device.index for device in selector.select(devices, 2, np.random.default_rng(1))]
    [1, 2]
    """

    def select(
        self, devices: Sequence[Client], count: int, rng: np.random.Generator
    ) -> Sequence[Client]:
        """Return at most `count` distinct devices, in ascending order of index."""


SELECTORS: Registry[Selector] = Registry("selector", Selector)
