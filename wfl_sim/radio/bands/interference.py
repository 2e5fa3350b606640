"""Interference between coupled cells.

Uplink: on every resource block a cell receives the devices of other cells that hold this block.
Downlink: a device receives every other cell that sends anything, on the whole band. Both follow the
fading of the present grid cell. A beam that follows a device has the gain of its element for those
of other cells.

An allocator knows the mean of the interference: over fading, and over the blocks on which others
may send.
"""

import warnings
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from channel_models.validation import FloatArray
from wfl_sim.radio.bands.band_plan import BandPlan
from wfl_sim.radio.bands.block_rates import in_order
from wfl_sim.radio.power.transmit_power import on_blocks


class Heard(NamedTuple):
    """Interference between c cells with n transfers in all, of one link each."""

    uplink: bool
    noise: FloatArray
    """(c,) W on a block."""
    gain: FloatArray
    """(n,) mean gains of the links."""
    mean: FloatArray
    """(c, n): uplink, the mean gain of each sender to each cell, 0 to its own; downlink, W on a
    block from each cell."""
    ends: NDArray[np.intp]
    """(c + 1,) where those that each cell follows begin and end in `which`."""
    which: NDArray[np.intp]
    """Uplink, the senders whose fading is followed; downlink, the cells, in ascending order."""
    columns: NDArray[np.intp]
    """(c,) where the columns of each cell begin."""
    fading: NDArray[np.float32]
    """(steps, blocks, columns): a column for each sender, or as many as a cell has transfers for
    each cell that it follows."""


NOTHING_HEARD: Final = Heard(
    uplink=True,
    noise=np.empty(0),
    gain=np.empty(0),
    mean=np.empty((0, 0)),
    ends=np.empty(0, dtype=np.intp),
    which=np.empty(0, dtype=np.intp),
    columns=np.empty(0, dtype=np.intp),
    fading=np.empty((0, 0, 0), dtype=np.float32),
)
"""Of a cell without others."""


FAINT: Final = 0.1
"""Share of the noise: an interferer whose mean received power, with all its power on one block, is
below it is modelled without fading (wfl_sim's default)."""
MOST_FADING: Final = 16_384
"""Links between a cell and devices of others whose fading is followed at once, in each direction.
Each takes about 0.1 MB; of more, the strongest are followed (wfl_sim's default)."""


def _mean_power(plan: BandPlan) -> FloatArray:
    """(m,) mean W of each link on every block, if the band were split evenly."""
    links, band = plan.traffic.links, plan.band
    held = np.full(len(links), band.blocks / len(plan.traffic.first))
    power = band.power.per_block(links, held)
    return power if not band.power.spreads else power * held / band.blocks


def _block_power(plan: BandPlan) -> FloatArray:
    """(m, blocks) W of each link on each block that it holds in this step."""
    held = in_order(np.ascontiguousarray(plan.shares.T))
    power = on_blocks(plan.band.power, plan.traffic.links, held, plan.level)
    return np.ascontiguousarray(plan.shares * (power[:, None] if power.ndim == 1 else power.T))


def _warn_of_means() -> None:
    warnings.warn(
        f"more than {MOST_FADING} links between coupled cells: weak ones count without fading",
        stacklevel=2,
    )


class UplinkInterference:
    """What cells receive of devices in other cells."""

    def __init__(self, plans: Sequence[BandPlan], steps: int) -> None:
        self._plans = plans
        links = np.concatenate([plan.traffic.links for plan in plans])
        sizes = [len(plan.traffic.links) for plan in plans]
        owner = np.repeat(np.arange(len(plans)), sizes)
        most = np.concatenate(
            [
                plan.band.power.per_block(plan.traffic.links, np.ones(size))
                for plan, size in zip(plans, sizes, strict=True)
            ]
        )
        self._gain, self._strong, self._fading = [], [], []
        self._none = np.empty((steps, plans[0].band.blocks, 0), dtype=np.float32)
        followed = MOST_FADING // len(plans)
        for number, plan in enumerate(plans):
            channel = plan.band.channel
            gain = np.where(owner != number, channel.mean_gain[links] / plan.band.beam, 0.0)
            strong = np.flatnonzero(gain * most > FAINT * plan.band.block_noise)
            if strong.size > followed:
                _warn_of_means()
                by_power = np.argsort(-(gain * most)[strong], kind="stable")
                strong = np.sort(strong[by_power[:followed]])
            self._gain.append(gain)
            self._strong.append(strong)
            self._fading.append(
                channel.fading(links[strong], plan.start, steps) if strong.size else None
            )

    def means(self) -> list[FloatArray]:
        """(m,) mean W on a block, for the links of each plan."""
        sent = np.concatenate([_mean_power(plan) for plan in self._plans])
        return [
            np.full(len(plan.traffic.links), float((gain * sent).sum()))
            for plan, gain in zip(self._plans, self._gain, strict=True)
        ]

    def present(self, steps: int | slice) -> list[FloatArray]:
        """(blocks, 1) W on each block, or (steps, blocks, 1) for some steps, for each plan.

        Transfers send with the shares and levels of their plans.
        """
        sent = np.concatenate([_block_power(plan) for plan in self._plans])
        received = []
        for gain, strong, fading in zip(self._gain, self._strong, self._fading, strict=True):
            mean = sent * gain[:, None]
            total = in_order(mean)
            if fading is not None:
                faded = np.ascontiguousarray(mean[strong].T)
                rest = np.maximum(total - in_order(mean[strong]), 0.0)
                total = rest + (faded * fading[steps]).sum(axis=-1)
            received.append(total[..., None])
        return received

    def heard(self) -> Heard:
        """Return what they receive as tables."""
        sizes = np.array([len(each) for each in self._strong])
        fading = [self._none if each is None else each for each in self._fading]
        return Heard(
            uplink=True,
            noise=np.array([plan.band.block_noise for plan in self._plans]),
            gain=np.concatenate([plan.gain for plan in self._plans]),
            mean=np.array(self._gain),
            ends=np.append(0, np.cumsum(sizes)),
            which=np.concatenate(self._strong),
            columns=np.cumsum(sizes) - sizes,
            fading=np.concatenate(fading, axis=2),
        )


def _fading_of_others(
    plans: Sequence[BandPlan], heard: NDArray[np.bool_], steps: int
) -> list[list[NDArray[np.float32] | None]]:
    """For each plan, (steps, blocks, m) fading of its links to each other cell that it hears.

    Args:
        plans: of c cells.
        heard: (c, c) whether the devices of a cell (row) hear another.
        steps: samples of the channel.
    """
    fading: list[list[NDArray[np.float32] | None]] = [[] for _ in plans]
    for other, plan in enumerate(plans):
        hearing = np.flatnonzero(heard[:, other]).tolist()
        found: dict[int, NDArray[np.float32]] = {}
        if hearing:
            # One call for all of them: each has a cost of its own.
            links = [plans[cell].traffic.links for cell in hearing]
            ends = np.cumsum([len(each) for each in links])[:-1]
            every = plan.band.channel.fading(np.concatenate(links), plan.start, steps)
            found = dict(zip(hearing, np.split(every, ends, axis=2), strict=True))
        for cell, of_cell in enumerate(fading):
            if cell != other:
                of_cell.append(found.get(cell))
    return fading


class DownlinkInterference:
    """What devices receive of other cells that send."""

    def __init__(self, plans: Sequence[BandPlan], steps: int) -> None:
        self._plans = plans
        self._mean: list[list[FloatArray]] = []
        followed = MOST_FADING // sum(len(plan.traffic.links) for plan in plans)
        heard = np.zeros((len(plans), len(plans)), dtype=bool)
        for cell, plan in enumerate(plans):
            links, others = plan.traffic.links, [c for c in range(len(plans)) if c != cell]
            means = [
                plans[c].band.channel.mean_gain[links]
                / plans[c].band.beam
                * plans[c].band.power.per_block(links, np.ones(len(links)))
                for c in others
            ]
            loud = [
                number
                for number, mean in enumerate(means)
                if (mean > FAINT * plan.band.block_noise).any()
            ]
            if len(loud) > followed:
                _warn_of_means()
                loud = sorted(loud, key=lambda number: -float(means[number].sum()))[:followed]
            self._mean.append(means)
            heard[cell, [others[number] for number in loud]] = True
        self._fading = _fading_of_others(plans, heard, steps)

    def means(self) -> list[FloatArray]:
        """(m,) mean W on a block, for the links of each plan."""
        return [
            np.sum(means, axis=0) if means else np.zeros(len(plan.traffic.links))
            for plan, means in zip(self._plans, self._mean, strict=True)
        ]

    def present(self, steps: int | slice) -> list[FloatArray]:
        """(blocks, m) W on each block for the links of each plan; as above for some steps."""
        received = []
        for plan, means, fadings in zip(self._plans, self._mean, self._fading, strict=True):
            total = np.zeros((plan.band.blocks, len(plan.traffic.links)))
            for mean, fading in zip(means, fadings, strict=True):
                total = total + (mean if fading is None else mean * fading[steps])
            received.append(total)
        return received

    def heard(self) -> Heard:
        """Return what they receive as tables."""
        gains, cells = [plan.gain for plan in self._plans], range(len(self._plans))
        none = [np.zeros(len(each)) for each in gains]
        with_own = [[*mean[:c], none[c], *mean[c:]] for c, mean in enumerate(self._mean)]
        followed = [
            [number + (number >= c) for number, each in enumerate(of_cell) if each is not None]
            for c, of_cell in enumerate(self._fading)
        ]
        sizes = np.array([len(each) for each in followed])
        columns = sizes * np.array([len(each) for each in gains])
        samples = [each for of_cell in self._fading for each in of_cell if each is not None]
        return Heard(
            uplink=False,
            noise=np.array([plan.band.block_noise for plan in self._plans]),
            gain=np.concatenate(gains),
            mean=np.array([np.concatenate([of_cell[c] for of_cell in with_own]) for c in cells]),
            ends=np.append(0, np.cumsum(sizes)),
            which=np.array([other for each in followed for other in each], dtype=np.intp),
            columns=np.cumsum(columns) - columns,
            fading=np.concatenate(samples, axis=2) if samples else np.empty((1, 1, 0), np.float32),
        )
