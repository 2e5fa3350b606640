"""Over-the-air aggregation: all devices send at once, and the antenna receives the sum."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wfl_sim.codecs import Float32
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import PositiveFloat
from wfl_sim.methods.method import METHODS, is_weighted_mean
from wfl_sim.rounds.policy import ROUNDS, LimitedRounds, ask, finish, gather

if TYPE_CHECKING:
    import simpy

    from wfl_sim.network.devices.client import Client
    from wfl_sim.network.federation.federation import Federation
    from wfl_sim.radio.over_the_air import AnalogTransmission


class OverTheAirUpload:
    """Waits until every device of a cohort is ready or has left; then the ready ones send together.

    Args:
        env: the clock.
        expected: number of devices in the cohort.
        threshold: share of the mean fading power below which a device does not send.
    """

    def __init__(self, env: simpy.Environment, expected: int, threshold: float) -> None:
        self.noise = 0.0
        """Noise of the average, once the transmission has begun; see `execution.task.Aggregate`."""
        self._expected = expected
        self._threshold = threshold
        self._ready: list[Client] = []
        self._begun = env.event()

    def __repr__(self) -> str:
        return f"OverTheAirUpload({len(self._ready)} ready of {self._expected})"

    def ready(self, device: Client) -> simpy.Event:
        """Return the event of its beginning; the value is its seconds, and the W of each device."""
        self._ready.append(device)
        self._begin_if_ready()
        return self._begun

    def withdraw(self, device: Client) -> None:
        """Remove a device that has left before the beginning."""
        if device in self._ready:
            self._ready.remove(device)
        self._expected -= 1
        self._begin_if_ready()

    def _begin_if_ready(self) -> None:
        if self._begun.triggered or not self._ready or len(self._ready) < self._expected:
            return
        senders = sorted(self._ready, key=lambda device: device.index)
        burst = _burst(senders, self._threshold)
        self.noise = burst.noise
        watts = {
            device.index: float(power) for device, power in zip(senders, burst.watts, strict=True)
        }
        self._begun.succeed((burst.seconds, watts))


def _burst(devices: Sequence[Client], threshold: float) -> AnalogTransmission:
    """Return the transmission of devices of one cell that begins now."""
    cell = devices[0].cell
    return cell.analog.burst(
        cell.uplink_gains([device.index for device in devices]),
        np.array([device.mean_gain for device in devices]),
        np.array([float(device.examples) for device in devices]),
        np.array([device.power for device in devices]),
        threshold=threshold,
        values=devices[0].workload.upload_values,
    )


@ROUNDS("over-the-air")
@dataclass(frozen=True, kw_only=True)
class OverTheAir(LimitedRounds):
    """Synchronous rounds with analog uploads: one transmission for all, and noise on the average.

    Over-the-air computation with truncated channel inversion (Zhu, Wang, Huang, arXiv 1812.11494).
    Devices that are ready wait for the last one; then all send at once, except those whose fading
    power is below `threshold` of its mean. Each value is sent as its change, at the scale of the
    device whose change is largest.
    """

    threshold: PositiveFloat = 0.1
    """Share of the mean fading power below which a device does not send."""

    def check_scenario(self, scenario: Any) -> None:
        """Refuse scenarios whose uploads cannot be added on the air.

        Raises:
            LocatedError: several cells, uploads that fail, a method that does not average, or a
                codec for bits.
        """
        if len(scenario.base_stations) > 1:
            raise LocatedError("over the air only one cell can add up uploads", "cells")
        (cell,) = scenario.base_stations
        if not cell.cellular:
            raise LocatedError("over the air needs subcarriers of NR", "cells")
        for number, group in enumerate(scenario.devices):
            if group.reach == "outage":
                problem = "must not be outage: over the air no upload fails alone, but `exclude`"
                raise LocatedError(problem, "devices", number, "reach")
        if not is_weighted_mean(scenario.method):
            name = METHODS.label(scenario.method)
            raise LocatedError(
                f"over the air needs a method that averages uploads, which {name} does not",
                "method",
            )
        if scenario.server.weights != "examples":
            raise LocatedError(
                "must be examples: over the air devices scale by them", "server", "weights"
            )
        if not isinstance(scenario.payload.upload, Float32):
            raise LocatedError(
                "must be fp32: values go over the air as amplitudes", "payload", "upload"
            )

    def _rounds(self, federation: Federation) -> Generator[simpy.Event, Any, None]:
        server = federation.server
        for number in self.numbers:
            cohort = yield from self.cohort(federation, number)
            if not cohort:
                return
            air = OverTheAirUpload(federation.env, len(cohort), self.threshold)
            arrived = yield from gather(federation, ask(server, cohort, number, air=air))
            if arrived:
                device = arrived[0].device
                yield from device.cell.forward(device.workload.upload_bits)
            yield from server.aggregate(arrived, number, noise=air.noise)
            finish(federation, cohort, number)
