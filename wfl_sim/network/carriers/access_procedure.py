"""Access procedures of the devices in a cell: who waits for what before the first bit."""

from collections import Counter
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from math import ceil, inf
from typing import Any

import numpy as np
import simpy

from wfl_sim.radio.cell import Direction
from wfl_sim.radio.procedures.access import Access

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
