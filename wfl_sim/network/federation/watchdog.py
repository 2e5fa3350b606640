"""Watchdog: ends a run that would never end by itself, and tells how far a run has come."""

import time
from collections.abc import Callable, Sequence
from math import inf, log10
from typing import Final

import simpy
from simpy.core import EmptySchedule

from wfl_sim.config.errors import LocatedError
from wfl_sim.network.devices.device import Device
from wfl_sim.network.federation.federation import Federation

ClockListener = Callable[[float], None]
"""Is told the simulated time in s."""

_LOOK: Final = 100
"""Events between two looks."""
_REPORTS: Final = 1.0
"""Seconds of the host between two reports of the simulated time."""
_EVENTS: Final = 20_000
_EVENTS_OF_A_DEVICE: Final = 100
_LEAST_ADVANCE: Final = 2e-5
"""Seconds that the clock must advance in so many events. With 38 carriers and a sample of the
channel every 4 us it advances 30 times more."""
_LAST: Final = 1e10
"""Seconds at which a double still tells 2 us apart."""
_STALLS: Final = 1000
"""Stalls that a policy may leave devices alone, although they are ready: 41 days unless changed."""
_NAMED: Final = 3
"""Devices that an error names."""


class Watchdog:
    """Runs a process of a federation to its end, or raises an error that says who waits for what.

    A run has stalled when a device has waited for a transfer for `stall` s in which no device has
    ended a transfer or a local computation, the server has aggregated nothing, no round has ended
    and no device computes. A device that is away, or charges, waits for nothing. A policy that
    asks none of the devices that are ready, for a thousand times as long, will never ask one.

    Args:
        federation: the devices.
        stall: simulated s without anything completed.
        listener: told the simulated time, at most once in a second of the host.
    """

    def __init__(
        self, federation: Federation, stall: float, listener: ClockListener | None = None
    ) -> None:
        self._federation = federation
        self._stall = stall
        self._listener = listener
        self._next_look = stall / 10
        self._next_report = time.monotonic() + _REPORTS
        self._events = 0
        self._at = 0.0
        self._ready_since = inf
        """Time in s since which no device has worked and some have been ready."""
        self._seen: dict[int, tuple[object, float, float]] = {}
        """Transfer, bits left and the time in s since which they are the same, by device."""

    def __repr__(self) -> str:
        return f"Watchdog({self._federation!r}, {self._stall:g} s)"

    def run(self, process: simpy.Process) -> None:
        """Run until the process has ended.

        Raises:
            LocatedError: The process will not end.
        """
        env = self._federation.env
        try:
            while not process.processed:
                for _ in range(_LOOK):
                    env.step()
                    if process.processed:
                        return
                self._look()
        except EmptySchedule:
            raise LocatedError(
                f"no event is left at {env.now:,.6g} s, and the last round is not over: "
                f"{self._who()}",
                "rounds",
            ) from None

    def _look(self) -> None:
        now = self._federation.env.now
        self._events += _LOOK
        if self._events > _EVENTS + _EVENTS_OF_A_DEVICE * len(self._federation.devices):
            if now - self._at < _LEAST_ADVANCE:
                raise LocatedError(
                    f"the clock stands at {now:,.6g} s: {self._events:,} events have advanced it "
                    f"by {now - self._at:.3g} s ({self._who()}); look for a battery, an "
                    "availability, a trace or a deadline of almost no duration",
                    "rounds",
                )
            self._events, self._at = 0, now
        if now > _LAST:
            raise LocatedError(
                f"the clock has come to {now:.3g} s, more than the {_LAST:g} s (300 years) in "
                f"which it tells microseconds apart: {self._who()}",
                "rounds",
            )
        if now >= self._next_look:
            self._check(now)
        if self._listener is not None and time.monotonic() >= self._next_report:
            self._next_report = time.monotonic() + _REPORTS
            self._listener(now)

    def _check(self, now: float) -> None:
        self._next_look = now + self._stall / 10
        self._check_transfers(now)
        completed = self._federation.context.completed_at
        if now < completed + self._stall:
            return
        working = [device for device in self._federation.devices if device.busy]
        self._check_policy(now, completed, working)
        computes = any(device.activity_log.activity == "compute" for device in working)
        if not working or computes:
            return
        if now - min(device.working_since for device in working) >= self._stall:
            raise LocatedError(
                f"nothing has completed since {completed:,.6g} s, at {now:,.6g} s: "
                f"{self._who()}; a larger value waits longer",
                "stall",
            )

    def _check_policy(self, now: float, completed: float, working: Sequence[Device]) -> None:
        """Refuse a policy that leaves devices alone which are ready, or an endless exchange."""
        ready = [] if working else self._federation.available()
        self._ready_since = min(self._ready_since, now) if ready else inf
        since = max(self._ready_since, completed)
        if now - since >= _STALLS * self._stall:
            if exchanging := [each for each in self._federation.edges if each.exchanges]:
                raise LocatedError(
                    f"the state of {exchanging[0].name} has been on its way to or from the cloud "
                    f"for {now - since:,.6g} s, at {now:,.6g} s; a larger value waits longer",
                    "stall",
                )
            count = f"{len(ready)} device{'s' * (len(ready) > 1)}"
            raise LocatedError(
                f"the policy has asked nobody for {now - since:,.6g} s, at {now:,.6g} s, although "
                f"{count} ({ready[0].name} first) can work; it must ask some or end; a larger "
                "`stall` waits longer",
                "rounds",
            )

    def _check_transfers(self, now: float) -> None:
        """Refuse a transfer without a bit of progress, whatever others have completed."""
        seen: dict[int, tuple[object, float, float]] = {}
        for device in self._federation.devices:
            under_way = device.transceiver.under_way if device.busy else None
            if under_way is None:
                continue
            transfer, left = under_way
            before = self._seen.get(device.index)
            same = before is not None and before[:2] == (transfer, left)
            since = before[2] if before is not None and same else now
            if now - since >= self._stall:
                raise LocatedError(
                    f"the transfer of {_waits(device)} has carried no bit since {since:,.6g} s, "
                    f"{left:,.6g} of its {transfer.bits:,.6g} bit are left; a larger value waits "
                    "longer",
                    "stall",
                )
            seen[device.index] = transfer, left, since
        self._seen = seen

    def _who(self) -> str:
        """Return who waits for what."""
        busy = [device for device in self._federation.devices if device.busy]
        if not busy:
            return "no device works"
        busy.sort(key=lambda device: device.working_since)
        more = f" and {len(busy) - _NAMED} more" if len(busy) > _NAMED else ""
        return "; ".join(map(_waits, busy[:_NAMED])) + more


def _waits(device: Device) -> str:
    activity = device.activity_log.activity
    doing = {
        "download": "receives from",
        "upload": "sends to",
        "handover": "changes to",
        "wait": "waits for the server behind",
        "backhaul": "has sent over the backhaul of",
    }.get(activity, f"is in {activity} at")
    return (
        f"{device.name} {doing} {device.cell.name} since {device.activity_log.since:,.6g} s at a "
        f"mean gain of {10 * log10(max(device.mean_gain, 1e-300)):.0f} dB"
    )
