"""Over-the-air upload: the joint analog transmission of the devices of one round."""

from collections.abc import Sequence

import numpy as np
import simpy

from wfl_sim.network.devices.client import Client
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
