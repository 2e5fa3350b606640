"""Waits before the first bit: access procedures, handshakes, and base stations that wake up."""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil, inf
from typing import Any

import numpy as np
import simpy

from wfl_sim.network.carriers.transfer import Transfer, Window
from wfl_sim.radio.cell import Direction
from wfl_sim.radio.procedures.access import Access
from wfl_sim.radio.procedures.transport import Transport

Events = Generator[simpy.Event, Any, None]


@dataclass(eq=False)
class AccessProcedure:
    """States of the devices of one cell, and their random access."""

    env: simpy.Environment
    access: Access
    """Times of the procedures."""
    stream: Callable[[int], np.random.Generator]
    """The random stream of each device."""

    def __post_init__(self) -> None:
        self.collisions = 0
        """Preambles that were sent by several devices, counted for each device."""
        self._streams: dict[int, np.random.Generator] = {}
        self._under_way: Counter[int] = Counter()
        self._last: dict[int, float] = {}
        self._preambles: dict[int, Counter[int]] = {}

    def __repr__(self) -> str:
        return f"AccessProcedure({len(self._last)} devices, {self.collisions} collisions)"

    def note(self, devices: Iterable[int], begins: bool) -> None:
        """Take note of a transfer of some devices that begins or ends."""
        for device in devices:
            self._under_way[device] = max(self._under_way[device] + (1 if begins else -1), 0)
            self._last[device] = self.env.now

    def wait(self, direction: Direction, devices: Iterable[int]) -> Events:
        """Wait until all of the devices have access."""
        one = self._uplink if direction == "uplink" else self._downlink
        yield self.env.all_of([self.env.process(one(each)) for each in devices])

    def _silence(self, device: int) -> float:
        """Seconds since the last transfer; infinite before the first."""
        if self._under_way[device] > 0:
            return 0.0
        return self.env.now - self._last.get(device, -inf)

    def _uplink(self, device: int) -> Events:
        access, draws = self.access, self._draws(device)
        if self._silence(device) > access.inactivity:
            yield from self._connect(device)
        elif not self._under_way[device]:
            yield self.env.timeout(draws.uniform(0.0, access.request_period))
            yield self.env.timeout(access.grant)
        yield self.env.timeout(access.grant)
        self._last[device] = self.env.now

    def _downlink(self, device: int) -> Events:
        access, draws = self.access, self._draws(device)
        silence = self._silence(device)
        if silence > access.inactivity:
            yield self.env.timeout(draws.uniform(0.0, access.paging_cycle))
            yield from self._connect(device)
        elif silence > access.drx_inactivity:
            since = (silence - access.drx_inactivity) % access.drx_cycle
            if since >= access.drx_on:
                yield self.env.timeout(access.drx_cycle - since)
        self._last[device] = self.env.now

    def _connect(self, device: int) -> Events:
        """Random access in four steps, and connection setup."""
        access, draws, env = self.access, self._draws(device), self.env
        period = access.occasion_period
        while True:
            occasion = ceil(env.now / period * (1 - 1e-12))
            yield env.timeout(max(occasion * period - env.now, 0.0))
            sent = self._preambles.setdefault(occasion, Counter())
            preamble = int(draws.integers(access.preambles))
            sent[preamble] += 1
            yield env.timeout(access.response)
            if sent[preamble] == 1:
                break
            self.collisions += 1
            yield env.timeout(draws.uniform(0.0, access.backoff))
        self._preambles = {k: v for k, v in self._preambles.items() if k + 100 > occasion}
        yield env.timeout(access.grant + access.setup)

    def _draws(self, device: int) -> np.random.Generator:
        if device not in self._streams:
            self._streams[device] = self.stream(device)
        return self._streams[device]


@dataclass(eq=False)
class Connections:
    """The connections of all devices. They outlive a handover."""

    env: simpy.Environment
    _used: dict[int, float] = field(default_factory=dict)
    _windows: dict[tuple[int, Direction], tuple[float, float]] = field(default_factory=dict)
    """Bits of payload of the last window, and when it was used."""

    def __repr__(self) -> str:
        return f"Connections({len(self._used)} devices)"

    def handshake(self, transport: Transport, device: int) -> float:
        """Seconds before the first bit of a device, which has a connection from then on."""
        known = self.env.now - self._used.get(device, -inf) <= transport.idle
        wait = 0.0 if known else transport.round_trips * transport.rtt
        self._used[device] = self.env.now + wait
        return wait

    def window(
        self, transport: Transport, device: int, direction: Direction, header: float
    ) -> Window:
        """Return the window with which a transfer begins now, in bits on the air.

        Windows count payload, which has `header` bits more for each of its own.
        """
        bits = transport.first_window
        if (device, direction) in self._windows:
            before, when = self._windows[device, direction]
            if self.env.now - when <= transport.restart:
                bits = before
        largest = (transport.largest_window or inf) * (1 + header)
        return Window(bits * (1 + header), transport.rtt, largest)

    def ended(self, device: int, direction: Direction, transfer: Transfer, header: float) -> None:
        """Take note of a transfer that has ended, or has been left."""
        self._used[device] = self.env.now
        if transfer.window is not None:
            bits = transfer.window.bits / (1 + header)
            self._windows[device, direction] = bits, self.env.now


@dataclass(eq=False)
class BaseStationSleep:
    """Counts the transfers of a cell, and wakes its base station up when one is requested."""

    env: simpy.Environment
    waking: Callable[[float], float]
    """Returns the seconds to wake up after a rest of so many seconds."""

    def __post_init__(self) -> None:
        self.wakings: list[tuple[float, float]] = []
        """Start and end of every waking in s."""
        self.held: list[tuple[float, float]] = []
        """Start and end in s of every time in which someone waited for access."""
        self._transfers = self._waiting = 0
        self._resting_since = self.env.now
        self._waking_up: simpy.Process | None = None

    def __repr__(self) -> str:
        return f"BaseStationSleep({self._transfers} transfers, {len(self.wakings)} wakings)"

    def note(self, device: int, begins: bool) -> None:
        """Count a transfer that begins or ends."""
        self._transfers += 1 if begins else -1
        self._resting_since = self.env.now

    def awake(self) -> Generator[simpy.Event, Any, None]:
        """Wait until the base station is awake."""
        if self._waking_up is None and not self._transfers + self._waiting:
            seconds = self.waking(self.env.now - self._resting_since)
            if seconds:
                # A process of its own: the device that asked may leave while others wait.
                self._waking_up = self.env.process(self._wake_up(seconds))
        if self._waking_up is not None:
            yield self._waking_up

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep the base station awake while someone who has asked waits for access."""
        start = self.env.now
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            self._resting_since = self.env.now
            if self.env.now > start:
                self.held.append((start, self.env.now))

    def _wake_up(self, seconds: float) -> Generator[simpy.Event, Any, None]:
        start = self.env.now
        yield self.env.timeout(seconds)
        self.wakings.append((start, self.env.now))
        self._resting_since = self.env.now
        self._waking_up = None
