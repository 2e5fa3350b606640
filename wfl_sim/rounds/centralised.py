"""Centralised training: what a server could learn that held everybody's data."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wfl_sim.config.errors import LocatedError
from wfl_sim.execution.plan import ReceivedUpload
from wfl_sim.records import Span
from wfl_sim.rounds.policy import ROUNDS

if TYPE_CHECKING:
    import simpy

    from wfl_sim.network.federation import Federation


@ROUNDS("centralised")
@dataclass(frozen=True, kw_only=True)
class Centralised:
    """An upper bound: the server trains on all data; nothing is sent, and no device does anything.

    A round is `clients` local updates one after the other, as many as a federated round has; 0
    stands for as many as there are devices. The data are at the server from the start: what
    collecting them would cost is not counted.
    """

    count: int
    clients: int = 0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise LocatedError(f"must be at least 1, got {self.count}", "count")
        if self.clients < 0:
            raise LocatedError(f"must not be negative, got {self.clients}", "clients")

    def check(self, devices: int) -> None:
        """Any number of devices will do."""

    def run(self, federation: "Federation") -> "Generator[simpy.Event, Any, None]":
        """Train at the server, round after round."""
        server, plan = federation.server, federation.context.plan
        flops = federation.devices[0].workload.update_flops
        for number in range(self.count):
            for turn in range(self.clients or len(federation.devices)):
                start = federation.env.now
                yield federation.env.timeout(server.hardware.seconds(flops))
                upload = plan.local_update(-1, number, server.shared, turn)
                server.shared = plan.aggregate(server.shared, [ReceivedUpload(upload=upload)])
                federation.context.spans.append(
                    Span(
                        start=start,
                        end=federation.env.now,
                        actor=server.name,
                        activity="compute",
                        round=number,
                        flops=flops,
                    )
                )
            server.evaluate(number)
        server.finish()
