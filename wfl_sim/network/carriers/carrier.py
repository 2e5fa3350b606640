"""Carrier: transfers that share a medium, in a fluid model.

Between two events every transfer has a constant rate. The medium plans the rates some steps ahead.
The carrier waits until a transfer ends, the plan runs out, or the set of transfers changes. A
completion inside a step falls on its exact time. There is one process per carrier with one timeout
at a time; the state of the transfers is in arrays.
"""

from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import numpy as np
import simpy
from numpy.typing import NDArray

from channel_models.validation import FloatArray
from wfl_sim.network.carriers.transfer import Transfer, TransferRequest
from wfl_sim.network.carriers.transfer_progress import PlanRun, Progress
from wfl_sim.network.context import RadioRecord
from wfl_sim.radio.bands.medium import Medium, RatePlan

_LONGEST_PLAN = 32
"""Steps. The length of plans doubles up to this, from half of what the transfers before have had:
about as much is discarded at a change as was used."""


class Carrier:
    """A shared medium in one direction, and the transfers on it."""

    def __init__(
        self,
        env: simpy.Environment,
        name: str,
        medium: Medium,
        record: RadioRecord | None = None,
        idle: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self.bits_delivered = 0.0
        self.env = env
        self._medium = medium
        self._record = record
        self._idle = idle
        self._active: list[Transfer] = []
        self._listeners = 0
        self._progress = Progress()
        self._waiting: dict[Transfer, FloatArray] = {}
        self._late: dict[Transfer, None] = {}
        self._changed = env.event()
        self._followed: PlanRun | None = None
        self._leaving: list[tuple[Transfer, int, simpy.Event]] = []
        self._lasted = 0
        """Steps for which the present transfers, or the last ones, have had plans."""
        env.process(self._run())

    def __repr__(self) -> str:
        return f"Carrier({self.name!r}, {len(self._active)} transfers)"

    def send(self, request: TransferRequest) -> Transfer:
        """Begin a transfer."""
        transfer = Transfer(request, tuple(request.links), self.env.now, self.env.event())
        if request.group is not None:
            request.group.active.append(transfer)
        self._listeners += request.on_power is not None
        self._active.append(transfer)
        self._progress.add(request, self.env.now, transfer.release(self.env.now))
        self._wake()
        return transfer

    def left(self, transfer: Transfer) -> float:
        """Return the bits of a transfer that were left when the present plan began."""
        if transfer not in self._active:
            return transfer.held_back
        return float(self._progress.left[self._active.index(transfer)]) + transfer.held_back

    def on_air(self, links: range) -> list[tuple[int, float, float, float]]:
        """Return link, SINR in dB, W and level of the transfers on the air at this moment.

        They are those of some links, one link each.
        """
        run = self._followed
        if run is None:
            return []
        step, _ = run.step_at(self.env.now)
        found = zip(self._active, run.plan.sinr_db[step], run.plan.power[step], strict=False)
        return [
            (transfer.links[0], float(sinr_db), float(watts), transfer.request.level)
            for transfer, sinr_db, watts in found
            if watts > 0 and transfer.links[0] in links
        ]

    def leave(self, transfer: Transfer, link: int) -> simpy.Event:
        """Remove a link from a transfer at this moment; a transfer without links ends.

        Returns:
            An event at this moment; its value is the bits that have arrived until now.
        """
        left = self.env.event()
        waits = transfer in self._waiting
        if (waits or transfer in self._active) and link in transfer.links:
            self._leaving.append((transfer, link, left))
            self._wake()
        else:
            left.succeed(transfer.bits)
        return left

    def refresh(self) -> None:
        """Make a new plan from this moment on, because the medium has changed."""
        if self._active:
            self._wake()

    def finish(self) -> list[tuple[Transfer, float]]:
        """Stop at the end of a run; return the transfers under way and the bits left of each."""
        if self._active and self._followed is not None:
            self._advance(self._followed, *self._followed.step_at(self.env.now))
        left = [self.left(each) for each in self._active]
        others = [*self._waiting, *self._late]
        left += [each.held_back for each in others]
        return list(
            zip([*self._remove(list(range(len(self._active)))), *others], left, strict=True)
        )

    def _wake(self) -> None:
        if not self._changed.triggered:
            self._changed.succeed()

    def _run(self) -> Generator[simpy.Event, Any, None]:
        env = self.env
        while True:
            self._changed = env.event()
            if not self._active:
                if self._idle is not None and not self._waiting:
                    self._idle()
                yield self._changed
                self._changed = env.event()
                # A transfer may leave in the instant in which it begins, as a handover does.
                self._process_leaving()
                if not self._active:
                    continue
            transfers = self._progress.transfers(*self._links(), self._group_starts())
            steps, unchanged = min(max(1, self._lasted // 2), _LONGEST_PLAN), True
            self._lasted = 0
            while unchanged:
                plan = self._medium.plan(transfers, env.now, steps)
                ended = yield from self._follow(PlanRun(plan, transfers.bits_left, env.now))
                unchanged = not ended and not self._changed.triggered
                steps = min(2 * steps, _LONGEST_PLAN)
                for transfer in self._remove(self._ended(ended)):
                    if transfer.request.group is not None:
                        transfer.request.group.served += 1
                    self._deliver(transfer)
                self._process_leaving()

    def _report_power(self, plan: RatePlan, step: int) -> None:
        for transfer, power in zip(self._active, plan.power[step].tolist(), strict=True):
            now, listener = (power, plan.duty if power else 0.0), transfer.request.on_power
            if listener is not None and transfer.reported != now:
                transfer.reported = now
                listener(*now)

    def _process_leaving(self) -> None:
        leaving, self._leaving = self._leaving, []
        for transfer, link, left in leaving:
            left.succeed(transfer.bits - self.left(transfer))
            transfer.links = tuple(each for each in transfer.links if each != link)
            if not transfer.links and self._waiting.pop(transfer, None) is not None:
                transfer.end = self.env.now
            elif not transfer.links and transfer in self._active:
                self._remove([self._active.index(transfer)])

    def _deliver(self, transfer: Transfer) -> None:
        """End a transfer, now or when all that has failed has been repaired."""
        repair = transfer.request.repair
        if repair is None or not (wait := repair(transfer)):
            transfer.done.succeed(transfer)
            return
        transfer.end += wait
        self._late[transfer] = None

        def repaired(_: simpy.Event) -> None:
            if transfer in self._late:
                del self._late[transfer]
                transfer.done.succeed(transfer)

        self.env.timeout(wait).callbacks.append(repaired)

    def _ended(self, sent: list[int]) -> list[int]:
        """Send what windows held back, now or when it is due; return who has ended."""
        now, ended, pausing = self.env.now, [], []
        for i in sent:
            transfer = self._active[i]
            window = transfer.window
            if window is None or not transfer.held_back:
                ended.append(transfer)
            elif window.due <= now:
                self._progress.left[i] = transfer.release(now)
            else:
                pausing.append(i)
                self._waiting[transfer] = self._progress.column(i)
                transfer.pauses.append((now, window.due))
                timer = self.env.timeout(window.due - now)
                timer.callbacks.append(partial(self._resume, transfer))
        for transfer in self._remove(pausing):
            if transfer.request.on_power is not None:
                transfer.reported = (0.0, 0.0)
                transfer.request.on_power(0.0, 0.0)
        return [self._active.index(transfer) for transfer in ended]

    def _resume(self, transfer: Transfer, _: simpy.Event) -> None:
        """Send the next window of a transfer, unless its link has left."""
        column = self._waiting.pop(transfer, None)
        if column is None:
            return
        self._listeners += transfer.request.on_power is not None
        self._active.append(transfer)
        column[0] = transfer.release(self.env.now)
        self._progress.put_back(column)
        self._wake()

    def _follow(self, run: PlanRun) -> Generator[simpy.Event, Any, list[int]]:
        """Wait until the end of a run or a change; return which transfers have ended.

        Power listeners hear of every step when it begins.
        """
        env, over = self.env, False
        self._followed = run
        for step in range(run.last + 1) if self._listeners else [run.last]:
            if self._listeners:
                self._report_power(run.plan, step)
            if np.isinf(end := run.end if step == run.last else float(run.plan.until[step])):
                yield self._changed
            else:
                timer = env.timeout(max(end - env.now, 0.0))
                yield timer | self._changed
                # The clock may be too coarse to show a short step; the planned end is exact.
                over = timer.processed and step == run.last
            if self._changed.triggered:
                break
        step, part = (run.last, run.part) if over else run.step_at(env.now)
        self._followed = None
        self._lasted += step + 1
        return self._advance(run, step, part)

    def _advance(self, run: PlanRun, step: int, part: float) -> list[int]:
        """Bring all transfers to `part` seconds into a step; return which have ended."""
        finished = run.advance(self._progress, step, part)
        if self._record is not None:
            self._record.note(run.plan, float(run.starts[0]), float(run.starts[step]) + part)
        moved = run.left[0] - self._progress.left[: len(finished)]
        self.bits_delivered += float(moved.sum())
        return np.flatnonzero(finished).tolist()

    def _links(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the links of all transfers, and the first index of each transfer."""
        links = [transfer.links for transfer in self._active]
        flat = np.array([link for each in links for link in each], dtype=np.intp)
        if len(flat) == len(links):
            return flat, np.arange(len(flat))
        return flat, np.cumsum([0, *map(len, links[:-1])])

    def _group_starts(self) -> NDArray[np.intp] | None:
        """Return the first transfer of each transmission; None if none has more than one."""
        groups = [transfer.request.group for transfer in self._active]
        if not any(groups):
            return None
        starts = [
            i
            for i, (group, before) in enumerate(zip(groups, [None, *groups[:-1]], strict=True))
            if group is None or group is not before
        ]
        return np.array(starts) if len(starts) < len(groups) else None

    def _remove(self, which: list[int]) -> list[Transfer]:
        """Remove transfers from the medium, set what they have used of it, and return them."""
        removed = [self._active[i] for i in which]
        if not removed:
            return removed
        for transfer, used in zip(removed, self._progress.used[:, which].T.tolist(), strict=True):
            transfer.end = self.env.now
            transfer.airtime, transfer.radiated, decibel_seconds = used
            if transfer.airtime > 0:
                transfer.mean_sinr_db = decibel_seconds / transfer.airtime
            self._listeners -= transfer.request.on_power is not None
            if transfer.request.group is not None:
                transfer.request.group.active.remove(transfer)
        for i in reversed(which):
            del self._active[i]
        self._progress.remove(which)
        return removed
