"""Energy-aware selection, by the charge of the battery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from channel_models.elementary import log
from channel_models.units import Fraction
from wfl_sim.rounds.selection.selector import SELECTORS, Clients

if TYPE_CHECKING:
    from wfl_sim.network.devices.client import Client


@SELECTORS("energy-aware")
@dataclass(frozen=True, kw_only=True)
class EnergyAware:
    """At random among devices whose battery lasts for the round, with weights by charge.

    The weight is the level of charge, times the share of what is above the cut-off that a round
    like the device's last one would leave; without a cut-off, the level after that round. Below
    `reserve` a device is selected only if too few others are available. No data are excluded for
    good. Mains power counts as a full battery.
    """

    reserve: Fraction = 0.1

    def select(self, devices: Clients, count: int, rng: np.random.Generator) -> Clients:
        """Return `count` devices, or all where there are fewer, in ascending order."""
        after = np.array([_share_after(device) for device in devices])
        able = after >= self.reserve
        # The largest of log(u) / w are a draw without replacement with odds w (Efraimidis and
        # Spirakis 2006, doi:10.1016/j.ipl.2005.11.003).
        with np.errstate(divide="ignore"):
            keys = log(rng.uniform(size=len(devices))) / np.maximum(after, 1e-9)
        order = np.lexsort((-keys, ~able))
        return [devices[i] for i in sorted(order[:count].tolist())]


def _share_after(device: Client) -> float:
    share = device.battery_level
    if np.isfinite(device.charge_left):
        share *= 1 - device.round_joules / max(device.charge_left, 1e-9)
    return float(share)
