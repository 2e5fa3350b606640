"""Client selection: its contract, and random, best channel, all devices, round robin."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Protocol

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
_FEW: Final = 64
"""Devices for each one chosen from which a search for each is quicker than a pass over all."""


def selected(selector: Selector, devices: Clients, count: int, rng: np.random.Generator) -> Clients:
    """Return the devices that a selection has chosen.

    Raises:
        AnswerError: they are not distinct ones of those that are there, or more than `count`.
    """
    chosen = selector.select(devices, count, rng)
    several = isinstance(chosen, Sequence | np.ndarray) and len(chosen) <= count
    if several and _distinct_ones(devices, chosen):
        return [*chosen]  # of an array, too
    rule = f"at most {count} distinct devices of the {len(devices)} it was given"
    raise AnswerError.of(selector, "select", rule, chosen)


def _distinct_ones(devices: Clients, chosen: Collection[object]) -> bool:
    """Whether those chosen are distinct ones of the devices."""
    found = {id(each) for each in chosen}
    if len(found) < len(chosen):
        return False
    # A pass over a large fleet touches every device; few are found sooner by their numbers.
    few = _FEW * len(found) < len(devices)
    searched = few and all(_stands_in_order(devices, each) for each in chosen)
    return searched or len(found.intersection(map(id, devices))) == len(found)


def _stands_in_order(devices: Clients, chosen: object) -> bool:
    """Whether a device is one of some that ascend by index; False also where they do not."""
    index = getattr(chosen, "index", None)
    if not isinstance(index, int):
        return False
    place = bisect_left(devices, index, key=attrgetter("index"))
    return place < len(devices) and devices[place] is chosen


@SELECTORS("random")
@dataclass(frozen=True)
class RandomSelection:
    """Uniformly without replacement."""

    def select(self, devices: Clients, count: int, rng: np.random.Generator) -> Clients:
        """Return `count` devices, or all where there are fewer, in ascending order."""
        chosen = rng.choice(len(devices), size=min(count, len(devices)), replace=False)
        return [devices[i] for i in sorted(chosen)]


@SELECTORS("best-channel")
@dataclass(frozen=True)
class BestChannel:
    """The largest mean gain to the serving cell (path loss and shadowing)."""

    def select(self, devices: Clients, count: int, rng: np.random.Generator) -> Clients:
        """Return the `count` best devices in ascending order; ties go to the lower index."""
        best = sorted(devices, key=lambda device: (-device.mean_gain, device.index))
        return sorted(best[:count], key=lambda device: device.index)


@SELECTORS("all")
@dataclass(frozen=True)
class Everyone:
    """All devices, up to `clients`: then those with the lowest numbers."""

    def select(self, devices: Clients, count: int, rng: np.random.Generator) -> Clients:
        """Return the first `count` devices."""
        return devices[:count]


@SELECTORS("round-robin")
@dataclass(frozen=True)
class RoundRobin:
    """The devices that have been asked least often, lower numbers first."""

    def select(self, devices: Clients, count: int, rng: np.random.Generator) -> Clients:
        """Return `count` devices, or all where there are fewer, in ascending order."""
        queue = sorted(devices, key=lambda device: (device.times_asked, device.index))
        return sorted(queue[:count], key=lambda device: device.index)
