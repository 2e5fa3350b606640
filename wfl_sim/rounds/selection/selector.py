"""The contract of client selection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from wfl_sim.config.registry import Registry

if TYPE_CHECKING:
    from wfl_sim.network.client import Client


class Selector(Protocol):
    """Who takes part in a round."""

    def select(
        self, devices: Sequence[Client], count: int, rng: np.random.Generator
    ) -> Sequence[Client]:
        """Return at most `count` distinct devices, in ascending order of index."""


SELECTORS: Registry[Selector] = Registry("selector", Selector)
