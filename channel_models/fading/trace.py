"""Recorded channels, replayed as a model."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from channel_models.fading.process import (
    ComplexArray,
    FunctionProcess,
    LinkIndices,
    check_doppler,
    squared_magnitude,
)
from channel_models.laws.power import EmpiricalPower
from channel_models.units import PositiveSeconds, db_to_linear
from channel_models.validation import FloatArray, Validated

_REGULAR = 1e-6
_NUMBER = r"[-+.\d]+(e[-+]?\d+)?"


@dataclass(frozen=True, kw_only=True)
class Trace(Validated):
    """A recorded flat channel from a ``.npy`` or ``.csv`` file, replayed in a loop.

    ``.npy``: array (samples,) or (samples, recordings), complex gains or real power gains, one
    sample every ``interval`` (s). ``.csv``: a header line such as ``time (s),gain``, the time in s
    in the first column (regular: it gives the interval), power gains in the others. ``scale`` says
    whether real gains are linear or in dB. With ``normalise`` every recording is scaled to mean
    power one. A link draws from its stream which recording it follows and where it starts, unless
    ``shuffle`` is false: then link i follows recording i (modulo their number) from its beginning.
    A sample holds until the next. The Doppler shift is not used.
    """

    path: str
    interval: PositiveSeconds | None = None
    scale: Literal["linear", "db"] = "linear"
    normalise: bool = True
    shuffle: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if Path(self.path).suffix not in (".npy", ".csv"):
            raise ValueError(f"path must end in .npy or .csv, got {self.path!r}")
        if Path(self.path).suffix == ".npy" and self.interval is None:
            raise ValueError("interval must be given for a .npy trace, got None")

    @cached_property
    def _recording(self) -> tuple[ComplexArray, float]:
        return self.read()

    @property
    def sampling_step(self) -> float:
        """The sampling interval of the file, s."""
        return self._recording[1]

    @property
    def law(self) -> EmpiricalPower:
        """The empirical law of all samples."""
        return EmpiricalPower(squared_magnitude(self._recording[0]))

    def read(self) -> tuple[ComplexArray, float]:
        """Complex gains (samples, recordings) and the sampling interval in s.

        Raises ValueError for a file that is no such trace.
        """
        if Path(self.path).suffix == ".csv":
            values, interval = _read_csv(self.path, self.interval)
        else:
            values = np.load(self.path, allow_pickle=False)
            interval = float(self.interval or 0.0)
        values = np.asarray(values)
        if values.ndim == 1:
            values = values[:, None]
        if values.ndim != 2 or values.size == 0 or not np.issubdtype(values.dtype, np.number):
            raise ValueError(
                f"{self.path}: gains must have shape (samples, recordings), got {values.shape}"
            )
        if not np.isfinite(values).all():
            raise ValueError(f"{self.path}: gains must be finite, got NaN or infinity")
        gains = self._amplitudes(values)
        if self.normalise:
            mean = squared_magnitude(gains).mean(axis=0)
            if (mean <= 0.0).any():
                raise ValueError(f"{self.path}: a recording without power cannot be normalised")
            gains = gains / np.sqrt(mean)
        return gains, interval

    def _amplitudes(self, values: ComplexArray | FloatArray) -> ComplexArray:
        if np.iscomplexobj(values):
            return values.astype(np.complex128)
        if self.scale == "db":
            values = db_to_linear(values)
        elif (values < 0.0).any():
            raise ValueError(
                f"{self.path}: power gains must be at least 0, got {values.min():g} "
                "(write scale: db for decibels)"
            )
        return np.sqrt(values).astype(np.complex128)

    def realise(
        self, streams: Sequence[np.random.Generator], doppler: ArrayLike
    ) -> FunctionProcess:
        """Give every stream its recording and its start."""
        gains, interval = self._recording
        samples, recordings = gains.shape
        links = check_doppler(doppler, streams).size
        column = np.arange(links) % recordings
        start = np.zeros(links, dtype=np.int64)
        if self.shuffle:
            for link, stream in enumerate(streams):
                column[link], start[link] = stream.integers(0, [recordings, samples])

        def taps_at(time: FloatArray, chosen: LinkIndices) -> ComplexArray:
            index = np.floor(time / interval + 1e-9).astype(np.int64)
            rows = (start[chosen][:, None] + index) % samples
            return np.asarray(gains[rows, column[chosen][:, None]][..., None])

        return FunctionProcess(links, np.zeros(1), taps_at)


def _read_csv(path: str, interval: float | None) -> tuple[FloatArray, float]:
    with Path(path).open(encoding="utf-8-sig") as file:
        time = file.readline().split(",")[0].strip()
        if re.fullmatch(_NUMBER, time) or ("(" in time and "(s)" not in time):
            raise ValueError(
                f"{path}: the first line must be a header, with time in s, got {time!r} first"
            )
        try:
            table = np.loadtxt(file, delimiter=",", ndmin=2)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    if table.shape[0] < 2 or table.shape[1] < 2:
        raise ValueError(
            f"{path}: a trace needs a time column, a gain column and two rows, got {table.shape}"
        )
    steps = np.diff(table[:, 0])
    step = float(steps.mean())
    if step <= 0.0 or np.abs(steps - step).max() > _REGULAR * step:
        raise ValueError(f"{path}: time must rise in regular steps, got {steps[0]:g} s first")
    if interval is not None and abs(interval - step) > _REGULAR * step:
        raise ValueError(f"{path}: interval must be {step:g} s as in the file, got {interval:g} s")
    return table[:, 1:], step
