"""Slices: links that have a part of a band to themselves while they have something to carry."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfl_sim.radio.bands.medium import ActiveTransfers
from wfl_sim.radio.traffic import units_of_slice

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Slice:
    """Links of one slice, and the share of the band that is reserved for it."""

    links: range
    share: float


def parts(
    slices: Sequence[Slice], traffic: ActiveTransfers, units: int
) -> Iterator[tuple[Indices, Indices, Indices | None]]:
    """Yield the transfers of each slice that has any, its units, and where transmissions begin.

    Slices take whole units, at least one, from the upper end of the band; the units of one that has
    nothing to carry serve those without a slice, who come last.
    """
    links = traffic.links[traffic.first]
    rest, free = np.ones(len(links), dtype=bool), units
    for each in slices:
        mine = (links >= each.links.start) & (links < each.links.stop)
        if mine.any():
            count = units_of_slice(each.share, units)
            free -= count
            rest &= ~mine
            which = np.flatnonzero(mine)
            yield which, np.arange(free, free + count), traffic.beginnings(which)
    if rest.any():
        which = np.flatnonzero(rest)
        yield which, np.arange(free), traffic.beginnings(which)
