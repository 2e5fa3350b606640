"""Air: the joint analog transmission of one round, which begins when everyone is ready."""

from collections.abc import Sequence

import numpy as np
import simpy

from wfl_sim.network.client import Client
from wfl_sim.radio.over_the_air import AnalogTransmission


class OverTheAirUpload:
    """Waits for the devices of a cohort, and lets those who are left send together."""

    def __init__(self, env: simpy.Environment, expected: int, threshold: float) -> None:
        """Begin with nobody ready.

        Args:
            env: the clock.
            expected: devices that are ready or withdraw before anyone sends.
            threshold: of the fading power, below which a device stays out.
        """
        self.noise = 0.0
        """of the average, once it has begun"""
        self._expected = expected
        self._threshold = threshold
        self._ready: list[Client] = []
        self._begun = env.event()

    def __repr__(self) -> str:
        return f"Air({len(self._ready)} ready of {self._expected})"

    def ready(self, device: Client) -> simpy.Event:
        """Return the event of the beginning; its value tells seconds, and W by device."""
        self._ready.append(device)
        self._look()
        return self._begun

    def withdraw(self, device: Client) -> None:
        """Do without a device that has left before the beginning."""
        if device in self._ready:
            self._ready.remove(device)
        self._expected -= 1
        self._look()

    def _look(self) -> None:
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
    """Return the transmission of the devices of one cell at this moment."""
    cell = devices[0].cell
    return cell.analog.burst(
        cell.hears([device.index for device in devices]),
        np.array([device.mean_gain for device in devices]),
        np.array([float(device.examples) for device in devices]),
        np.array([device.power for device in devices]),
        threshold=threshold,
        values=devices[0].workload.upload_values,
    )
