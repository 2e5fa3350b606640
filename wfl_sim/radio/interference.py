"""Coupled: the bands of co-channel cells as one medium, so that each hears what the others send.

Uplink: on every resource block a cell hears the devices of the other cells that hold this block.
Downlink: a device hears every other cell that sends anything, on the whole band. Both with the
fading of the very moment. All cells plan their steps together: when a transfer begins or ends
anywhere, everybody plans anew.

An allocator knows the mean of the interference: over fading, and over the blocks on which others
may send.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from wfl_sim.radio.allocation.allocator import Demands
from wfl_sim.radio.cell import Direction
from wfl_sim.radio.medium import ActiveTransfers, RatePlan
from wfl_sim.radio.ofdma import ChannelState, OfdmaBand
from wfl_sim.radio.transmit_power import per_held_block

FloatArray = NDArray[np.float64]

FAINT: Final = 0.1
"""of the noise: whoever is weaker than that with all power on one block is heard with its mean
power, without fading (wfl_sim's default)"""


@dataclass(frozen=True)
class CoupledCells:
    """Bands on one grid of time and frequency; link number = cell x devices + device."""

    bands: tuple[OfdmaBand, ...]
    devices: int
    direction: Direction

    def flow(self, traffic: ActiveTransfers, now: float, steps: int) -> RatePlan:
        """Divide all bands among their transfers, one fading sample after the other."""
        channel = self.bands[0].channel
        start = channel.index(now)
        until = channel.step * np.arange(start + 1, start + 1 + steps, dtype=float)
        begins = np.append(now, until[:-1])
        parts = self._parts(traffic, start, steps)
        hears = _Uplink(parts, start, steps) if self._up else _Downlink(parts, start, steps)
        for part, mean in zip(parts, hears.means(), strict=True):
            part.foresee(mean)
        rate, averages, power, sinr = np.empty((4, steps, len(traffic.first)))
        planned = 0
        while planned < steps and all(part.left.min() > 0 for part in parts):
            length = float(until[planned] - begins[planned])
            for part in parts:
                part.decide(float(begins[planned]), length, planned, start)
            for part, heard in zip(parts, hears.at(planned), strict=True):
                place = planned, part.which
                averages[place] = part.average
                rate[place], power[place], sinr[place] = part.advance(heard, length, planned)
            planned += 1
        with np.errstate(divide="ignore"):
            sinr_db = 10 * np.log10(sinr[:planned])
        return RatePlan(
            until=until[:planned],
            rate=rate[:planned],
            average_rate=averages[:planned],
            time_constant=self.bands[0].averaging,
            duty=self.bands[0].duty,
            power=power[:planned],
            sinr_db=sinr_db,
        )

    @property
    def _up(self) -> bool:
        return self.direction == "uplink"

    def _parts(self, traffic: ActiveTransfers, start: int, steps: int) -> "list[_CellPlan]":
        cells, links = np.divmod(traffic.links, self.devices)
        ends = np.append(traffic.first[1:], len(links))
        owner = cells[traffic.first]
        parts = []
        for number in np.unique(owner):
            which = np.flatnonzero(owner == number)
            spans = [links[traffic.first[i] : ends[i]] for i in which]
            sizes = np.array([len(span) for span in spans])
            mine = ActiveTransfers(
                links=np.concatenate(spans),
                first=np.cumsum(sizes) - sizes,
                bits_left=traffic.bits_left[which],
                weight=traffic.weight[which],
                average_rate=traffic.average_rate[which],
                start=traffic.start[which],
                deadline=traffic.deadline[which],
                together=_some(traffic.together, which),
            )
            parts.append(_CellPlan(self.bands[number], which, mine, start, steps))
        return parts


def _some(together: NDArray[np.intp] | None, which: NDArray[np.intp]) -> NDArray[np.intp] | None:
    """Where transmissions begin among some of the transfers."""
    if together is None:
        return None
    number = np.searchsorted(together, which, side="right")
    return np.flatnonzero(np.diff(number, prepend=0))


class _CellPlan:
    """The transfers of one cell, while a plan is made."""

    def __init__(
        self,
        band: OfdmaBand,
        which: NDArray[np.intp],
        traffic: ActiveTransfers,
        start: int,
        steps: int,
    ) -> None:
        self.band = band
        self.which = which
        self.traffic = traffic
        self.left = traffic.bits_left
        self.average = traffic.average_rate
        self.shares = self.level = np.empty(0)
        self._known, self._present = band.fading(traffic.links, start, steps)
        self._strength = np.empty(0)
        self._most: FloatArray | None = None
        self._keep = 0.0

    @property
    def gain(self) -> FloatArray:
        """(m,) mean gains to the own cell."""
        return np.asarray(self.band.channel.mean_gain[self.traffic.links])

    def even(self) -> FloatArray:
        """(m,) mean W of each link on every block, were the band split evenly."""
        links, count = self.traffic.links, len(self.traffic.first)
        held = np.full(len(links), self.band.blocks / count)
        power = self.band.power.per_block(links, held)
        return power if not self.band.power.spreads else power * held / self.band.blocks

    def sent(self) -> FloatArray:
        """(blocks, m) W of each link on each block, of what has been decided."""
        held = self.shares.sum(axis=1)
        power = per_held_block(self.band.power, self.traffic.links, held, self.level)
        return np.asarray((self.shares * power[:, None]).T)

    def foresee(self, interference: FloatArray) -> None:
        """Take the mean interference (m,) in W on a block, which is all that allocators know."""
        self._strength = self.gain / (self.band.block_noise + interference)
        self._most = self.band.most(self.traffic.links, self._strength)
        self._efficiency = self.band.expected(self.traffic, self._known, self._strength)
        self.average = self.band.averages(self.traffic, self._efficiency[0])

    def decide(self, now: float, length: float, step: int, start: int) -> None:
        """Let the allocator share the blocks for one step of so many s."""
        self._keep = float(np.exp(-length / self.band.averaging))
        demands = Demands(
            bits_left=self.left,
            efficiency=self._efficiency[step].T,
            average_rate=self.average,
            weight=self.traffic.weight,
            block_bandwidth=self.band.unit_bandwidth,
            memory=self._keep,
            age=now - self.traffic.start,
            deadline=self.traffic.deadline - now,
            step=start + step,
            spreads=self.band.power.spreads,
        )
        self.shares, self.level = self.band.decide(demands, self._most, self.traffic.together)

    def advance(
        self, interference: FloatArray, length: float, step: int
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return rates, powers and SINR under an interference (blocks, m), and go on one step."""
        strength = self.gain / (self.band.block_noise + interference)
        present = ChannelState(self._present[step], strength)
        known = ChannelState(self._known[step], self._strength)
        rate, power, sinr = self.band.worth(self.traffic, self.shares, self.level, present, known)
        self.left = self.left - rate * length
        self.average = rate + self._keep * (self.average - rate)
        return rate, power, sinr


class _Uplink:
    """What cells hear of devices in other cells."""

    def __init__(self, parts: Sequence[_CellPlan], start: int, steps: int) -> None:
        self._parts = parts
        self._links = np.concatenate([part.traffic.links for part in parts])
        sizes = [len(part.traffic.links) for part in parts]
        self._owner = np.repeat(np.arange(len(parts)), sizes)
        self._gain, self._loud, self._fading = [], [], []
        for number, part in enumerate(parts):
            channel, other = part.band.channel, self._owner != number
            gain = np.where(other, channel.mean_gain[self._links], 0.0)
            most = np.concatenate(
                [p.band.power.per_block(p.traffic.links, np.ones(n))
                 for p, n in zip(parts, sizes, strict=True)]
            )  # fmt: skip
            loud = np.flatnonzero(gain * most > FAINT * part.band.block_noise)
            self._gain.append(gain)
            self._loud.append(loud)
            self._fading.append(
                channel.fading(self._links[loud], start, steps) if loud.size else None
            )

    def means(self) -> list[FloatArray]:
        """W on a block, for the links of each part."""
        sent = np.concatenate([part.even() for part in self._parts])
        return [
            np.full(len(part.traffic.links), float(gain @ sent))
            for part, gain in zip(self._parts, self._gain, strict=True)
        ]

    def at(self, step: int) -> list[FloatArray]:
        """W on each block, (blocks, 1), for each part."""
        sent = np.concatenate([part.sent() for part in self._parts], axis=1)
        heard = []
        for gain, loud, fading in zip(self._gain, self._loud, self._fading, strict=True):
            mean = sent * gain
            if fading is None:
                heard.append(mean.sum(axis=1)[:, None])
                continue
            strong = mean[:, loud]
            rest = mean.sum(axis=1) - strong.sum(axis=1)
            heard.append((np.maximum(rest, 0.0) + (strong * fading[step]).sum(axis=1))[:, None])
        return heard


class _Downlink:
    """What devices hear of other cells that send."""

    def __init__(self, parts: Sequence[_CellPlan], start: int, steps: int) -> None:
        self._parts = parts
        self._mean: list[list[FloatArray]] = []
        self._fading: list[list[NDArray[np.float32] | None]] = []
        for part in parts:
            links = part.traffic.links
            means, fadings = [], []
            for other in parts:
                if other is part:
                    continue
                power = other.band.power.per_block(links, np.ones(len(links)))
                means.append(other.band.channel.mean_gain[links] * power)
                loud = (means[-1] > FAINT * part.band.block_noise).any()
                fadings.append(other.band.channel.fading(links, start, steps) if loud else None)
            self._mean.append(means)
            self._fading.append(fadings)

    def means(self) -> list[FloatArray]:
        """W on a block, for the links of each part."""
        return [
            np.sum(means, axis=0) if means else np.zeros(len(part.traffic.links))
            for part, means in zip(self._parts, self._mean, strict=True)
        ]

    def at(self, step: int) -> list[FloatArray]:
        """W on each block, (blocks, m), for the links of each part."""
        heard = []
        for part, means, fadings in zip(self._parts, self._mean, self._fading, strict=True):
            total = np.zeros((part.band.blocks, len(part.traffic.links)))
            for mean, fading in zip(means, fadings, strict=True):
                total += mean if fading is None else mean * fading[step]
            heard.append(total)
        return heard
