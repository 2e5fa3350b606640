"""Closed-loop power control: commands to the devices that send in a cell."""

from collections import Counter
from collections.abc import Callable, Generator
from math import isclose
from typing import Any

import numpy as np
import simpy

from channel_models.units import db_to_linear
from wfl_sim.network.carriers.carrier import Carrier
from wfl_sim.radio.power.power_control import ClosedLoop
from wfl_sim.radio.power.transmit_power import DevicePower


class PowerCommands:
    """The loop of one cell. What has accumulated stays with a device.

    Args:
        env: the clock.
        loop: target and period.
        rule: power of the devices.
        carrier: their uplink.
        first_link: number of device 0 on the carrier.
        levels: share of the power that each modulation leaves.
        changed: called with a device whose power has changed.
    """

    def __init__(
        self,
        env: simpy.Environment,
        loop: ClosedLoop,
        rule: DevicePower,
        carrier: Carrier,
        first_link: int,
        levels: tuple[float, ...],
        changed: Callable[[int], None],
    ) -> None:
        self.raised_db = np.zeros(len(rule.largest))
        """(devices,) f of TS 38.213 section 7.1.1, dB."""
        self._env = env
        self._loop = loop
        self._rule = rule
        self._carrier = carrier
        self._first = first_link
        self._levels = levels
        self._changed = changed
        self._sending: Counter[int] = Counter()
        self._runs = False

    def __repr__(self) -> str:
        return f"PowerCommands({self._loop.sinr:g} dB, {self._sending.total()} sending)"

    def factor(self, device: int | slice) -> Any:
        """Linear factor on the power of devices."""
        return db_to_linear(self.raised_db[device])

    def note(self, device: int, begins: bool) -> None:
        """Take note of a transfer that begins or ends."""
        self._sending[device] += 1 if begins else -1
        if begins and not self._runs:
            self._runs = True
            self._env.process(self._run())

    def _run(self) -> Generator[simpy.Event, Any, None]:
        while True:
            yield self._env.timeout(self._loop.period)
            if not self._sending.total():
                break
            heard = self._carrier.on_air(range(self._first, self._first + len(self.raised_db)))
            changes = [self._command(*each) for each in heard]
            if any(changes):
                self._carrier.refresh()
        self._runs = False

    def _command(self, link: int, sinr_db: float, watts: float, level: float) -> bool:
        """Send a command to a device that radiates so many W; return whether it changes that."""
        device, step = link - self._first, self._loop.command(sinr_db)
        most = self._rule.largest[device] * self._rule.reduced
        if step > 0 and (
            self._rule.density[device] >= most
            or any(isclose(watts, most * min(level, each)) for each in self._levels)
        ):
            return False
        self.raised_db[device] += step
        self._changed(device)
        return step != 0.0
