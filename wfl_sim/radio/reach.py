"""Reach: whether every device can hear its cell and be heard, fading and neighbours aside."""

from typing import Final

import numpy as np

from wfl_sim.radio.direction import Direction
from wfl_sim.registry import LocatedError
from wfl_sim.scenario import Scenario
from wfl_sim.topology import Placement

LEAST_SNR_DB: Final = -20.0
"""wfl_sim's default: below it a block of 360 kHz carries less than 5.2 kbit/s at Shannon's rate,
and a transfer would take so many fading samples that the simulation hardly moves"""


def check_reach(scenario: Scenario, placement: Placement) -> None:
    """Compare mean signal-to-noise ratios with the least that is simulated.

    Uplink: all power on one resource block. Downlink: the cell's power over all its blocks.

    Raises:
        LocatedError: a device is out of reach of the cell with the largest gain.
    """
    first = 0
    for group, devices in enumerate(scenario.devices):
        for index in range(first, first + devices.count):
            cell = scenario.base_stations[placement.serving[index]]
            gain = placement.gains[placement.serving[index], index]
            sides: tuple[tuple[Direction, float], ...] = (
                ("uplink", devices.power),
                ("downlink", cell.downlink.power / cell.blocks),
            )
            for direction, power in sides:
                snr_db = float(10 * np.log10(power * gain / cell.noise(direction)))
                if snr_db < LEAST_SNR_DB:
                    raise LocatedError(
                        f"device-{index} is out of reach: {snr_db:.0f} dB mean SNR on a block of "
                        f"the {direction}, the least is {LEAST_SNR_DB:.0f} dB (a smaller radius, "
                        "more power, or another cell)",
                        "devices",
                        group,
                    )
        first += devices.count
