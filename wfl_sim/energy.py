"""Energy: joules integrated from piecewise-constant power, never sampled."""

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Component = Literal["idle", "compute", "transmit", "receive"]

COMPONENTS: Final[tuple[Component, ...]] = ("idle", "compute", "transmit", "receive")


class Ledger:
    """The joules of every device by component.

    A change of power closes the open interval with P x dt. What all components together draw is
    integrated on its own, so that the sum over components can be held against it.
    """

    def __init__(self, devices: int) -> None:
        self._watts = np.zeros((devices, len(COMPONENTS)))
        self._joules = np.zeros((devices, len(COMPONENTS)))
        self._since = np.zeros(devices)
        self._drawn = np.zeros(devices)

    def __repr__(self) -> str:
        return f"Ledger({len(self._since)} devices, {self._drawn.sum():.6g} J closed)"

    def set_power(self, device: int, component: Component, watts: float, now: float) -> None:
        """Let a component of a device draw `watts` from `now` on.

        Raises:
            ValueError: negative power, or a time before the last change.
        """
        if watts < 0:
            raise ValueError(f"power must not be negative, got {watts} W")
        self._close(device, now)
        self._watts[device, COMPONENTS.index(component)] = watts

    def add(self, device: int, component: Component, joules: float, now: float) -> None:
        """Book energy that was integrated elsewhere (a carrier integrates time on the air)."""
        if joules < 0:
            raise ValueError(f"energy must not be negative, got {joules} J")
        self._close(device, now)
        self._joules[device, COMPONENTS.index(component)] += joules
        self._drawn[device] += joules

    def power(self, device: int) -> float:
        """Return the W that all components of a device draw together."""
        return float(self._watts[device].sum())

    def total(self, device: int, now: float) -> float:
        """Return the joules that a device has drawn until `now`."""
        self._close(device, now)
        return float(self._drawn[device])

    def components(self, now: float) -> NDArray[np.float64]:
        """Return joules of shape (devices, components) until `now`."""
        return self._joules + self._watts * (now - self._since)[:, None]

    def drawn(self, now: float) -> NDArray[np.float64]:
        """Return joules of shape (devices,), integrated from the total power of each device."""
        drawn: NDArray[np.float64] = self._drawn + self._watts.sum(axis=1) * (now - self._since)
        return drawn

    def _close(self, device: int, now: float) -> None:
        elapsed = now - self._since[device]
        if elapsed < 0:
            raise ValueError(
                f"the ledger is at {self._since[device]} s and cannot go back to {now} s"
            )
        self._joules[device] += self._watts[device] * elapsed
        self._drawn[device] += self._watts[device].sum() * elapsed
        self._since[device] = now
