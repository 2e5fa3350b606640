"""Carrier: transfers that share a medium, as a fluid.

Between two changes every transfer has a constant rate. A carrier sleeps until the first of: a
transfer ends, the rates expire (the fading sample is due), the set of transfers changes. A
completion inside a step falls on its exact time. One process per carrier, one timeout at a time,
arrays over the transfers.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import simpy
from numpy.typing import NDArray

_ROUNDING = 1e-12


@dataclass(slots=True, eq=False)
class Transfer:
    """One payload on its way to or from one link, or to several links at once.

    `done` fires with the transfer itself when the last bit has arrived; `end`, `airtime` and
    `mean_sinr_db` are then known, as they are when the last link has left.
    """

    links: tuple[int, ...]
    """the receivers (downlink) or the sender (uplink), as link numbers of the medium; empty once
    all have left"""
    bits: float
    weight: float
    start: float
    done: simpy.Event
    end: float = float("nan")
    airtime: float = 0.0
    """s in which the transfer held at least some of the medium"""
    mean_sinr_db: float | None = None
    """dB, averaged over the time on the air; None on a wire"""
    watch: Callable[[bool], None] | None = None
    """is told, from the moment at which it changes, whether the transfer holds any of the medium"""
    on_air: bool = False
    """what `watch` was told last"""

    def __repr__(self) -> str:
        return f"Transfer({self.bits:.6g} bit, links {self.links}, end {self.end:.6g} s)"

    @property
    def mean_rate(self) -> float:
        """bit/s over the whole duration."""
        return self.bits / (self.end - self.start)


@dataclass(frozen=True)
class Traffic:
    """The transfers under way, as arrays over n transfers."""

    links: NDArray[np.intp]
    """(m,) links of all transfers, one transfer after the other"""
    first: NDArray[np.intp]
    """(n,) where the links of each transfer begin"""
    bits_left: NDArray[np.float64]
    weight: NDArray[np.float64]
    average_rate: NDArray[np.float64]
    """(n,) bit/s; NaN for a transfer that has just begun"""


@dataclass(frozen=True)
class Flow:
    """What a medium grants from now on."""

    rate: NDArray[np.float64]
    """(n,) bit/s"""
    until: float
    """s, the time at which the rates expire; infinite where nothing changes by itself"""
    average_rate: NDArray[np.float64]
    """(n,) bit/s, the averages that were used"""
    time_constant: float
    """s, of the averages; infinite where none are kept"""
    on_air: NDArray[np.bool_]
    """(n,) whether a transfer holds any of the medium"""
    sinr_db: NDArray[np.float64]
    """(n,) mean over the blocks held; NaN for a wire"""


class Medium(Protocol):
    """What decides the rates: a band of resource blocks, or a wire."""

    def flow(self, traffic: Traffic, now: float) -> Flow:
        """Return the rates from `now` on; `until` lies strictly after `now`."""


class Carrier:
    """A shared medium in one direction, and the transfers on it."""

    def __init__(self, env: simpy.Environment, name: str, medium: Medium) -> None:
        self.name = name
        self.bits_delivered = 0.0
        self._env = env
        self._medium = medium
        self._active: list[Transfer] = []
        self._left = np.empty(0)
        self._average = np.empty(0)
        self._airtime = np.empty(0)
        self._sinr_db_seconds = np.empty(0)
        self._changed = env.event()
        self._leaving: list[tuple[Transfer, int, simpy.Event]] = []
        self._version = 0
        env.process(self._run())

    def __repr__(self) -> str:
        return f"Carrier({self.name!r}, {len(self._active)} transfers)"

    def send(self, links: Sequence[int], bits: float, weight: float = 1.0) -> Transfer:
        """Begin a transfer to one link, or the same bits to several links at once.

        Raises:
            ValueError: no links, or no bits.
        """
        if not links:
            raise ValueError("a transfer needs at least one link")
        if not bits > 0:
            raise ValueError(f"bits must be greater than 0, got {bits}")
        transfer = Transfer(tuple(links), bits, weight, self._env.now, self._env.event())
        self._active.append(transfer)
        self._left = np.append(self._left, bits)
        self._average = np.append(self._average, np.nan)
        self._airtime = np.append(self._airtime, 0.0)
        self._sinr_db_seconds = np.append(self._sinr_db_seconds, 0.0)
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

    def _wake(self) -> None:
        self._version += 1
        if not self._changed.triggered:
            self._changed.succeed()

    def _run(self) -> Generator[simpy.Event, Any, None]:
        env = self._env
        while True:
            self._changed = env.event()
            if not self._active:
                yield self._changed
                self._changed = env.event()
            members = self._members()
            count, version = len(self._active), self._version
            while self._version == version:
                traffic = replace(members, bits_left=self._left, average_rate=self._average)
                flow = self._medium.flow(traffic, env.now)
                self._tell(flow.on_air)
                with np.errstate(divide="ignore"):
                    to_finish = self._left / flow.rate
                started = env.now
                step = min(float(to_finish.min()), flow.until - started)
                if np.isfinite(step):
                    timer = env.timeout(step)
                    yield timer | self._changed
                    # The clock may be too coarse to show a short step; what was planned is exact.
                    elapsed = step if timer.processed else env.now - started
                else:
                    yield self._changed
                    elapsed = env.now - started
                self._advance(count, flow, to_finish, elapsed)
                self._let_go()

    def _tell(self, on_air: NDArray[np.bool_]) -> None:
        for transfer, held in zip(self._active, on_air.tolist(), strict=True):
            if transfer.watch is not None and transfer.on_air != held:
                transfer.on_air = held
                transfer.watch(held)

    def _let_go(self) -> None:
        leaving, self._leaving = self._leaving, []
        for transfer, link, left in leaving:
            if transfer not in self._active:
                left.succeed(transfer.bits)
                continue
            i = self._active.index(transfer)
            transfer.links = tuple(each for each in transfer.links if each != link)
            left.succeed(transfer.bits - float(self._left[i]))
            if not transfer.links:
                self._retire(np.array([i]))

    def _members(self) -> Traffic:
        counts = [len(transfer.links) for transfer in self._active]
        return Traffic(
            links=np.array([link for t in self._active for link in t.links], dtype=np.intp),
            first=np.concatenate(([0], np.cumsum(counts)[:-1])).astype(np.intp),
            weight=np.array([transfer.weight for transfer in self._active]),
            bits_left=self._left,
            average_rate=self._average,
        )

    def _advance(
        self, count: int, flow: Flow, to_finish: NDArray[np.float64], elapsed: float
    ) -> None:
        """Move the first `count` transfers on; those that came during the step have not moved."""
        finished = to_finish <= elapsed * (1 + _ROUNDING)
        moved = np.where(finished, self._left[:count], flow.rate * elapsed)
        keep = np.exp(-elapsed / flow.time_constant)
        airtime = np.where(flow.on_air, elapsed, 0.0)
        self.bits_delivered += float(moved.sum())
        self._left[:count] -= moved
        self._average[:count] = keep * flow.average_rate + (1 - keep) * flow.rate
        self._airtime[:count] += airtime
        self._sinr_db_seconds[:count] += airtime * np.where(flow.on_air, flow.sinr_db, 0.0)
        if finished.any():
            self._complete(np.flatnonzero(finished))

    def _complete(self, finished: NDArray[np.intp]) -> None:
        for transfer in self._retire(finished):
            transfer.done.succeed(transfer)

    def _retire(self, which: NDArray[np.intp]) -> list[Transfer]:
        """Take transfers off the medium and note what they have used of it."""
        gone = [self._active[i] for i in which]
        for i, transfer in zip(which, gone, strict=True):
            transfer.end = self._env.now
            transfer.airtime = float(self._airtime[i])
            if transfer.airtime > 0 and not np.isnan(self._sinr_db_seconds[i]):
                transfer.mean_sinr_db = float(self._sinr_db_seconds[i]) / transfer.airtime
        numbers = set(which.tolist())
        self._active = [t for i, t in enumerate(self._active) if i not in numbers]
        self._left = np.delete(self._left, which)
        self._average = np.delete(self._average, which)
        self._airtime = np.delete(self._airtime, which)
        self._sinr_db_seconds = np.delete(self._sinr_db_seconds, which)
        self._version += 1
        return gone
