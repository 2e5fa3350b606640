"""Placement: positions of devices, their serving cells, and the graph of the backhaul."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

import channel_models as cm
from channel_models.validation import FloatArray
from wfl_sim.config.answers import AnswerError, numbers
from wfl_sim.config.errors import LocatedError, located
from wfl_sim.device_models.mobility import Region, Track
from wfl_sim.network.carriers.backhaul_graph import SERVER, nearest, star
from wfl_sim.radio.cell import CellConfig
from wfl_sim.radio.deployment.large_scale import LargeScale
from wfl_sim.radio.traffic import USER_HEIGHT, Source, sources
from wfl_sim.randomness import stream
from wfl_sim.records import Level
from wfl_sim.rounds import Hierarchical
from wfl_sim.scenario.devices import DeviceGroup
from wfl_sim.scenario.scenario import Scenario

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class Placement:
    """Positions and large-scale gains at time zero, and the backhaul."""

    positions: FloatArray
    """Positions in m, (devices, 2)."""
    gains: FloatArray
    """Linear power gains of path loss, antenna and shadowing, (cells, devices)."""
    serving: NDArray[np.intp]
    """Index of the cell with the strongest reference signal, bias included, (devices,)."""
    wired: "nx.Graph[str]"
    """The backhaul: nodes "server", "cell-0", ...; edges have `latency` and `capacity`."""
    hubs: Sequence[str]
    """Node that aggregates the updates of each cell: an edge server, or else the server."""
    large_scale: LargeScale
    """Model of the gains at any position."""
    tracks: Mapping[int, Track]
    """Tracks of the devices that move, by index."""
    sources: Sequence[Source]
    """Background traffic of all cells; its users are numbered after the devices."""
    background_gains: FloatArray
    """Linear power gains of its users, (cells, users)."""
    sight: NDArray[np.bool_]
    """Whether a device or user has line of sight, (cells, devices and users)."""

    def levels(self, sites: Sequence[tuple[float, float]]) -> Iterator[Level]:
        """Yield the places of cells at `sites` in m, and place and cell of devices that stay."""
        for number, (x, y) in enumerate(sites):
            yield Level(time=0.0, actor=f"cell-{number}", quantity="x", value=float(x))
            yield Level(time=0.0, actor=f"cell-{number}", quantity="y", value=float(y))
        for index, (x, y) in enumerate(self.positions.tolist()):
            if index not in self.tracks:
                name, cell = f"device-{index}", float(self.serving[index])
                yield Level(time=0.0, actor=name, quantity="x", value=x)
                yield Level(time=0.0, actor=name, quantity="y", value=y)
                yield Level(time=0.0, actor=name, quantity="cell", value=cell)


def place(scenario: Scenario) -> Placement:
    """Drop the devices and attach each to the cell with the strongest reference signal.

    Every device has its own random streams of position, movement, line of sight and shadowing.

    Raises:
        ValueError: A device is nearer to a cell than its path-loss model allows.
    """
    groups = [(group, i) for group in scenario.devices for i in range(group.count)]
    tracks = {
        index: _track(scenario, group, member, index)
        for index, (group, member) in enumerate(groups)
        if group.moves
    }
    positions = _positions(scenario, groups, tracks)
    found = list(sources([cell.traffic for cell in scenario.base_stations], len(groups)))
    users = found[-1].links.stop - len(groups) if found else 0
    large_scale = LargeScale(
        scenario.base_stations,
        seed=scenario.seed,
        heights=np.array([*(group.height for group, _ in groups), *[USER_HEIGHT] * users]),
        moves=np.array([*(group.moves for group, _ in groups), *[False] * users]),
        offsets=scenario.offsets,
        indoor=[
            group.indoor > 0 and stream(scenario.seed, "indoor", index).uniform() < group.indoor
            for index, (group, _) in enumerate(groups)
        ],
    )
    gains = large_scale.gains(np.arange(len(groups)), positions)
    serving = reference_db(scenario.base_stations, gains).argmax(axis=0)
    background_gains = _background_gains(scenario, found, large_scale)
    wired = _wired(scenario)
    return Placement(
        positions,
        gains,
        serving,
        wired=wired,
        hubs=[_hub(scenario, wired, f"cell-{n}") for n in range(len(scenario.base_stations))],
        large_scale=large_scale,
        tracks=tracks,
        sources=found,
        background_gains=background_gains,
        sight=large_scale.sight.copy(),
    )


def _background_gains(
    scenario: Scenario, found: Sequence[Source], large_scale: LargeScale
) -> FloatArray:
    """Drop the users of background traffic around their cells; return gains (cells, users).

    Raises:
        LocatedError: a user is nearer to a cell than its path-loss model allows.
    """
    gains = [np.empty((len(scenario.base_stations), 0))]
    for each in found:
        cell = scenario.base_stations[each.cell]
        boresight = getattr(cell.antenna, "boresight", None)
        positions = [
            each.traffic.drop(cell.position, boresight, stream(scenario.seed, "position", user))
            for user in each.links
        ]
        try:
            gains.append(large_scale.gains(np.array(each.links), np.array(positions)))
        except ValueError as error:
            raise LocatedError(str(error), *traffic_key(scenario, each)) from error
    return np.hstack(gains)


def traffic_key(scenario: Scenario, source: Source) -> tuple[str | int, ...]:
    """Return the place of a source in the scenario; with a layout that of the one cell."""
    return "cells", source.cell if scenario.layout is None else 0, "traffic", source.entry


def reference_db(cells: Sequence[CellConfig], gains: FloatArray) -> FloatArray:
    """Return received reference powers plus bias, which decide the cell, (cells, n) in dBW.

    Args:
        cells: Cells of the network.
        gains: Linear large-scale gains, (cells, n).
    """
    sent = np.array([cm.linear_to_db(cell.reference_power) + cell.bias for cell in cells])
    return np.asarray(sent[:, None] + cm.linear_to_db(gains))


def _positions(
    scenario: Scenario, groups: Sequence[tuple[DeviceGroup, int]], tracks: Mapping[int, Track]
) -> FloatArray:
    """Return where the devices are at the beginning, (devices, 2) in m."""
    places = [
        tracks[index].at(0.0)
        if index in tracks
        else group.area.drop(member, stream(scenario.seed, "position", index), scenario.layout)
        for index, (group, member) in enumerate(groups)
    ]
    try:
        found = np.array(places, dtype=np.float64)
    except (TypeError, ValueError):
        found = np.array(np.nan)
    if found.shape != (len(groups), 2) or not np.isfinite(found).all():
        for index, ((group, _), place) in enumerate(zip(groups, places, strict=True)):
            kind, member = (group.mobility, "track") if index in tracks else (group.area, "drop")
            numbers(kind, member, place, (2,), broadcast=False)
    return found


def _track(scenario: Scenario, group: DeviceGroup, member: int, index: int) -> Track:
    layout, area, region = scenario.layout, group.area, None
    if (circle := area.circle(layout)) is not None:

        def draw(rng: np.random.Generator) -> tuple[float, float]:
            x, y = area.drop(member, rng, layout).tolist()
            return x, y

        region = Region(draw, *circle)
    with located("devices", scenario.devices.index(group), "mobility"):
        track = group.mobility.track(member, region, stream(scenario.seed, "mobility", index))
    if not isinstance(track, Track):
        raise AnswerError.of(group.mobility, "track", "a Track", track)
    return track


def _wired(scenario: Scenario) -> "nx.Graph[str]":
    """Return the graph that the scenario gives, or a star."""
    cells = scenario.base_stations
    if scenario.backhaul is None:
        return star(cells)
    return scenario.backhaul.graph([f"cell-{number}" for number in range(len(cells))])


def _hub(scenario: Scenario, wired: "nx.Graph[str]", cell: str) -> str:
    if scenario.backhaul is None or not isinstance(scenario.rounds, Hierarchical):
        return SERVER
    return nearest(wired, cell, scenario.backhaul.edge_servers)
