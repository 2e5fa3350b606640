"""Reach: whether a cell and a device can hear one another at a mean gain."""

from math import log10
from typing import Final

from wfl_sim.radio.cell import CellConfig, Direction
from wfl_sim.radio.channel.propagation import RATES

LEAST_SNR: Final = 0.01
"""Least mean SNR of a resource block, -20 dB, wfl_sim's default. Below it, a block of 360 kHz
carries less than 5.2 kbit/s at Shannon's rate, and a transfer would need very many fading
samples."""


def mean_snrs(cell: CellConfig, power: float, gain: float) -> dict[Direction, float]:
    """Return the linear mean SNR of a block by direction, for a device of `power` W.

    Uplink: all power on one resource block, as far as power control lets it. Downlink: the cell's
    power divided over all its blocks.
    """
    watts: dict[Direction, float] = {
        "uplink": min(cell.available(power), cell.power_density(gain)),
        "downlink": cell.downlink.power / cell.blocks,
    }
    return {
        direction: float(each * gain / cell.noise(direction)) for direction, each in watts.items()
    }


def unreached(
    cell: CellConfig, power: float, gain: float, only: Direction | None = None
) -> str | None:
    """Return why a device of `power` W at a linear gain is out of reach, or None.

    The mean SNR of a block is below the least that is simulated, or the rate map carries nothing at
    it: uplink, on as many blocks as the device holds alone; downlink, on any. `only` looks at one
    direction.
    """
    if cell.wired is not None:
        return None
    for direction, snr in mean_snrs(cell, power, gain).items():
        control = direction == "uplink" and cell.uplink.power_control
        target = " or a higher power-control target" if control else ""
        remedy = f"a smaller radius, more power{target}, or another cell"
        if cell.wifi is not None:
            watts = power if direction == "uplink" else cell.downlink.power
            if only in (None, direction) and not cell.wifi.alone(watts * gain, cell.bandwidth):
                received = 10 * log10(max(watts * gain, 1e-300)) + 30
                needs = f"{received:.0f} dBm on the {direction}, below what MCS 0 of Wi-Fi needs"
                return f"{needs} ({remedy})"
            continue
        if only not in (None, direction):
            continue
        if snr < LEAST_SNR:
            return (
                f"{10 * log10(max(snr, 1e-300)):.0f} dB mean SNR on a block of the {direction}, "
                f"the least is {10 * log10(LEAST_SNR):.0f} dB ({remedy})"
            )
        if direction == "uplink":
            held = cell.held_blocks(gain, power)
            snr = min(snr, cell.available(power) / held * gain / cell.noise("uplink"))
        if snr < cell.least_snr[direction]:
            side = cell.uplink if direction == "uplink" else cell.downlink
            least_db = 10 * log10(cell.least_snr[direction])
            return (
                f"{10 * log10(snr):.1f} dB mean SNR on a block of the {direction}, where "
                f"{RATES.label(side.rate)} carries nothing, the least is {least_db:.1f} dB "
                f"({remedy})"
            )
    return None
