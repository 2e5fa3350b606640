"""Large-scale gains: path loss, antenna patterns and shadowing between cells and devices."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import channel_models as cm
from channel_models.elementary import hypot
from channel_models.validation import FloatArray
from wfl_sim.config.answers import AnswerError, numbers
from wfl_sim.radio.cell import CellConfig, only_wired
from wfl_sim.randomness import stream

_LINKS_AT_ONCE: Final = 2**16
"""Links whose path loss is computed in one call: arrays of half a megabyte."""


class _Streams(Sequence[np.random.Generator]):
    """Random streams of many links, each made when it is asked for."""

    def __init__(self, count: int, make: Callable[[int], np.random.Generator]) -> None:
        self._count = count
        self._make = make

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, link: Any) -> Any:
        if not 0 <= link < self._count:
            raise IndexError(link)
        return self._make(link)


class LargeScale:
    """Mean power gains of all links of a scenario, as functions of where the devices are.

    Cells at one site (sectors, or two carriers) share line of sight and shadowing. The line of
    sight of a device that stays is drawn once for each site; that of one that moves comes from a
    map (TR 38.901 section 7.6.3.3), as shadowing of the kind `map` does. A device in a building is
    behind its walls for all cells but those of an indoor office.

    Args:
        cells: every base station.
        seed: of the run.
        heights: (devices,) m of the devices.
        moves: (devices,) whether a device moves.
        offsets: from positions (n, 2) in m to the vectors from every cell, (n, cells, 2).
        indoor: (devices,) whether a device is in a building; none is unless given.
    """

    def __init__(
        self,
        cells: Sequence[CellConfig],
        *,
        seed: int,
        heights: FloatArray,
        moves: NDArray[np.bool_],
        offsets: Callable[[FloatArray], FloatArray],
        indoor: Sequence[bool] = (),
    ) -> None:
        self._walls = {
            device: self._draw_walls(seed, device) for device in np.flatnonzero(indoor).tolist()
        }
        """Depth as a share of the deepest, and normal deviate of the loss, of indoor devices."""
        self._cells = cells
        self._seed = seed
        self._heights = heights
        self._moves = moves
        self._offsets = offsets
        sites: dict[tuple[float, float], str] = {}
        self._sites = [
            sites.setdefault(cell.position, f"cell-{number}")
            for number, cell in enumerate(self._cells)
        ]
        count = len(heights)
        self._shadowing = [
            _shadowing(cell.channel.shadowing, seed, site, count)
            for cell, site in zip(self._cells, self._sites, strict=True)
        ]
        self._sight = {
            site: cm.LosMap(
                decorrelation=getattr(cell.channel.pathloss, "los_decorrelation", 50.0)
            ).realise(stream(seed, "line-of-sight", site, "map"))
            for cell, site in (
                zip(self._cells, self._sites, strict=True) if self._moves.any() else ()
            )
        }
        self.sight = np.zeros((len(cells), count), dtype=bool)
        """(cells, devices) Sight when a gain was last found; nobody has it in a building."""
        self._drawn: dict[str, FloatArray] = {}

    def __repr__(self) -> str:
        return f"LargeScale({len(self._cells)} cells, {len(self._heights)} devices)"

    @property
    def step(self) -> float:
        """m travelled between two updates: a tenth of the least decorrelation distance, or 5 m."""
        return min(map(_decorrelation, self._cells)) / 10

    def gains(self, devices: NDArray[np.intp], positions: FloatArray) -> FloatArray:
        """Return linear power gains (cells, n) of n devices at positions (n, 2) in m.

        The only cell has a gain of 1 where it is wired; beside others a wired cell is chosen by the
        gain of a radio in its place.

        A moving device nearer than the least distance of a path-loss model gets the gain at that
        distance.

        Raises:
            ValueError: a device that stays is nearer to a cell than its path-loss model allows.
        """
        offsets = self._offsets(positions)
        found = np.zeros((len(self._cells), len(devices)))
        at_once = max(1, _LINKS_AT_ONCE // max(len(devices), 1))
        for alike in () if only_wired(self._cells) else self._alike:
            for begin in range(0, len(alike), at_once):
                cells = alike[begin : begin + at_once]
                found[cells] = self._gains_db(cells, devices, positions, offsets[:, cells])
        return np.asarray(cm.db_to_linear(found))

    @cached_property
    def _alike(self) -> list[list[int]]:
        """Numbers of the cells that share what path loss depends on."""
        groups: dict[tuple[Any, ...], list[int]] = {}
        for number, cell in enumerate(self._cells):
            alone = number if cell.channel.link_gains is not None else None
            key = id(cell.channel), cell.carrier, cell.base_height, alone
            groups.setdefault(key, []).append(number)
        return list(groups.values())

    def _gains_db(
        self,
        cells: list[int],
        devices: NDArray[np.intp],
        positions: FloatArray,
        offsets: FloatArray,
    ) -> FloatArray:
        """Return gains (cells, n) in dB; offsets (n, cells, 2) in m."""
        first = self._cells[cells[0]]
        channel, model = first.channel, first.channel.pathloss
        if channel.link_gains is not None:
            return self._from_table(cells[0], devices, channel.link_gains)
        shape = len(cells), len(devices)
        links, offsets = np.tile(devices, len(cells)), offsets.swapaxes(0, 1).reshape(-1, 2)
        heights = self._heights[links]
        least = float(getattr(model, "minimum_distance", 0.0))
        distance = hypot(offsets[:, 0], offsets[:, 1])
        distance = np.where(self._moves[links], np.maximum(distance, least), distance)
        depth, deviate = self._inside(devices)
        if isinstance(model, cm.InH):  # with the cell in the building: no wall is between
            depth = np.full(len(devices), np.nan)
        way = depth * channel.entry.deepest
        outdoors = np.maximum(distance.reshape(shape) - np.nan_to_num(way), 0.0)
        los = self._los(cells, devices, positions, outdoors).ravel()
        inside = np.tile(~np.isnan(way), len(cells))
        self.sight[np.array(cells)[:, None], devices] = (los & ~inside).reshape(shape)
        place: dict[str, Any] = {
            "base_height": first.base_height,
            "terminal_height": heights,
            "los": los,
        }
        loss = numbers(
            model, "loss_db", model.loss_db(distance, first.carrier, **place), links.shape
        )
        azimuth, zenith = cm.direction(np.zeros(2), offsets, first.base_height, heights)
        entry = self._entry_db(first, way, deviate)
        scale = apart = None
        if isinstance(channel.shadowing, cm.ScenarioShadowing):
            assert isinstance(model, cm.Tr38901Model)
            sigma = model.shadowing_sigma_db(distance, first.carrier, **place)
            scale = np.where(inside, channel.entry.shadowing_sigma_db, sigma).reshape(shape)
            far = np.asarray(model.shadowing_decorrelation(los))
            apart = np.where(inside, channel.entry.shadowing_decorrelation, far).reshape(shape)
        found = np.empty(shape)
        each = zip(loss.reshape(shape), azimuth.reshape(shape), zenith.reshape(shape), strict=True)
        for row, (number, (lost, east, up)) in enumerate(zip(cells, each, strict=True)):
            field, antenna = self._shadowing[number], self._cells[number].antenna
            if scale is not None and apart is not None:
                shadowing = scale[row] * field.at(positions / apart[row][:, None])
            else:
                shadowing = field.at(positions, devices)
                shadowing = numbers(channel.shadowing, "realise", shadowing, devices.shape)
            gain = numbers(antenna, "gain_db", antenna.gain_db(east, up), devices.shape)
            found[row] = gain - (lost + shadowing + entry)
        return found

    def _from_table(
        self, number: int, devices: NDArray[np.intp], table: Mapping[int, float]
    ) -> FloatArray:
        for device in devices.tolist():
            if device not in table:
                raise ValueError(
                    f"the file of gains or rays of cell {number} lacks device {device}"
                )
            if self._moves[device]:
                raise ValueError(f"device {device} moves, and has one gain in a file")
        return np.array([table[device] for device in devices.tolist()])

    def _inside(self, devices: NDArray[np.intp]) -> FloatArray:
        """Return depth and deviate of devices, (2, n), drawn once each; the depth of one outside
        is NaN."""
        if not self._walls:
            return np.array([[np.nan], [0.0]]).repeat(len(devices), axis=1)
        return np.array([self._walls.get(each, (np.nan, 0.0)) for each in devices.tolist()]).T

    def _entry_db(
        self, cell: CellConfig, way: FloatArray, deviate: FloatArray
    ) -> FloatArray | float:
        """Return the loss of buildings after a `way` in m within them, NaN and 0 dB outside."""
        if not self._walls:
            return 0.0
        entry = cell.channel.entry
        walls = entry.mean_loss_db(cell.carrier, np.nan_to_num(way)) + entry.sigma_db * deviate
        return np.where(np.isnan(way), 0.0, walls)

    @staticmethod
    def _draw_walls(seed: int, device: int) -> tuple[float, float]:
        draws = stream(seed, "building", device)
        return float(draws.random(2).min()), float(draws.standard_normal())

    def _los(
        self,
        cells: list[int],
        devices: NDArray[np.intp],
        positions: FloatArray,
        distance: FloatArray,
    ) -> NDArray[np.bool_]:
        """Return which devices have line of sight, at distances (cells, n) outdoors."""
        model = self._cells[cells[0]].channel.pathloss
        heights = np.tile(self._heights[devices], len(cells))
        chance = model.los_probability(distance.ravel(), terminal_height=heights)
        chance = numbers(model, "los_probability", chance, heights.shape, least=0, most=1)
        chance = chance.reshape(distance.shape)
        found = np.asarray(chance >= 1.0)
        for number, open_, los in zip(cells, chance, found, strict=True):
            some = np.flatnonzero((open_ > 0.0) & ~los)
            moving = some[self._moves[devices[some]]]
            staying = some[~self._moves[devices[some]]]
            site = self._sites[number]
            if moving.size:
                los[moving] = self._sight[site].at(positions[moving], open_[moving])
            if staying.size:
                los[staying] = self._marks(site)[devices[staying]] < open_[staying]
        return found

    def _marks(self, site: str) -> FloatArray:
        """Return one draw from 0 to 1 a device, in the order of devices."""
        if site not in self._drawn:
            draws = stream(self._seed, "line-of-sight", site)
            self._drawn[site] = draws.random(len(self._heights))
        return self._drawn[site]


def _shadowing(model: cm.Shadowing, seed: int, site: str, count: int) -> cm.ShadowingProcess:
    """Draw the shadowing of one site: a part of its own, and one that all sites have."""

    def drawn(name: str) -> cm.ShadowingProcess:
        streams = _Streams(count, lambda link: stream(seed, "shadowing", name, link))
        process = model.realise(streams, stream(seed, "shadowing", name, "map"))
        if not hasattr(process, "at"):
            raise AnswerError.of(model, "realise", "a process with `at`", process)
        return process

    correlation = getattr(model, "site_correlation", 0.0)
    own = drawn(site)
    return cm.SharedShadowing(drawn("all sites"), own, correlation) if correlation else own


def _decorrelation(cell: CellConfig) -> float:
    """Least decorrelation distance of a cell's shadowing in m, or 50 m."""
    model, shadowing = cell.channel.pathloss, cell.channel.shadowing
    if isinstance(shadowing, cm.ScenarioShadowing) and isinstance(model, cm.Tr38901Model):
        return min(model.shadowing_decorrelations)
    return float(getattr(shadowing, "decorrelation", 50.0))
