"""Slumber: the sleep of one base station, which lets the first transfer after a rest wait."""

from collections.abc import Callable, Generator
from typing import Any

import simpy


class BaseStationSleep:
    """Counts the transfers of a cell, and wakes its base station up when one is asked for."""

    def __init__(self, env: simpy.Environment, waking: Callable[[float], float]) -> None:
        """Begin awake, without traffic.

        Args:
            env: the clock.
            waking: s to wake up after a rest of so many s.
        """
        self.wakings: list[tuple[float, float]] = []
        """s, from when to when it woke up"""
        self._env = env
        self._waking = waking
        self._transfers = 0
        self._rests_since = env.now
        self._getting_up: simpy.Process | None = None

    def __repr__(self) -> str:
        return f"Slumber({self._transfers} transfers, {len(self.wakings)} wakings)"

    def note(self, device: int, begins: bool) -> None:
        """Note that a transfer begins or ends."""
        self._transfers += 1 if begins else -1
        self._rests_since = self._env.now

    def awake(self) -> Generator[simpy.Event, Any, None]:
        """Wait until the base station is awake."""
        if self._getting_up is None and not self._transfers:
            seconds = self._waking(self._env.now - self._rests_since)
            if seconds:
                # A process of its own: who asked may leave, and others wait for it, too.
                self._getting_up = self._env.process(self._get_up(seconds))
        if self._getting_up is not None:
            yield self._getting_up

    def _get_up(self, seconds: float) -> Generator[simpy.Event, Any, None]:
        start = self._env.now
        yield self._env.timeout(seconds)
        self.wakings.append((start, self._env.now))
        self._rests_since = self._env.now
        self._getting_up = None
