"""Client selection: random, best channel, all devices, round robin."""

from dataclasses import dataclass

import numpy as np

from wfl_sim.rounds.selection.selector import SELECTORS, Clients


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
