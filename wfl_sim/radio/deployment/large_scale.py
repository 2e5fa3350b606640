"""Large-scale gains: path loss, antenna patterns and shadowing between cells and devices."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import channel_models as cm
from channel_models.elementary import hypot
from wfl_sim.config.answers import AnswerError, numbers
from wfl_sim.radio.cell import CellConfig, only_wired
from wfl_sim.randomness import stream

FloatArray = NDArray[np.float64]


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
    map (TR 38.901 section 7.6.3.3), as shadowing of the kind `map` does.

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
        found = [
            self._gain_db(number, devices, positions, offsets[:, number])
            for number in range(len(self._cells))
        ]
        return np.asarray(cm.db_to_linear(np.array(found)))

    def _gain_db(
        self, number: int, devices: NDArray[np.intp], positions: FloatArray, offsets: FloatArray
    ) -> FloatArray:
        cell, heights = self._cells[number], self._heights[devices]
        if only_wired(self._cells):
            return np.zeros(len(devices))
        if (table := cell.channel.link_gains) is not None:
            return self._from_table(number, devices, table)
        model = cell.channel.pathloss
        least = float(getattr(model, "minimum_distance", 0.0))
        distance = hypot(offsets[:, 0], offsets[:, 1])
        distance = np.where(self._moves[devices], np.maximum(distance, least), distance)
        los = self._los(number, devices, positions, distance, heights)
        inside = np.isin(devices, list(self._walls))
        self.sight[number, devices] = los & ~inside
        loss = model.loss_db(
            distance, cell.carrier, base_height=cell.base_height, terminal_height=heights, los=los
        )
        loss = numbers(model, "loss_db", loss, devices.shape)
        azimuth, zenith = cm.direction(np.zeros(2), offsets, cell.base_height, heights)
        field = self._shadowing[number]
        if isinstance(cell.channel.shadowing, cm.ScenarioShadowing):
            assert isinstance(model, cm.Tr38901Model)
            sigma = model.shadowing_sigma_db(
                distance,
                cell.carrier,
                base_height=cell.base_height,
                terminal_height=heights,
                los=los,
            )
            apart = np.asarray(model.shadowing_decorrelation(los))
            sigma = np.where(inside, cell.channel.entry.shadowing_sigma_db, sigma)
            apart = np.where(inside, cell.channel.entry.shadowing_decorrelation, apart)
            shadowing = sigma * field.at(positions / apart[:, None])
        else:
            law = cell.channel.shadowing
            shadowing = numbers(law, "realise", field.at(positions, devices), devices.shape)
        loss = loss + shadowing + self._entry_db(cell, devices)
        gain = cell.antenna.gain_db(azimuth, zenith)
        return np.asarray(numbers(cell.antenna, "gain_db", gain, devices.shape) - loss)

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

    def _entry_db(self, cell: CellConfig, devices: NDArray[np.intp]) -> FloatArray | float:
        """Return the loss of buildings, drawn once a device; 0 dB outside."""
        if not self._walls:
            return 0.0
        entry = cell.channel.entry
        depth, deviate = np.array(
            [self._walls.get(device, (np.nan, 0.0)) for device in devices.tolist()]
        ).T
        inside = np.nan_to_num(depth) * entry.deepest
        walls = entry.mean_loss_db(cell.carrier, inside) + entry.sigma_db * deviate
        return np.where(np.isnan(depth), 0.0, walls)

    @staticmethod
    def _draw_walls(seed: int, device: int) -> tuple[float, float]:
        draws = stream(seed, "building", device)
        return float(draws.random(2).min()), float(draws.standard_normal())

    def _los(
        self,
        number: int,
        devices: NDArray[np.intp],
        positions: FloatArray,
        distance: FloatArray,
        heights: FloatArray,
    ) -> NDArray[np.bool_]:
        model = self._cells[number].channel.pathloss
        chance = model.los_probability(distance, terminal_height=heights)
        chance = numbers(model, "los_probability", chance, devices.shape, least=0, most=1)
        los = np.asarray(chance >= 1.0)
        open_ = np.flatnonzero((chance > 0.0) & (chance < 1.0))
        moving = open_[self._moves[devices[open_]]]
        staying = open_[~self._moves[devices[open_]]]
        site = self._sites[number]
        if moving.size:
            los[moving] = self._sight[site].at(positions[moving], chance[moving])
        if staying.size:
            los[staying] = self._marks(site)[devices[staying]] < chance[staying]
        return los

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
