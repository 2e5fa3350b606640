"""Backhaul: routes between nodes over wired links, which they share max-min fair."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import networkx as nx
import numpy as np
import simpy
from numpy.typing import NDArray

from channel_models.validation import FloatArray
from wfl_sim.network.carriers.backhaul_graph import route
from wfl_sim.network.carriers.carrier import Carrier
from wfl_sim.network.carriers.transfer import TransferRequest
from wfl_sim.radio.bands.medium import ActiveTransfers, RatePlan

Pair = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Route:
    """A route from one node to another. Several routes may share a carrier, and links on it."""

    carrier: Carrier
    route: int
    """Number of the route on the carrier."""
    latency: float
    """Seconds."""

    def carry(self, env: simpy.Environment, bits: float) -> Generator[simpy.Event, Any, None]:
        """Carry a payload to the other end."""
        yield self.carrier.send(TransferRequest((self.route,), bits)).done
        yield env.timeout(self.latency)


def build_routes(
    env: simpy.Environment, graph: "nx.Graph[str]", pairs: Sequence[Pair]
) -> dict[Pair, Route]:
    """Return a route for every (source, target).

    Routes that share a link in the same direction, directly or through other routes, get one
    carrier.
    """
    found: dict[Pair, Route] = {}
    for group in _groups(graph, pairs):
        number = {hop: i for i, hop in enumerate(group.hops)}
        medium = WiredLinks(
            [[number[hop] for hop in hops] for hops, _ in group.routes.values()],
            [float(graph.edges[hop]["capacity"]) for hop in group.hops],
        )
        source, target = next(iter(group.routes))
        carrier = Carrier(env, f"{source}/{target}", medium)
        for place, (pair, (_, latency)) in enumerate(group.routes.items()):
            found[pair] = Route(carrier, place, latency)
    return found


@dataclass
class _Group:
    """Routes that share links, directly or through one another."""

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


class WiredLinks:
    """Routes over links of constant capacity; the link of a transfer is the number of its route.

    Args:
        routes: numbers of the links of each route.
        capacity: of each link in bit/s.
    """

    def __init__(self, routes: Sequence[Sequence[int]], capacity: Sequence[float]) -> None:
        self._uses = np.zeros((len(routes), len(capacity)), dtype=bool)
        for number, links in enumerate(routes):
            self._uses[number, list(links)] = True
        self._capacity = np.asarray(capacity, dtype=float)

    def __repr__(self) -> str:
        return "WiredLinks({} routes, {} links)".format(*self._uses.shape)

    def plan(self, traffic: ActiveTransfers, now: float, steps: int) -> RatePlan:
        """Give every transfer its max-min fair rate, until the set of transfers changes."""
        rate = max_min_rates(self._uses[traffic.links], self._capacity)[None]
        return RatePlan(
            until=np.array([np.inf]),
            rate=rate,
            average_rate=rate,
            time_constant=np.inf,
            duty=1.0,
            power=np.zeros_like(rate),
            sinr_db=np.full_like(rate, np.nan),
        )


def max_min_rates(uses: NDArray[np.bool_], capacity: FloatArray) -> FloatArray:
    """Return the max-min fair rates (n,) in bit/s by progressive filling.

    The link with the least capacity left for each flow that is not yet fixed fixes those that cross
    it, and so on (Bertsekas and Gallager 1992, Data Networks, section 6.5.2).

    Args:
        uses: (n, links) whether a flow crosses a link; each crosses at least one.
        capacity: (links,) bit/s.
    """
    rate = np.zeros(len(uses))
    free = np.ones(len(uses), dtype=bool)
    left = capacity.copy()
    while free.any():
        crowd = uses[free].sum(axis=0)
        level = np.divide(left, crowd, out=np.full(len(left), np.inf), where=crowd > 0)
        bottleneck = int(level.argmin())
        fixed = free & uses[:, bottleneck]
        rate[fixed] = level[bottleneck]
        left = np.maximum(left - uses[fixed].sum(axis=0) * level[bottleneck], 0.0)
        free &= ~fixed
    return rate
