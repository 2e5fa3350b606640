"""Sleep of a base station: the first transfer after a rest waits until it is awake."""

from collections.abc import Callable, Generator
from typing import Any

import simpy


class BaseStationSleep:
    """Counts the transfers of a cell, and wakes its base station up when one is requested.

    Args:
        env: the clock.
        waking: returns the seconds to wake up after a rest of so many seconds.
    """

    def __init__(self, env: simpy.Environment, waking: Callable[[float], float]) -> None:
        self.wakings: list[tuple[float, float]] = []
        """Start and end of every waking in s."""
        self._env = env
        self._waking = waking
        self._transfers = 0
        self._resting_since = env.now
        self._waking_up: simpy.Process | None = None

    def __repr__(self) -> str:
        return f"BaseStationSleep({self._transfers} transfers, {len(self.wakings)} wakings)"

    def note(self, device: int, begins: bool) -> None:
        """Count a transfer that begins or ends."""
        self._transfers += 1 if begins else -1
        self._resting_since = self._env.now

    def awake(self) -> Generator[simpy.Event, Any, None]:
        """Wait until the base station is awake."""
        if self._waking_up is None and not self._transfers:
            seconds = self._waking(self._env.now - self._resting_since)
            if seconds:
                # A process of its own: the device that asked may leave while others wait.
                self._waking_up = self._env.process(self._wake_up(seconds))
        if self._waking_up is not None:
            yield self._waking_up

    def _wake_up(self, seconds: float) -> Generator[simpy.Event, Any, None]:
        start = self._env.now
        yield self._env.timeout(seconds)
        self.wakings.append((start, self._env.now))
        self._resting_since = self._env.now
        self._waking_up = None
