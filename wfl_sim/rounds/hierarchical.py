"""Hierarchical rounds: edge servers average their own cells, and the cloud averages the servers.

Liu, Zhang, Song and Letaief 2020, Client-edge-cloud hierarchical federated learning, IEEE ICC,
arXiv 1905.06641 (HierFAVG).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import Bounded, NonNegativeInt, PositiveInt
from wfl_sim.config.registry import From
from wfl_sim.rounds.policy import ROUNDS, ask, check_at_most_devices, gather
from wfl_sim.rounds.selection.selector import SELECTORS, RandomSelection, Selector, selected

if TYPE_CHECKING:
    import simpy

    from wfl_sim.network.federation.federation import Federation
    from wfl_sim.network.federation.server import EdgeServer


@ROUNDS("hierarchical")
@dataclass(frozen=True, kw_only=True)
class Hierarchical(Bounded):
    """Rounds at each edge server on its own, and every `cloud_every` of them one at the cloud.

    A round at an edge server is synchronous over the devices in its cells. Edge servers wait for
    one another only at the cloud, which averages their states with the weights of the devices
    behind each, and sends the average back. The state of the cloud is evaluated, after its rounds.
    """

    count: PositiveInt
    """Rounds at each edge server, a multiple of `cloud_every`."""
    cloud_every: PositiveInt = 2
    clients: NonNegativeInt = 0
    """Devices asked at each edge server in a round; 0 for all."""
    select: Annotated[Selector, From(SELECTORS)] = field(default_factory=RandomSelection)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.count % self.cloud_every:
            raise LocatedError(
                f"must be a multiple of cloud_every, {self.cloud_every}, got {self.count}", "count"
            )

    def check(self, devices: int) -> None:
        """Refuse more clients than there are devices."""
        check_at_most_devices("clients", self.clients, devices)

    def run(self, federation: Federation) -> Generator[simpy.Event, Any, None]:
        """Run the rounds of the cloud one after the other."""
        env, cloud = federation.env, federation.server
        for first in range(0, self.count, self.cloud_every):
            if not (yield from federation.wait_for_available()):
                return
            numbers = range(first, first + self.cloud_every)
            yield env.all_of(
                [
                    env.process(self._edge_rounds(federation, edge, numbers))
                    for edge in federation.edges
                ]
            )
            number = numbers[-1]
            yield from cloud.merge(
                [each.server for each in federation.edges if each.updated],
                number,
                bits=federation.edges[0].state_bits,
                flops=max(each.workload.aggregate_flops for each in federation.devices),
            )
            yield env.all_of([env.process(each.follow(cloud, number)) for each in federation.edges])
            cloud.evaluate(number)

    def _edge_rounds(
        self, federation: Federation, edge: EdgeServer, numbers: range
    ) -> Generator[simpy.Event, Any, None]:
        """Run rounds at one edge server, and send its state to the cloud."""
        for number in numbers:
            available = [device for device in federation.available() if edge.serves(device)]
            clients = self.clients or len(available)
            rng = federation.stream("selection", edge.name, number)
            cohort = selected(self.select, available, clients, rng) if available else []
            arrived = yield from gather(federation, ask(edge.server, cohort, number))
            yield from edge.server.aggregate(arrived, number)
            for device in cohort:
                device.idle()
        yield from edge.report(numbers[-1])
