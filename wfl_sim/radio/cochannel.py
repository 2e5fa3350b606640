"""Co-channel: which cells use the same frequencies, and hear one another."""

from collections.abc import Sequence

from wfl_sim.cells import Cell
from wfl_sim.registry import LocatedError


def cochannel(cells: Sequence[Cell]) -> list[list[int]]:
    """Return the numbers of the cells on each band, in ascending order."""
    groups: dict[tuple[float, float, float], list[int]] = {}
    for number, cell in enumerate(cells):
        band = cell.carrier, cell.bandwidth, cell.subcarrier_spacing
        groups.setdefault(band, []).append(number)
    return list(groups.values())


def check_bands(cells: Sequence[Cell]) -> None:
    """Refuse cells that hear one another and cannot be planned together.

    Raises:
        LocatedError: bands overlap without being the same, or two cells of one band differ in the
            pattern of duplex or in an average.
    """
    for number, cell in enumerate(cells):
        for other, before in enumerate(cells[:number]):
            apart = abs(cell.carrier - before.carrier)
            width = (cell.bandwidth + before.bandwidth) / 2
            same = (apart, cell.bandwidth) == (0, before.bandwidth)
            if apart >= width * (1 - 1e-12):
                continue
            if not same or cell.subcarrier_spacing != before.subcarrier_spacing:
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
