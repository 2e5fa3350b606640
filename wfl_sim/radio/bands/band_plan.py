"""The plan of one band: transfers, samples of the channel and rates, one step after the other."""

from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from channel_models.elementary import decay, decibels
from channel_models.units import db_to_linear
from channel_models.validation import FloatArray
from wfl_sim.radio.allocation.allocator import Demands, Statistics
from wfl_sim.radio.bands.band_division import BandDivision
from wfl_sim.radio.bands.block_rates import ChannelState, Learned, Rates, worst
from wfl_sim.radio.bands.link_facts import link_samples, statistics_of, watts_of
from wfl_sim.radio.bands.medium import ActiveTransfers, LinkSamples, RatePlan


class BandPlan:
    """The rates of one band's transfers while they are planned, one fading sample a step.

    The order of calls: `expect` once, then for every step `demands`, `states` and `record`.
    """

    def __init__(
        self, band: BandDivision, traffic: ActiveTransfers, now: float, steps: int
    ) -> None:
        channel = band.channel
        self.band, self.traffic = band, traffic
        self.start = channel.index(now)
        """Number of the first fading sample."""
        self.gain = channel.mean_gain[traffic.links]
        """(m,) mean gains of the links."""
        self.left = traffic.bits_left
        """(n,) bits left at the beginning of the step."""
        self.planned = 0
        """Number of steps planned."""
        self.strength = np.empty(0)
        """(m,) mean SINR of a link on a block for each W, as the allocator knows it."""
        self.max_units: FloatArray | None = None
        """(m,) units that each link may hold; None without a limit."""
        self.shares = self.level = np.empty(0)
        """Shares of blocks (n, blocks) and levels of power, (n,) or (n, blocks), of this step."""
        self._modulation: NDArray[np.intp] | None = None
        self._statistics: Statistics | None = None
        self._known, self._present = band.samples(traffic.links, self.start, steps)
        self._until = channel.step * np.arange(self.start + 1, self.start + 1 + steps, dtype=float)
        begins = np.append(now, self._until[:-1])
        self._lengths = self._until - begins
        self._keep = decay(self._lengths / band.averaging)
        self._ages = begins[:, None] - traffic.start
        self._times_left = traffic.deadline - begins[:, None]
        self._average = traffic.average_rate
        self._efficiency = np.empty(0)
        self._learned: Learned | None = None
        if getattr(band.rate, "outer_loop", None) is not None and traffic.unicast:
            # a slot of 14 symbols lasts 1 ms at 15 kHz, where a block has 180 kHz
            self._blocks = self._lengths * band.duty * (band.block_bandwidth / 180.0)
            none = np.zeros(len(traffic.first))
            self._learned = Learned(none if traffic.offset is None else traffic.offset.copy())
            self._offsets = np.empty((steps, len(traffic.first)))
        self.samples: list[LinkSamples] = []
        self._results = np.empty((4, steps, len(traffic.first)))
        self._rate, self._averages, self._power, self._sinr = self._results

    def expect(self, noise: float | FloatArray) -> None:
        """Set noise and mean interference in W on a block, all that the allocator knows of them."""
        self.strength = self.gain / noise
        self.max_units = self.band.max_units(self.traffic.links, self.strength)
        known = self._known[:1] if self.divided_once else self._known
        self._efficiency = self.band.expected(self.traffic, known, self.strength, self.max_units)
        self._average = self.band.averages(self.traffic, self._efficiency[0])

    def within_limits(self, holders: NDArray[np.intp]) -> bool:
        """Whether no transfer holds more units than its power carries; `holders` (units,)."""
        if self.max_units is None:
            return True
        held = np.bincount(holders, minlength=len(self.max_units))
        return bool((held <= self.max_units).all())

    @property
    def unfinished(self) -> bool:
        """Whether steps are left and no transfer has ended."""
        return bool(self.planned < len(self._until) and self.left.min() > 0)

    @property
    def by_blocks(self) -> bool:
        """Whether the holder of a block is all that rates need."""
        band, traffic = self.band, self.traffic
        alone = traffic.together is None and traffic.level is None
        return alone and traffic.unicast and not band.slices and not band.modulations

    @property
    def divided_once(self) -> bool:
        """Whether one division of the band serves all steps."""
        return self.band.keeps_shares and self.max_units is None and not self.learns

    @property
    def learns(self) -> bool:
        """Whether an outer loop learns from failures."""
        return self._learned is not None

    def demands(self) -> Demands:
        """Return what the allocator sees in this step."""
        step = self.planned
        cell, direction = self.band.place
        return Demands(
            bits_left=self.left,
            efficiency=self._efficiency[step].T,
            average_rate=self._average,
            weight=self.traffic.weight,
            block_bandwidth=self.band.unit_bandwidth,
            memory=float(self._keep[step]),
            age=self._ages[step],
            deadline=self._times_left[step],
            step=self.start + step,
            spreads=self.band.power.spreads,
            least_bandwidth=self.band.rates.usable * self.band.power.least_blocks,
            cell=cell,
            direction=direction,
            learn=self._learn,
            observe=partial(self._observe, step),
        )

    def divide(self, demands: Demands | None = None) -> None:
        """Set shares and levels of this step, by the allocator and the power that a policy gave."""
        traffic = self.traffic
        asked = self.demands() if demands is None else demands
        self.shares, self.level = self.band.allocate(asked, self.max_units, traffic)
        if traffic.level is not None:
            given = traffic.level if self.level.ndim == 1 else traffic.level[:, None]
            self.level = self.level * given
        if self.band.modulations:
            known = ChannelState(self._known[self.planned], self._backed_off())
            self.level, self._modulation = self.band.rates.choose(
                traffic, self.shares, self.level, known
            )

    def _backed_off(self) -> FloatArray:
        """(m,) strength less what an outer loop has learned to back off."""
        if self._learned is None:
            return self.strength
        return np.asarray(self.strength * db_to_linear(-self._learned.offset))

    def _learn(self) -> Statistics:
        """Return what is known beside the momentary channel; the same in all steps."""
        if self._statistics is None:
            band = self.band
            self._statistics = statistics_of(
                self.traffic, self.strength, self.gain, band.rates, band.senders, band.fading
            )
        return self._statistics

    def _observe(self, step: int) -> FloatArray:
        band, units = self.band, self.band.units
        watts = watts_of(self.traffic, band.power)
        snr = units.to_units(self._known[step] * (watts * self.strength)) / units.sizes[:, None]
        return worst(self.traffic, snr).T

    def states(self, strength: FloatArray) -> tuple[ChannelState, ChannelState]:
        """Return the present channel at a `strength`, (m,) or (blocks, m), and the known one."""
        present, known = self._present[self.planned], self._known[self.planned]
        if self._learned is not None:
            self._learned.blocks = float(self._blocks[self.planned])
            self._offsets[self.planned] = self._learned.offset
        return (
            ChannelState(present, strength),
            ChannelState(known, self.strength, self._learned, self._modulation),
        )

    def record(self, rates: Rates) -> None:
        """Take the rates of this step and go on to the next."""
        step = self.planned
        rate = rates[0]
        self._averages[step] = self._average
        self._rate[step], self._power[step], self._sinr[step] = rates
        self.left = self.left - rate * self._lengths[step]
        self._average = rate + self._keep[step] * (self._average - rate)
        self.planned += 1

    def rates_of(self, steps: slice, strength: FloatArray) -> Rates:
        """Return the rates of k steps at present shares and levels: (k, n), W (n,) and (k, n).

        At a `strength` (m,), (blocks, m) or (k, blocks, m).
        """
        present = ChannelState(self._present[steps], strength)
        return self.band.rates.of_shares(self.traffic, self.shares, self.level, present, present)

    def steps_to_end(self, rate: FloatArray) -> int:
        """Return after how many of the next k steps a transfer has ended; k if none ends."""
        ended = np.flatnonzero(self._left_after(rate).min(axis=1) <= 0)
        return int(ended[0]) + 1 if ended.size else len(rate)

    def record_steps(self, rates: Rates) -> None:
        """Take the rates of k steps, as `record` takes those of one."""
        rate, watts, sinr = rates
        steps = range(self.planned, self.planned + len(rate))
        these = slice(steps.start, steps.stop)
        self._rate[these], self._power[these], self._sinr[these] = rate, watts, sinr
        self.left = self._left_after(rate)[-1]
        for step, mine in zip(steps, rate, strict=True):
            self._averages[step] = self._average
            self._average = mine + self._keep[step] * (self._average - mine)
        self.planned = steps.stop

    def _left_after(self, rate: FloatArray) -> FloatArray:
        """(k, n) bits left after each of the next k steps at rates (k, n)."""
        lengths = self._lengths[self.planned : self.planned + len(rate), None]
        left = np.concatenate((self.left[None], rate * lengths))
        return np.asarray(np.subtract.accumulate(left, axis=0)[1:])

    @property
    def samples_a_step(self) -> int:
        """Fading samples of one step: blocks times links."""
        return int(self._present[0].size)

    def keep(
        self, shares: FloatArray, level: FloatArray, present: ChannelState, known: ChannelState
    ) -> None:
        """Keep what the links have in this step, before `record`."""
        if known.learned is not None:
            # Rates move the offsets; a sample keeps those of the beginning.
            learned = replace(known.learned, offset=known.learned.offset.copy())
            known = replace(known, learned=learned)
        grid, rate = (self.band.rates, self.traffic, shares, level), self._rate[self.planned]
        self.samples.append(link_samples(*grid, present, known, rate, self.band.recorded))

    def inputs(self) -> tuple[NDArray[np.floating], NDArray[np.float32], NDArray[np.float32]]:
        """Return bit/s/Hz (steps, units, n) as the allocator sees it, known and present fading."""
        return self._efficiency, self._known, self._present

    def average_rate(self) -> FloatArray:
        """Return the average rates (n,) at the beginning of the step."""
        return self._average

    def times(self) -> tuple[FloatArray, FloatArray]:
        """Return lengths of the steps in s and weights of the past, (steps,) each."""
        return self._lengths, self._keep

    def accept(self, planned: int, state: FloatArray, results: FloatArray) -> None:
        """Take so many steps that were planned elsewhere.

        Args:
            planned: their number.
            state: (2, n) bits left and average rates after them.
            results: (4, steps, n) rates, averages before, W and linear SINR.
        """
        self.planned, (self.left, self._average) = planned, state
        self._results[:, :planned] = results[:, :planned]

    def result(self) -> RatePlan:
        """Return the steps planned."""
        done = slice(self.planned)
        return RatePlan(
            until=self._until[done],
            rate=self._rate[done],
            average_rate=self._averages[done],
            time_constant=self.band.averaging,
            duty=self.band.duty,
            power=self._power[done],
            sinr_db=decibels(self._sinr[done]),
            offset=None if self._learned is None else self._offsets[done],
            samples=self.samples,
        )
