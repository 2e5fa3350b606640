"""Expected rates: what a link would carry alone on the whole band, fading left out."""

import channel_models as cm
from wfl_sim.cells import Cell
from wfl_sim.radio.direction import Direction


def expected_rate(cell: Cell, direction: Direction, gain: float, power: float) -> float:
    """Return bit/s at the mean gain of a link.

    A device spreads its power over all resource blocks, as far as power control lets it.

    Args:
        cell: the description.
        direction: uplink or downlink.
        gain: linear large-scale gain.
        power: W of the device; on the downlink the cell's own power counts.
    """
    side = cell.uplink if direction == "uplink" else cell.downlink
    block = cm.resource_block_bandwidth(cell.subcarrier_spacing)
    if direction == "downlink":
        watts = cell.downlink.power / cell.blocks
    else:
        watts = power / cell.blocks
        if cell.uplink.power_control is not None:
            numerology = cm.numerology(cell.subcarrier_spacing)
            watts = min(watts, float(cell.uplink.power_control.density(gain, numerology)))
    efficiency = float(side.rate.spectral_efficiency(watts * gain / cell.noise(direction)))
    usable = cell.blocks * block * (1 - side.overhead) * cell.duty(direction)
    return efficiency * usable
