"""Carrier: transfers that share a medium, as a fluid.

Between two changes every transfer has a constant rate. A medium plans the rates some steps ahead; a
carrier sleeps until the first of: a transfer ends, the plan runs out, the set of transfers changes.
A completion inside a step falls on its exact time. One process per carrier, one timeout at a time,
arrays over the transfers.
"""

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import simpy
from numpy.typing import NDArray

from wfl_sim.radio.medium import ActiveTransfers, Medium, RatePlan

_ROUNDING = 1e-12
_LONGEST_PLAN = 32
"""steps; plans double up to here, so that an arrival wastes no more than was used before it"""


@dataclass(slots=True, eq=False)
class BroadcastGroup:
    """What goes out once to several receivers, each of whom ends when it has heard enough.

    So it is with rateless codes: whatever a receiver gets counts, and nobody waits for the others.
    """

    under_way: "list[Transfer]" = field(default_factory=list)
    """one transfer for each receiver who still listens"""
    served: int = 0
    """receivers who have got it"""


@dataclass(slots=True, eq=False)
class Transfer:
    """One payload on its way to or from one link, or to several links at once.

    `done` fires with the transfer itself when the last bit has arrived; what stands between
    `deadline` and `watch` is then known, as it is when the last link has left.
    """

    links: tuple[int, ...]
    """the receivers (downlink) or the sender (uplink), as link numbers of the medium"""
    bits: float
    weight: float
    start: float
    done: simpy.Event
    deadline: float = float("inf")
    """s, when it should have ended; allocators may heed it, nothing enforces it"""
    end: float = float("nan")
    airtime: float = 0.0
    """s in which the transfer held at least some of the medium"""
    radiated: float = 0.0
    """J, by whoever sends"""
    mean_sinr_db: float | None = None
    """dB, averaged over the time on the air; None on a wire"""
    watch: Callable[[float, float], None] | None = None
    """is told, from the moment at which they change, the W radiated while on the air, and the share
    of the time on the air"""
    part_of: BroadcastGroup | None = None
    """a transmission to several receivers; None where it is alone"""
    told: tuple[float, float] = (0.0, 0.0)
    """what `watch` was told last"""

    def __repr__(self) -> str:
        return f"Transfer({self.bits:.6g} bit, links {self.links}, end {self.end:.6g} s)"

    @property
    def goes_on(self) -> bool:
        """Whether what it brings is heard by others too, or has been."""
        others = self.part_of is not None and (self.part_of.under_way or self.part_of.served)
        return bool(self.links or others)

    @property
    def mean_rate(self) -> float:
        """bit/s over the whole duration."""
        return self.bits / (self.end - self.start)


class _Progress:
    """What the transfers under way were promised and have come to: a table of one column each."""

    def __init__(self) -> None:
        self._table = np.empty((8, 0))

    def join(self, transfer: Transfer) -> None:
        t = transfer
        column = (t.bits, np.nan, 0.0, 0.0, 0.0, t.weight, t.start, t.deadline)
        self._table = np.concatenate((self._table, np.array(column)[:, None]), axis=1)

    def leave(self, gone: Sequence[int]) -> None:
        self._table = np.delete(self._table, gone, axis=1)

    def traffic(
        self,
        links: NDArray[np.intp],
        first: NDArray[np.intp],
        together: NDArray[np.intp] | None,
    ) -> ActiveTransfers:
        left, average, _, _, _, weight, start, deadline = self._table
        return ActiveTransfers(links, first, left, weight, average, start, deadline, together)

    @property
    def left(self) -> NDArray[np.float64]:
        """bit still to be sent."""
        return np.asarray(self._table[0])

    @property
    def average(self) -> NDArray[np.float64]:
        """bit/s, of the recent past."""
        return np.asarray(self._table[1])

    @property
    def used(self) -> NDArray[np.float64]:
        """(3, n): s on the air, J radiated, dB of SINR times s."""
        return self._table[2:5]


class _PlanRun:
    """A flow followed from `now` to the first end of a transfer, or to the last of its steps."""

    def __init__(self, flow: RatePlan, left: NDArray[np.float64], now: float) -> None:
        self.flow = flow
        self.starts = np.concatenate(([now], flow.until[:-1]))
        self.lengths = flow.until - self.starts
        moved = flow.rate[:-1] * self.lengths[:-1, None]
        steps = np.concatenate((left[None], moved))
        self.left: NDArray[np.float64] = np.subtract.accumulate(steps, axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.to_finish = self.left / flow.rate
        ends = np.flatnonzero(
            (self.to_finish <= self.lengths[:, None] * (1 + _ROUNDING)).any(axis=1)
        )
        self.last = int(ends[0]) if ends.size else len(self.lengths) - 1
        """the step in which the course ends"""
        self.part = min(float(self.to_finish[self.last].min()), float(self.lengths[self.last]))
        """s, how long that step lasts"""
        self.end = float(self.starts[self.last]) + self.part

    def step_at(self, time: float) -> tuple[int, float]:
        """Return the step that `time` lies in, and how much of it is over."""
        step = int(np.searchsorted(self.flow.until[: self.last], time, side="right"))
        return step, time - float(self.starts[step])

    def follow(self, progress: _Progress, step: int, part: float) -> NDArray[np.bool_]:
        """Go on to `part` seconds into `step`; return which transfers have then ended.

        Transfers that came after the course was laid stand behind the others, and do not move.
        """
        flow, count = self.flow, self.left.shape[1]
        finished: NDArray[np.bool_] = self.to_finish[step] <= part * (1 + _ROUNDING)
        rate, keep = flow.rate[step], math.exp(-part / flow.time_constant)
        progress.left[:count] = np.where(finished, 0.0, self.left[step] - rate * part)
        progress.average[:count] = rate + keep * (flow.average_rate[step] - rate)
        power = flow.power[: step + 1]
        on_air = power > 0
        if on_air.any():
            spent = self.lengths[: step + 1].copy()
            spent[step] = part
            heard = np.where(on_air, flow.sinr_db[: step + 1], 0.0)
            for row, held in zip(progress.used, (on_air, power, heard), strict=True):
                row[:count] += flow.duty * (spent[:, None] * held).sum(axis=0)
        return finished


class Carrier:
    """A shared medium in one direction, and the transfers on it."""

    def __init__(self, env: simpy.Environment, name: str, medium: Medium) -> None:
        self.name = name
        self.bits_delivered = 0.0
        self._env = env
        self._medium = medium
        self._active: list[Transfer] = []
        self._watched = 0
        self._progress = _Progress()
        self._changed = env.event()
        self._leaving: list[tuple[Transfer, int, simpy.Event]] = []
        env.process(self._run())

    def __repr__(self) -> str:
        return f"Carrier({self.name!r}, {len(self._active)} transfers)"

    def send(
        self,
        links: Sequence[int],
        bits: float,
        weight: float = 1.0,
        deadline: float = float("inf"),
        watch: Callable[[float, float], None] | None = None,
        part_of: BroadcastGroup | None = None,
    ) -> Transfer:
        """Begin a transfer to one link, or the same bits to several links at once.

        Args:
            links: link numbers of the medium.
            bits: to be sent.
            weight: for allocators that heed it.
            deadline: s on the simulated clock, for allocators that heed it.
            watch: is told what is radiated, see `Transfer.watch`.
            part_of: a transmission whose other parts have begun just before.

        Raises:
            ValueError: no links, or no bits.
        """
        if not links:
            raise ValueError("a transfer needs at least one link")
        if not bits > 0:
            raise ValueError(f"bits must be greater than 0, got {bits}")
        transfer = Transfer(tuple(links), bits, weight, self._env.now, self._env.event(), deadline)
        transfer.watch = watch
        if part_of is not None:
            transfer.part_of = part_of
            part_of.under_way.append(transfer)
        self._watched += watch is not None
        self._active.append(transfer)
        self._progress.join(transfer)
        self._wake()
        return transfer

    def leave(self, transfer: Transfer, link: int) -> simpy.Event:
        """Take a link out of a transfer at this moment; one that has none left ends.

        Returns:
            An event of this moment, whose value is the bits that have arrived until now.
        """
        left = self._env.event()
        if transfer in self._active and link in transfer.links:
            self._leaving.append((transfer, link, left))
            self._wake()
        else:
            left.succeed(transfer.bits)
        return left

    def refresh(self) -> None:
        """Plan anew from this moment on: the medium has changed."""
        if self._active:
            self._wake()

    def _wake(self) -> None:
        if not self._changed.triggered:
            self._changed.succeed()

    def _run(self) -> Generator[simpy.Event, Any, None]:
        env = self._env
        while True:
            self._changed = env.event()
            if not self._active:
                yield self._changed
                self._changed = env.event()
            traffic = self._progress.traffic(*self._links(), self._together())
            # Who watches is told of every step, so none is planned ahead.
            longest = 1 if self._watched else _LONGEST_PLAN
            steps, settled = 1, True
            while settled:
                flow = self._medium.plan(traffic, env.now, steps)
                if self._watched:
                    self._tell(flow)
                finished = yield from self._follow(_PlanRun(flow, traffic.bits_left, env.now))
                settled = not finished and not self._changed.triggered
                steps = min(2 * steps, longest)
                for transfer in self._retired(finished):
                    if transfer.part_of is not None:
                        transfer.part_of.served += 1
                    transfer.done.succeed(transfer)
                self._let_go()

    def _tell(self, flow: RatePlan) -> None:
        for transfer, power in zip(self._active, flow.power[0].tolist(), strict=True):
            now = (power, flow.duty if power else 0.0)
            if transfer.watch is not None and transfer.told != now:
                transfer.told = now
                transfer.watch(*now)

    def _let_go(self) -> None:
        leaving, self._leaving = self._leaving, []
        for transfer, link, left in leaving:
            if transfer not in self._active:
                left.succeed(transfer.bits)
                continue
            i = self._active.index(transfer)
            transfer.links = tuple(each for each in transfer.links if each != link)
            left.succeed(transfer.bits - float(self._progress.left[i]))
            if not transfer.links:
                self._retired([i])

    def _follow(self, course: _PlanRun) -> Generator[simpy.Event, Any, list[int]]:
        """Let time pass to the end of a course or to a change; return which transfers ended."""
        env = self._env
        if np.isinf(course.part):
            yield self._changed
            step, part = course.step_at(env.now)
        else:
            timer = env.timeout(course.end - env.now)
            yield timer | self._changed
            # The clock may be too coarse to show a short step; what was planned is exact.
            over = timer.processed
            step, part = (course.last, course.part) if over else course.step_at(env.now)
        finished = course.follow(self._progress, step, part)
        moved = course.left[0] - self._progress.left[: len(finished)]
        self.bits_delivered += float(moved.sum())
        return np.flatnonzero(finished).tolist()

    def _links(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the links of all transfers, and where those of each begin."""
        links = [transfer.links for transfer in self._active]
        flat = np.array([link for each in links for link in each], dtype=np.intp)
        if len(flat) == len(links):
            return flat, np.arange(len(flat))
        return flat, np.cumsum([0, *map(len, links[:-1])])

    def _together(self) -> NDArray[np.intp] | None:
        """Where each transmission begins; None where every transfer has its own."""
        owners = [transfer.part_of for transfer in self._active]
        if not any(owners):
            return None
        begins = [
            i
            for i, (owner, before) in enumerate(zip(owners, [None, *owners[:-1]], strict=True))
            if owner is None or owner is not before
        ]
        return np.array(begins) if len(begins) < len(owners) else None

    def _retired(self, which: list[int]) -> list[Transfer]:
        """Take transfers off the medium, note what they have used of it, and return them."""
        gone = [self._active[i] for i in which]
        if not gone:
            return gone
        for transfer, used in zip(gone, self._progress.used[:, which].T.tolist(), strict=True):
            transfer.end = self._env.now
            transfer.airtime, transfer.radiated, decibel_seconds = used
            if transfer.airtime > 0:
                transfer.mean_sinr_db = decibel_seconds / transfer.airtime
            self._watched -= transfer.watch is not None
            if transfer.part_of is not None:
                transfer.part_of.under_way.remove(transfer)
        for i in reversed(which):
            del self._active[i]
        self._progress.leave(which)
        return gone
