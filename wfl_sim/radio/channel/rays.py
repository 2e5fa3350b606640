"""Ray tables: the paths of each link from a file, as fading and as gain; files of gains."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

import channel_models as cm
from channel_models.elementary import cosine_and_sine
from channel_models.units import PositiveSeconds, Unit
from channel_models.validation import FloatArray
from wfl_sim.config.csv_tables import Measure, read_rows
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import FilePath

_DEVICE: Final = Unit("1", minimum=0.0)
_GAIN: Final = Unit("dB", maximum=0.0)
"""No path brings more than is sent: a larger value is a loss."""
RAY_COLUMNS: Final[Mapping[str, Measure]] = {
    "device": _DEVICE,
    "delay": Unit("s", minimum=0.0),
    "gain": _GAIN,
    "phase": Unit("rad"),
    "doppler": Unit("Hz"),
}
"""Columns of a ray table, one row for each path."""
_SLOWEST: Final = 0.1
"""s between two samples where nothing moves."""


def read_gains(path: str) -> dict[int, float]:
    """Return the dB of each device from a CSV file with the columns device and gain (dB).

    Raises:
        ValueError: the file cannot be read, or has a device twice.
    """
    found: dict[int, float] = {}
    for line, row in read_rows(Path(path), {"device": _DEVICE, "gain": _GAIN}):
        device = _number(path, line, row)
        if device in found:
            raise ValueError(f"{Path(path).name}:{line}: device {device} has a gain already")
        found[device] = row["gain"]
    return found


def _number(path: str, line: int, row: Mapping[str, float]) -> int:
    if row["device"] % 1:
        raise ValueError(f"{Path(path).name}:{line}: device must be whole, got {row['device']:g}")
    return int(row["device"])


@dataclass(frozen=True, kw_only=True)
class RayFading:
    """The paths of each link from a CSV file: ``h(t, f) = sum a exp(j(p + 2 pi (v t - f d)))``.

    Its columns are device, delay (s), gain (dB), phase (rad) and doppler (Hz); f is relative to the
    carrier. The sum of a link's gains is its whole large-scale gain, with antennas, in place of
    path loss and shadowing; both directions have the same paths.
    """

    path: Annotated[str, FilePath()]
    """The table of one cell."""
    step: PositiveSeconds | None = None
    """s between two samples; a fifth of the shortest period of two paths unless given."""

    def __post_init__(self) -> None:
        try:
            _ = self._rays
        except ValueError as error:
            raise LocatedError(str(error), "path") from None

    @cached_property
    def _rays(self) -> dict[int, FloatArray]:
        """(paths, 4) delay, gain as power, turns of phase and Doppler shift, by device."""
        rows = read_rows(Path(self.path), RAY_COLUMNS)
        if not rows:
            raise ValueError(f"{Path(self.path).name} has no path")
        found: dict[int, list[tuple[float, ...]]] = {}
        for line, row in rows:
            power = float(cm.db_to_linear(row["gain"]))
            turns = row["phase"] / (2 * math.pi)
            path = row["delay"], power, turns, row["doppler"]
            found.setdefault(_number(self.path, line, row), []).append(path)
        return {device: np.array(paths) for device, paths in found.items()}

    @cached_property
    def link_gains(self) -> dict[int, float]:
        """The dB of each device: all its paths together."""
        return {n: float(cm.linear_to_db(rays[:, 1].sum())) for n, rays in self._rays.items()}

    @cached_property
    def sampling_step(self) -> float:
        """s between two samples."""
        if self.step is not None:
            return self.step
        spread = max(float(np.ptp(rays[:, 3])) for rays in self._rays.values())
        return min(0.2 / spread, _SLOWEST) if spread else _SLOWEST

    @cached_property
    def law(self) -> cm.EmpiricalPower:
        """Powers of all links over 40 MHz, at eight moments of the slowest change."""
        links = np.array(sorted(self._rays))
        times = np.arange(8) * 25 * self.sampling_step
        return cm.EmpiricalPower(self.of_links(links).power(times, np.linspace(-2e7, 2e7, 41)))

    def of_links(self, links: NDArray[np.intp]) -> "RayProcess":
        """Return the process of devices with these numbers."""
        return RayProcess([_process(self._rays[link]) for link in links.tolist()])

    def realise(
        self, streams: Sequence[np.random.Generator], doppler: ArrayLike
    ) -> cm.FadingProcess:
        """Return the first devices of the table; nothing is drawn, shifts are those of paths."""
        return self.of_links(np.array(sorted(self._rays)[: len(streams)]))


def _process(rays: FloatArray) -> cm.FunctionProcess:
    """One link, of mean power one over its paths."""
    delays, power, turns, shifts = rays.T
    size = np.sqrt(power / power.sum())

    def taps(time: FloatArray, links: NDArray[np.intp]) -> NDArray[np.complex128]:
        cosine, sine = cosine_and_sine(turns + shifts * time[:, None])
        found = np.empty((len(links), *cosine.shape), dtype=np.complex128)
        found.real, found.imag = size * cosine, size * sine
        return found

    return cm.FunctionProcess(1, delays, taps)


class RayProcess:
    """Links that each have their own number of paths."""

    def __init__(self, links: Sequence[cm.FunctionProcess]) -> None:
        self._links = links

    def __repr__(self) -> str:
        return f"RayProcess({len(self._links)} links)"

    def _each(self, method: str, links: ArrayLike | None, *given: Any) -> NDArray[Any]:
        which = range(len(self._links)) if links is None else np.asarray(links).tolist()
        return np.concatenate([getattr(self._links[link], method)(*given) for link in which])

    def taps(self, time: ArrayLike, links: ArrayLike | None = None) -> NDArray[np.complex128]:
        """Complex taps, of links with as many paths."""
        return self._each("taps", links, time)

    def response(
        self, time: ArrayLike, offsets: ArrayLike, links: ArrayLike | None = None
    ) -> NDArray[np.complex128]:
        """Response at offsets in Hz from the carrier: (links, *time.shape, F)."""
        return self._each("response", links, time, offsets)

    def power(self, time: ArrayLike, offsets: ArrayLike, links: ArrayLike | None = None) -> Any:
        """Square of the response."""
        return self._each("power", links, time, offsets)

    def power_grid(
        self,
        first: int,
        count: int,
        step: float,
        offsets: ArrayLike,
        links: ArrayLike | None = None,
    ) -> NDArray[np.floating[Any]]:
        """`power` at the midpoints of grid cells, (links, count, F)."""
        return self._each("power_grid", links, first, count, step, offsets)
