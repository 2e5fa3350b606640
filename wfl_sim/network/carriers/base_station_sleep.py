"""Sleep of a base station: the first transfer after a rest waits until it is awake."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import simpy


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
