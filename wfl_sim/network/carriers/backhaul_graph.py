"""Backhaul graph: the description of the wired network of server, edge servers and cells."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

from channel_models.units import Seconds
from wfl_sim.config.errors import LocatedError
from wfl_sim.device_models import Hardware, HardwareReference
from wfl_sim.radio.cell import Capacity, CellConfig

if TYPE_CHECKING:
    import networkx as nx

SERVER = "server"


@dataclass(frozen=True, kw_only=True)
class BackhaulLinks:
    """Equal links from one node to each of several others, full duplex."""

    hub: str
    ends: tuple[str, ...]
    """Names of nodes; `cells` stands for all cells."""
    capacity: Capacity = 10e9
    """Capacity in each direction."""
    latency: Seconds = 1e-3
    """Latency in each direction."""


@dataclass(frozen=True, kw_only=True)
class BackhaulGraph:
    """A graph of links in place of one wire from each cell to the server.

    Nodes are `server`, `cell-0` and so on, the edge servers, and switches of any other name.
    Transfers take the path of least latency, and share the links max-min fair.
    """

    links: tuple[BackhaulLinks, ...]
    edge_servers: tuple[str, ...] = ()
    """Nodes that aggregate; a cell belongs to the nearest by latency."""
    hardware: Annotated[Hardware, HardwareReference()] = field(
        default_factory=lambda: HardwareReference().resolve("edge-server")
    )
    """Hardware of the edge servers."""

    def check(self, cells: int) -> None:
        """Refuse graphs that name unknown nodes, or leave a node without a path to the server."""
        names = [f"cell-{number}" for number in range(cells)]
        there = "cell-0 alone" if cells == 1 else f"cell-0 to cell-{cells - 1}"
        pairs: set[frozenset[str]] = set()
        for number, links in enumerate(self.links):
            if links.hub == "cells":
                message = "must be one node: `cells` are all of them, and stand among `ends`"
                raise LocatedError(message, "links", number, "hub")
            for name in (links.hub, *_ends(links, names)):
                if name.startswith("cell-") and name not in names:
                    raise LocatedError(f"{name!r} is no cell: there is {there}", "links", number)
            for end in _ends(links, names):
                pair = frozenset((links.hub, end))
                if len(pair) == 1:
                    raise LocatedError(f"leads from {end!r} to itself", "links", number)
                if pair in pairs:
                    raise LocatedError(
                        f"links {links.hub!r} and {end!r} a second time", "links", number
                    )
                pairs.add(pair)
        import networkx as nx

        graph = self.graph(names)
        for name in (*names, *self.edge_servers, *graph):
            if name not in graph or SERVER not in graph or not nx.has_path(graph, name, SERVER):
                raise LocatedError(f"leaves {name} without a path to the server", "links")
        for number, name in enumerate(self.edge_servers):
            if name == SERVER or name.startswith("cell-") or name in self.edge_servers[:number]:
                raise LocatedError(
                    f"must be a node of its own, got {name!r}", "edge_servers", number
                )

    def graph(self, cells: Sequence[str]) -> "nx.Graph[str]":
        """Return the graph; its edges carry `latency` in s and `capacity` in bit/s."""
        import networkx as nx  # expensive to import, and not needed by scenarios without a graph

        graph: nx.Graph[str] = nx.Graph()
        for links in self.links:
            for end in _ends(links, cells):
                graph.add_edge(links.hub, end, latency=links.latency, capacity=links.capacity)
        return graph


def star(cells: Sequence[CellConfig]) -> "nx.Graph[str]":
    """Return the graph of one wire from each cell to the server."""
    import networkx as nx

    graph: nx.Graph[str] = nx.Graph()
    graph.add_node(SERVER)
    for number, cell in enumerate(cells):
        wire = cell.backhaul
        graph.add_edge(SERVER, f"cell-{number}", latency=wire.latency, capacity=wire.capacity)
    return graph


def route(graph: "nx.Graph[str]", source: str, target: str) -> tuple[list[tuple[str, str]], float]:
    """Return the directed links of the path of least latency, and its latency in s."""
    import networkx as nx

    path = nx.shortest_path(graph, source, target, weight="latency")
    hops = list(pairwise(path))
    return hops, sum(float(graph.edges[hop]["latency"]) for hop in hops)


def nearest(graph: "nx.Graph[str]", cell: str, hubs: Sequence[str]) -> str:
    """Return the hub with the least latency from a cell; the first of equals."""
    return min(hubs, key=lambda hub: route(graph, cell, hub)[1])


def _ends(links: BackhaulLinks, cells: Sequence[str]) -> tuple[str, ...]:
    others = [cell for cell in cells if cell != links.hub]
    return tuple(name for end in links.ends for name in (others if end == "cells" else [end]))
