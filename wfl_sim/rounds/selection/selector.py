"""Client selection: its contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from wfl_sim.config.answers import AnswerError
from wfl_sim.config.registry import Registry

if TYPE_CHECKING:
    from wfl_sim.network.devices.client import Client

Clients = Sequence["Client"]


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

    def select(self, devices: Clients, count: int, rng: np.random.Generator) -> Clients:
        """Return at most `count` distinct devices, in ascending order of index."""


SELECTORS: Registry[Selector] = Registry("selector", Selector)


def selected(selector: Selector, devices: Clients, count: int, rng: np.random.Generator) -> Clients:
    """Return the devices that a selection has chosen.

    Raises:
        AnswerError: they are not distinct ones of those that are there, or more than `count`.
    """
    chosen = selector.select(devices, count, rng)
    if isinstance(chosen, Sequence | np.ndarray) and len(chosen) <= count:
        found = {id(each) for each in chosen}
        there = sum(map(found.__contains__, map(id, devices)))
        if len(found) == len(chosen) == there:
            return [*chosen]  # of an array, too
    rule = f"at most {count} distinct devices of the {len(devices)} it was given"
    raise AnswerError.of(selector, "select", rule, chosen)
