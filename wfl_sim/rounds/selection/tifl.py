"""TiFL: devices of similar speed together.

Z. Chai et al., TiFL: A Tier-based Federated Learning System, arXiv 2001.09249.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wfl_sim.config.fields import Bounded, PositiveInt
from wfl_sim.rounds.selection.selector import SELECTORS, Clients

if TYPE_CHECKING:
    from wfl_sim.network.devices.client import Client


@SELECTORS("tifl")
@dataclass(frozen=True, kw_only=True)
class TiFL(Bounded):
    """Select a tier uniformly at random, then devices of that tier uniformly.

    The devices of a round have similar speed: tiers are groups of equal size by the expected time
    of a round, in which a device computes, and downloads and uploads alone on the band at its mean
    gain. The paper measures it of all devices before training; the last round of a device would
    not do, since whoever has shared the band would look slower than who has not been asked. The
    paper's choice by the accuracy of tiers is left out. If a tier has fewer devices than requested,
    all of them are selected.
    """

    tiers: PositiveInt = 3

    def select(self, devices: Clients, count: int, rng: np.random.Generator) -> Clients:
        """Return at most `count` devices of one tier, in ascending order."""
        seconds = [
            each.expected_download + each.expected_compute + each.expected_upload
            for each in devices
        ]
        tiers = [tier for tier in by_speed(devices, seconds, self.tiers) if tier]
        tier = tiers[int(rng.integers(len(tiers)))]
        chosen = rng.choice(len(tier), size=min(count, len(tier)), replace=False)
        return sorted((tier[i] for i in chosen), key=lambda device: device.index)


def by_speed(devices: Sequence[Client], seconds: Sequence[float], tiers: int) -> list[list[Client]]:
    """Return `tiers` groups from the fastest to the slowest, their sizes equal within one.

    Args:
        devices: to be grouped, in ascending order of index.
        seconds: time of each; ties go to the lower index.
        tiers: groups; the last of them are empty where there are fewer devices.
    """
    order = [devices[i] for i in sorted(range(len(devices)), key=lambda i: (seconds[i], i))]
    size, more = divmod(len(order), tiers)
    ends = [size * (i + 1) + min(i + 1, more) for i in range(tiers)]
    return [order[start:end] for start, end in zip([0, *ends], ends, strict=False)]
