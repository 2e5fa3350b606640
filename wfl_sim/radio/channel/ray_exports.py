"""Ray tables from what ray tracers export: arrays in, the rows of a table out."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from wfl_sim.radio.channel.rays import RAY_COLUMNS

Row = tuple[int, float, float, float, float]
"""Device, delay in s, gain in dB, phase in rad, Doppler shift in Hz."""


def from_sionna(
    a: ArrayLike, tau: ArrayLike, doppler: ArrayLike | None = None, transmitter: int = 0
) -> list[Row]:
    """Return the rows of one transmitter from the arrays of `sionna.rt.Paths`.

    Receivers are the devices. Of arrays of antennas the first is taken, of time steps, too: Doppler
    shifts move the phases on. Paths that are not there have a coefficient of 0 or a delay of -1.

    Args:
        a: of `cir(out_type="numpy")`, complex, (receivers, receive antennas, transmitters, transmit
            antennas, paths, time steps).
        tau: s, (receivers, transmitters, paths), or with antennas as in `a`.
        doppler: `Paths.doppler` in Hz, of the shape of `tau`; 0 unless given.
    """
    coefficient = np.asarray(a)[:, 0, transmitter, 0, :, 0]
    delay = _paths(tau, transmitter)
    shift = np.zeros(delay.shape) if doppler is None else _paths(doppler, transmitter)
    there = (np.abs(coefficient) > 0) & (delay >= 0)
    return [
        (
            int(device),
            float(delay[device, path]),
            float(20 * np.log10(abs(coefficient[device, path]))),
            float(np.angle(coefficient[device, path])),
            float(shift[device, path]),
        )
        for device, path in np.argwhere(there)
    ]


def _paths(values: ArrayLike, transmitter: int) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    return array[:, 0, transmitter, 0] if array.ndim == 5 else array[:, transmitter]


def from_deepmimo(
    power: ArrayLike, phase: ArrayLike, delay: ArrayLike, doppler: ArrayLike | None = None
) -> list[Row]:
    """Return rows from a DeepMIMO (version 4) dataset of one transmitter; users are the devices.

    Args:
        power: dBW at 0 dBW sent, (users, paths); NaN where there is no path.
        phase: degrees, (users, paths).
        delay: s, (users, paths).
        doppler: Hz, (users, paths); 0 unless given.
    """
    gain, turn, late = (np.asarray(each, dtype=float) for each in (power, phase, delay))
    shift = np.zeros(gain.shape) if doppler is None else np.asarray(doppler, dtype=float)
    return [
        (
            int(user),
            float(late[user, path]),
            float(gain[user, path]),
            float(np.deg2rad(turn[user, path])),
            float(shift[user, path]),
        )
        for user, path in np.argwhere(np.isfinite(gain))
    ]


def write_rays(path: Path | str, rows: Iterable[Row]) -> None:
    """Write rows as the table that `fading: {kind: rays}` reads."""
    units = ", ".join(
        name if unit.symbol == "1" else f"{name} ({unit.symbol})"
        for name, unit in RAY_COLUMNS.items()
    )
    lines = [units.replace(", ", ","), *(",".join(map(repr, row)) for row in rows)]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
