"""Energy ledger: joules integrated from piecewise-constant power, never sampled."""

from typing import Final, Literal

import numpy as np

from channel_models.validation import FloatArray

Component = Literal["idle", "compute", "transmit", "receive"]

COMPONENTS: Final[tuple[Component, ...]] = ("idle", "compute", "transmit", "receive")

_PLACE: Final = {component: place for place, component in enumerate(COMPONENTS)}


class EnergyLedger:
    """The joules of every device by component.

    A change of power closes the open interval with P x dt. What all components together draw is
    integrated on its own, so that the sum over components can be held against it.
    """

    def __init__(self, devices: int) -> None:
        # Numbers of Python: an array of four costs more to add to than four of them.
        self._watts = [[0.0] * len(COMPONENTS) for _ in range(devices)]
        self._joules = [[0.0] * len(COMPONENTS) for _ in range(devices)]
        self._since = [0.0] * devices
        self._drawn = [0.0] * devices

    def __repr__(self) -> str:
        return f"EnergyLedger({len(self._since)} devices, {sum(self._drawn):.6g} J closed)"

    def set_power(self, device: int, component: Component, watts: float, now: float) -> None:
        """Let a component of a device draw `watts` from `now` on.

        Raises:
            ValueError: negative power, or a time before the last change.
        """
        if watts < 0:
            raise ValueError(f"power must not be negative, got {watts} W")
        self._close(device, now)
        self._watts[device][_PLACE[component]] = float(watts)

    def add(self, device: int, component: Component, joules: float, now: float) -> None:
        """Book energy that was integrated elsewhere (a carrier integrates time on the air)."""
        if joules < 0:
            raise ValueError(f"energy must not be negative, got {joules} J")
        self._close(device, now)
        self._joules[device][_PLACE[component]] += float(joules)
        self._drawn[device] += float(joules)

    def power(self, device: int) -> float:
        """Return the W that all components of a device draw together."""
        return sum(self._watts[device])

    def total(self, device: int, now: float) -> float:
        """Return the joules that a device has drawn until `now`."""
        self._close(device, now)
        return self._drawn[device]

    def components(self, now: float) -> FloatArray:
        """Return joules of shape (devices, components) until `now`."""
        elapsed = now - np.array(self._since)
        return np.array(self._joules) + np.array(self._watts) * elapsed[:, None]

    def drawn(self, now: float) -> FloatArray:
        """Return joules of shape (devices,), integrated from the total power of each device."""
        elapsed = now - np.array(self._since)
        power = np.array([sum(watts) for watts in self._watts])
        return np.asarray(np.array(self._drawn) + power * elapsed)

    def _close(self, device: int, now: float) -> None:
        elapsed = now - self._since[device]
        if elapsed < 0:
            raise ValueError(
                f"the ledger is at {self._since[device]} s and cannot go back to {now} s"
            )
        watts, joules = self._watts[device], self._joules[device]
        for place, drawn in enumerate(watts):
            joules[place] += drawn * elapsed
        self._drawn[device] += sum(watts) * elapsed
        self._since[device] = now
