"""Wiring: lines between nodes of the backhaul, as few carriers as share no link."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import networkx as nx
import simpy

from wfl_sim.backhaul import route
from wfl_sim.entities.carrier import Carrier
from wfl_sim.entities.line import Line
from wfl_sim.wire import Wires

Pair = tuple[str, str]


def lines(
    env: simpy.Environment, graph: "nx.Graph[str]", pairs: Sequence[Pair]
) -> dict[Pair, Line]:
    """Return a line for every (source, target).

    Lines whose routes share a link in the same direction, or are coupled by others that do, get one
    carrier.
    """
    found: dict[Pair, Line] = {}
    for group in _groups(graph, pairs):
        number = {hop: i for i, hop in enumerate(group.hops)}
        medium = Wires(
            [[number[hop] for hop in hops] for hops, _ in group.routes.values()],
            [float(graph.edges[hop]["capacity"]) for hop in group.hops],
        )
        source, target = next(iter(group.routes))
        carrier = Carrier(env, f"{source}/{target}", medium)
        for place, (pair, (_, latency)) in enumerate(group.routes.items()):
            found[pair] = Line(carrier, place, latency)
    return found


@dataclass
class _Group:
    """Routes that are coupled by the links that they share."""

    routes: dict[Pair, tuple[list[Pair], float]] = field(default_factory=dict)
    hops: dict[Pair, None] = field(default_factory=dict)


def _groups(graph: "nx.Graph[str]", pairs: Sequence[Pair]) -> list[_Group]:
    groups: list[_Group] = []
    for pair in pairs:
        hops, latency = route(graph, *pair)
        joined = _Group()
        for group in [each for each in groups if any(hop in each.hops for hop in hops)]:
            groups.remove(group)
            joined.routes |= group.routes
            joined.hops |= group.hops
        joined.routes[pair] = hops, latency
        joined.hops |= dict.fromkeys(hops)
        groups.append(joined)
    return groups
