"""Joint plan: clock, bandwidth and power of every device, for the least energy in a given time.

Yang et al. 2021, Energy efficient federated learning over wireless communication networks, IEEE
TWC 20(3), arXiv 1911.02417: minimise the joules of computing and sending under
``t_compute(f_k) + S_k / r_k(b_k, p_k) <= T`` and ``sum b_k <= B``. At a price of bandwidth every
device is on its own; the price is the one at which the band is full.
"""

from __future__ import annotations

import warnings
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from channel_models.elementary import rounded
from channel_models.units import PositiveSeconds
from channel_models.validation import FloatArray
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import BelowOne
from wfl_sim.device_models.workload import UpdateCost
from wfl_sim.radio.allocation.channel_unaware import Assigned
from wfl_sim.radio.allocation.makespan import Outlook, root_of_falling
from wfl_sim.radio.allocation.minimum_energy import Cheapest, late_ones
from wfl_sim.rounds.policy import ROUNDS, LimitedRounds, finish, gather

if TYPE_CHECKING:
    import simpy

    from wfl_sim.network.devices.client import Terms
    from wfl_sim.network.devices.device import Device
    from wfl_sim.network.federation.federation import Federation

_GRID: Final = np.linspace(-0.5, 0.5, 21)
_ZOOMS: Final = (1.0, 0.1, 0.01)
_LATE: Final = (
    "joint-plan: devices that cannot compute and send `within` its time have an even share of the "
    "band, at full clock and power"
)


@ROUNDS("joint-plan")
@dataclass(frozen=True, kw_only=True)
class JointPlan(LimitedRounds):
    """Synchronous rounds in which every device gets its clock, share of the band and power.

    They need the least energy of those with which all have computed and sent `within` s of the
    request. Rates are those of mean gains, averaged over fading; other cells, the backhaul, and
    downloads to others than one broadcast are left out. Who cannot be in time (the fewest) has an
    even share, at full clock and power; nothing ends when the time is over. Hardware without `dvfs`
    keeps its clock.
    """

    within: PositiveSeconds
    """s from the request to the last bit of every upload."""
    reserve: BelowOne = 0.05
    """Share of the time that is kept in reserve against fading."""

    def check_scenario(self, scenario: Any) -> None:
        """Refuse uplinks whose allocator would not follow the plan."""
        for number, cell in enumerate(scenario.cells):
            if not cell.cellular:
                raise LocatedError(
                    "joint-plan shares a band of NR, not `wifi` or `wired`", "rounds"
                )
            if not isinstance(cell.uplink.allocator, Assigned):
                raise LocatedError(
                    "must be assigned, so that shares are those of the rounds' joint-plan",
                    *("cells", number, "uplink", "allocator"),
                )

    def _rounds(self, federation: Federation) -> Generator[simpy.Event, Any, None]:
        server = federation.server
        for number in self.numbers:
            cohort = yield from self.cohort(federation, number)
            if not cohort:
                return
            devices = [federation.devices[client.index] for client in cohort]
            terms = self._terms(devices, federation.env.now)
            downloads = server.send_out(cohort, number)
            parts = [
                each.participate(number, downloads[each.index], terms=terms[each.index])
                for each in devices
            ]
            arrived = yield from gather(federation, parts)
            yield from server.aggregate(arrived, number)
            finish(federation, cohort, number)

    def _terms(self, devices: Sequence[Device], now: float) -> dict[int, Terms]:
        """Return the terms of each device by its number: every cell has a plan of its own."""
        from wfl_sim.network.devices.client import Terms  # both load simpy
        from wfl_sim.network.federation.federation import sender_facts

        terms: dict[int, Terms] = {}
        for name in dict.fromkeys(device.cell.name for device in devices):
            some = [device for device in devices if device.cell.name == name]
            cell, dvfs = some[0].cell, [device.hardware.dvfs for device in some]
            watts = np.array([device.power * cell.uplink.reduced for device in some])
            gains = np.array([device.mean_gain for device in some])
            rates, band, block = cell.uplink_outlook(gains, watts)
            facts, duty = sender_facts(some, np.arange(len(some)), watts), cell.uplink.duty
            spent = max(device.expected_download for device in some) + cell.uplink.delay
            plan = JointEnergy(
                [device.expected_cost for device in some],
                np.array([1.0 if each is None else each.least for each in dvfs]),
                np.array([cell.uplink.on_air(each.workload.upload_bits) for each in some]),
                self.within * (1 - self.reserve) - spent,
                rates,
                facts["circuit"] * duty,
                facts["amplifier"] * duty,
                block,
            ).plan(band)
            for device, most, clock, share, level in zip(
                some, watts.tolist(), *(each.tolist() for each in plan), strict=True
            ):
                terms[device.index] = Terms(
                    frequency=None if device.hardware.dvfs is None else clock,
                    share=share,
                    power=most * level,
                    deadline=now + self.within,
                )
        return terms


@dataclass(frozen=True)
class JointEnergy:
    """The problem of n devices that compute and send within one time."""

    jobs: Sequence[UpdateCost]
    """Local update of each device."""
    least: FloatArray
    """(n,) lowest clock as a share of the highest."""
    bits: FloatArray
    """(n,) of the upload."""
    time: float
    """s for computing and sending."""
    rates: Outlook
    circuit: FloatArray
    """(n,) W while sending."""
    amplifier: FloatArray
    """(n,) W more at full power; greater than 0."""
    block: float = 0.0
    """Hz over which a power is spread at least."""

    def plan(self, band: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return clocks, shares of a band of so many Hz, and levels of power, each (n,)."""
        count = len(self.jobs)
        clock, level, width = np.ones(count), np.ones(count), np.full(count, band / count)
        with np.errstate(all="ignore"):
            fast = self.time - self._seconds(clock)
            needed = np.where(fast > 0, self.rates.needed(self.bits / fast), np.inf)
            late, left = late_ones(needed, band)
            meets = ~late
            if late.any():
                warnings.warn(_LATE, stacklevel=2)
            if meets.any():
                clock[meets], width[meets], level[meets] = self._some(meets)._on_time(left)
        return clock, width / band, np.clip(level, 1e-9, 1.0)

    def _some(self, which: NDArray[np.bool_]) -> JointEnergy:
        jobs = [job for job, chosen in zip(self.jobs, which, strict=True) if chosen]
        least, bits = self.least[which], self.bits[which]
        draw = self.circuit[which], self.amplifier[which]
        return JointEnergy(jobs, least, bits, self.time, self.rates.some(which), *draw, self.block)

    def _on_time(self, band: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return clocks, Hz and levels of devices that can all be in time."""
        guess = float((self.time * self.amplifier / self.rates.reach).mean())
        price = root_of_falling(lambda x: float(self._at_price(x)[1].sum()) / band, guess)
        price = float(rounded(price))  # of logarithms of the C library
        clock, width = self._at_price(price)
        width = width * (band / width.sum())
        return clock, width, self._sending(clock).levels(width, self.block)

    def _at_price(self, price: float) -> tuple[FloatArray, FloatArray]:
        """Return the clocks and Hz of each that cost least, with the band at a price in J/Hz."""
        rows, low = np.arange(len(self.jobs)), np.maximum(self.least, self._slowest())
        clock, scale = (low + 1) / 2, 1 - low
        width = clock
        for zoom in _ZOOMS:
            clocks = np.clip(clock + zoom * scale * _GRID[:, None], low, 1.0)
            widths, joules = zip(*(self._costs(each, price) for each in clocks), strict=True)
            best = np.array(joules).argmin(axis=0)
            clock, width = clocks[best, rows], np.array(widths)[best, rows]
        return clock, width

    def _costs(self, clock: FloatArray, price: float) -> tuple[FloatArray, FloatArray]:
        """Return the best Hz for clocks, and the joules with the price of the band."""
        sending, reach = self._sending(clock), self.rates.reach
        width = np.maximum(sending.at_price(price), self.rates.needed(self.bits / sending.time))
        level = sending.levels(width, self.block)
        speed = width * self.rates.curve(level * reach / np.maximum(width, self.block))
        joules = self.bits / speed * (self.circuit + level * self.amplifier) + price * width
        joules = joules + [job.joules(x) for job, x in zip(self.jobs, clock.tolist(), strict=True)]
        return width, np.where(np.isfinite(joules), joules, np.inf)

    def _sending(self, clock: FloatArray) -> Cheapest:
        time = np.maximum(self.time - self._seconds(clock), 1e-9)
        return Cheapest(self.bits, time, self.rates, self.circuit, self.amplifier)

    def _seconds(self, clock: FloatArray) -> FloatArray:
        pairs = zip(self.jobs, clock.tolist(), strict=True)
        return np.array([job.seconds(share) for job, share in pairs])

    def _slowest(self) -> FloatArray:
        """(n,) Clock below which computing alone takes all the time."""
        return np.minimum([job.slowest(self.time) for job in self.jobs], 1.0)
