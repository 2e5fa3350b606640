"""Topology: server, cells and devices as a graph; where devices are and whom they belong to."""

from collections.abc import Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np
from numpy.typing import NDArray

import channel_models as cm
from wfl_sim.cells import Cell
from wfl_sim.randomness import stream
from wfl_sim.scenario import Area, Scenario


@dataclass(frozen=True)
class Placement:
    """Positions and large-scale gains, and the graph that follows from them."""

    positions: NDArray[np.float64]
    """(devices, 2) m"""
    gains: NDArray[np.float64]
    """(cells, devices) linear power gain of path loss and shadowing"""
    serving: NDArray[np.intp]
    """(devices,) index of the cell with the largest gain"""
    graph: "nx.Graph[str]"
    """nodes "server", "cell-0", "device-0", ...; edges carry `latency`, `capacity` or `gain_db`"""


def place(scenario: Scenario) -> Placement:
    """Drop the devices and attach each to the cell with the largest gain.

    Every device has streams of its own for position, line of sight and shadowing.

    Raises:
        ValueError: a device lies nearer to a cell than its path-loss model allows.
    """
    groups = [group for group in scenario.devices for _ in range(group.count)]
    positions = np.array(
        [_drop(g.area, stream(scenario.seed, "position", i)) for i, g in enumerate(groups)]
    )
    heights = np.array([group.height for group in groups])
    gains = np.array(
        [
            _gains(scenario.seed, number, cell, positions, heights)
            for number, cell in enumerate(scenario.cells)
        ]
    )
    serving = gains.argmax(axis=0)
    return Placement(positions, gains, serving, _graph(scenario.cells, gains, serving))


def _drop(area: Area, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a point uniform over the ring."""
    inner, outer = area.min_distance**2, area.radius**2
    radius = np.sqrt(rng.uniform(inner, outer))
    angle = rng.uniform(0, 2 * np.pi)
    step = radius * np.array([np.cos(angle), np.sin(angle)])
    return np.asarray(np.asarray(area.centre) + step)


def _gains(
    seed: int,
    number: int,
    cell: Cell,
    positions: NDArray[np.float64],
    heights: NDArray[np.float64],
) -> NDArray[np.float64]:
    model, name = cell.channel, f"cell-{number}"
    distance = np.hypot(*(positions - np.asarray(cell.position)).T)
    sight = np.array(
        [stream(seed, "line-of-sight", name, i).uniform() for i in range(len(positions))]
    )
    los = sight < model.pathloss.los_probability(distance, terminal_height=heights)
    loss_db = model.pathloss.loss_db(
        distance, cell.carrier, base_height=cell.height, terminal_height=heights, los=los
    )
    shadowing = model.shadowing.realise(
        [stream(seed, "shadowing", name, i) for i in range(len(positions))],
        stream(seed, "shadowing", name, "map"),
    )
    gains: NDArray[np.float64] = cm.db_to_linear(-(loss_db + shadowing.at(positions)))
    return gains


def _graph(
    cells: Sequence[Cell], gains: NDArray[np.float64], serving: NDArray[np.intp]
) -> "nx.Graph[str]":
    graph: nx.Graph[str] = nx.Graph()
    graph.add_node("server", kind="server")
    for number, cell in enumerate(cells):
        graph.add_node(f"cell-{number}", kind="cell")
        graph.add_edge(
            "server",
            f"cell-{number}",
            latency=cell.backhaul.latency,
            capacity=cell.backhaul.capacity,
        )
    for device, number in enumerate(serving):
        graph.add_node(f"device-{device}", kind="device")
        graph.add_edge(
            f"cell-{number}",
            f"device-{device}",
            gain_db=float(cm.linear_to_db(gains[number, device])),
        )
    return graph
