"""Centralised training: the upper bound of a server that holds the data of all devices."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wfl_sim.config.fields import Bounded, NonNegativeInt, PositiveInt
from wfl_sim.execution.plan import ReceivedUpload
from wfl_sim.rounds.policy import ROUNDS

if TYPE_CHECKING:
    import simpy

    from wfl_sim.network.federation.federation import Federation


@ROUNDS("centralised")
@dataclass(frozen=True, kw_only=True)
class Centralised(Bounded):
    """An upper bound: the server trains on all data; nothing is sent, and no device does anything.

    A round is `clients` local updates one after the other, as many as a federated round has; 0
    stands for as many as there are devices. The data are at the server from the start: what
    collecting them would cost is not counted.
    """

    count: PositiveInt
    clients: NonNegativeInt = 0

    def check(self, devices: int) -> None:
        """Accept any number of devices."""

    def most_uploads(self, devices: int) -> int:
        """Return 1: the server takes its own updates one after the other."""
        return 1

    def run(self, federation: Federation) -> Generator[simpy.Event, Any, None]:
        """Train at the server, round after round."""
        server, plan = federation.server, federation.context.plan
        for number in range(self.count):
            for repetition in range(self.clients or len(federation.devices)):
                start = federation.env.now
                flops = plan.server_flops(number, repetition)
                yield federation.env.timeout(server.hardware.seconds(flops))
                upload = plan.local_update(-1, number, server.shared, repetition)
                server.shared = plan.aggregate(server.shared, [ReceivedUpload(upload=upload)])
                federation.context.record(server.name, "compute", number, start, flops=flops)
            server.evaluate(number)
        server.finish()
