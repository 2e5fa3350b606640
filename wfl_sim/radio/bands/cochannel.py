"""Co-channel cells: groups on one band, and what the cells of a group must have in common."""

from collections.abc import Sequence

from wfl_sim.config.errors import LocatedError
from wfl_sim.radio.cell import CellConfig


def cochannel(cells: Sequence[CellConfig]) -> list[list[int]]:
    """Return the numbers of the cells of NR on each band, in ascending order."""
    groups: dict[tuple[float, float, float], list[int]] = {}
    for number, cell in enumerate(cells):
        if cell.cellular:
            band = cell.carrier, cell.bandwidth, cell.block_bandwidth
            groups.setdefault(band, []).append(number)
    return list(groups.values())


def shares_bands(cells: Sequence[CellConfig]) -> bool:
    """Return whether any two cells are on one band."""
    return any(len(group) > 1 for group in cochannel(cells))


def _step(seconds: float | None) -> str:
    return "0.1 / Doppler shift" if seconds is None else f"{seconds:g} s"


def check_bands(cells: Sequence[CellConfig]) -> None:
    """Refuse cells that interfere with one another and cannot be planned together.

    Raises:
        LocatedError: bands overlap without being the same, or two cells of one band differ in the
            duplex pattern, in the averaging time, or in the sampling step of their fading.
    """
    for number, cell in enumerate(cells):
        for other, before in enumerate(cells[:number]):
            if not (cell.cellular and before.cellular):
                continue
            apart = abs(cell.carrier - before.carrier)
            width = (cell.bandwidth + before.bandwidth) / 2
            same = (apart, cell.bandwidth) == (0, before.bandwidth)
            if apart >= width * (1 - 1e-12):
                continue
            if not same or cell.block_bandwidth != before.block_bandwidth:
                raise LocatedError(
                    f"overlaps with the band of cell {other} and is not the same: use carriers "
                    f"{width / 1e6:g} MHz apart, or one carrier, bandwidth and spacing",
                    number,
                    "carrier",
                )
            if cell.tdd != before.tdd:
                raise LocatedError(
                    f"must be that of cell {other}, which is on the same band", number, "tdd"
                )
            steps = [getattr(each.channel.fading, "sampling_step", None) for each in (cell, before)]
            if steps[0] != steps[1]:
                raise LocatedError(
                    f"must be sampled as that of cell {other} on the same band: every "
                    f"{_step(steps[1])}, got every {_step(steps[0])}",
                    number,
                    "channel",
                    "fading",
                )
            for direction in ("uplink", "downlink"):
                mine, theirs = getattr(cell, direction), getattr(before, direction)
                if mine.averaging != theirs.averaging:
                    raise LocatedError(
                        f"must be that of cell {other} on the same band, "
                        f"{theirs.averaging:g} s, got {mine.averaging:g} s",
                        number,
                        direction,
                        "averaging",
                    )
