"""Tiers: synchronous among devices of like speed, asynchronous between the groups."""

from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from itertools import count as counting
from typing import TYPE_CHECKING, Annotated, Any

from channel_models.units import PositiveSeconds
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.registry import From
from wfl_sim.rounds.policy import (
    ROUNDS,
    check_clients,
    check_end,
    check_fleet,
    gather,
    numbers,
    run_until,
)
from wfl_sim.rounds.selection.basic import RandomSelection
from wfl_sim.rounds.selection.selector import SELECTORS, Selector
from wfl_sim.rounds.selection.tifl import by_speed

if TYPE_CHECKING:
    import simpy

    from wfl_sim.network.client import Client, Contribution
    from wfl_sim.network.federation import Federation


@ROUNDS("tiers")
@dataclass(frozen=True, kw_only=True)
class Tiers:
    """Groups of equal size by speed; each runs synchronous rounds of its own, side by side.

    Semi-synchronous after the idea of FedAT (Chai et al. 2021, arXiv 2010.05958). A tier waits for
    its own members alone, and what it brings counts by its staleness as the server's rule has it;
    FedAT's weights by the numbers of updates are not reproduced. Tiers are made once, from the
    time that a local update takes each device to compute. `clients` are asked in each tier.
    """

    count: int | None = None
    """aggregations of all tiers together"""
    until: PositiveSeconds | None = None
    clients: int = 0
    select: Annotated[Selector, From(SELECTORS)] = field(default_factory=RandomSelection)
    tiers: int = 3

    def __post_init__(self) -> None:
        check_end(self.count, self.until)
        check_clients(self.clients)
        if self.tiers < 1:
            raise LocatedError(f"must be at least 1, got {self.tiers}", "tiers")

    def check(self, devices: int) -> None:
        """Refuse more tiers or clients than there are devices."""
        check_fleet(self.clients, devices)
        if self.tiers > devices:
            raise LocatedError(
                f"must be at most the number of devices, {devices}, got {self.tiers}",
                "rounds",
                "tiers",
            )

    def run(self, federation: "Federation") -> "Generator[simpy.Event, Any, None]":
        """Run the tiers side by side."""
        yield from run_until(federation, self._side_by_side(federation), self.until)

    def _side_by_side(self, federation: "Federation") -> "Generator[simpy.Event, Any, None]":
        env, server = federation.env, federation.server
        ready: deque[_Batch] = deque()
        loops = [
            env.process(self._rounds(federation, tier, members, ready))
            for tier, members in enumerate(by_speed(federation.devices, self.tiers))
        ]
        for loop in loops:
            loop.callbacks.append(lambda _: federation.context.notify())
        for number in numbers(self.count):
            while not ready:
                if not any(loop.is_alive for loop in loops):
                    return
                yield federation.fleet_changed()
            batch = ready.popleft()
            yield from server.aggregate(batch.arrived, number)
            server.evaluate(number)
            batch.taken.succeed()

    def _rounds(
        self,
        federation: "Federation",
        tier: int,
        members: "Sequence[Client]",
        ready: "deque[_Batch]",
    ) -> "Generator[simpy.Event, Any, None]":
        """Run the rounds of one tier; what they bring goes to `ready`."""
        env, server = federation.env, federation.server
        clients = self.clients or len(members)
        for own in counting():
            while not (there := [each for each in members if each.present and not each.busy]):
                if all(device.gone for device in members):
                    return
                yield federation.fleet_changed()
            cohort = self.select.select(there, clients, federation.stream("selection", tier, own))
            downloads = server.send_out(cohort, server.version)
            parts = [
                device.participate(server.version, downloads[device.index]) for device in cohort
            ]
            batch = _Batch((yield from gather(federation, parts)), env.event())
            if batch.arrived:
                ready.append(batch)
                federation.context.notify()
                yield batch.taken
            for device in cohort:
                device.idle()


@dataclass(frozen=True)
class _Batch:
    """What one round of one tier has brought."""

    arrived: "Sequence[Contribution]"
    taken: "simpy.Event"
    """fires when it is in the shared state"""
