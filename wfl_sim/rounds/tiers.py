"""Tiers: synchronous among devices of similar speed, asynchronous between the tiers."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import count as counting
from typing import TYPE_CHECKING, Any

from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import PositiveInt
from wfl_sim.rounds.policy import (
    ROUNDS,
    Arrivals,
    LimitedRounds,
    ask,
    check_at_most_devices,
    gather,
)
from wfl_sim.rounds.selection.selector import selected
from wfl_sim.rounds.selection.tifl import by_speed

if TYPE_CHECKING:
    import simpy

    from wfl_sim.network.devices.client import Client, Contribution
    from wfl_sim.network.federation.federation import Federation


@ROUNDS("tiers")
@dataclass(frozen=True, kw_only=True)
class Tiers(LimitedRounds):
    """Groups of equal size by speed; each runs synchronous rounds of its own, at the same time.

    Semi-synchronous after the idea of FedAT (Chai et al. 2021, arXiv 2010.05958). A tier waits for
    its own devices alone, and the server's rule of staleness weights its uploads; FedAT's weights
    by the numbers of updates are not reproduced. Tiers are formed once, from the time that a local
    update takes each device to compute. `count` is the number of aggregations of all tiers
    together, `clients` the number of devices asked in each tier.
    """

    tiers: PositiveInt = 3

    def check(self, devices: int) -> None:
        """Refuse more tiers than there are devices, and more clients than a tier has."""
        check_at_most_devices("tiers", self.tiers, devices)
        largest = -(-devices // self.tiers)
        if self.clients > largest:
            raise LocatedError(
                f"must be at most {largest}, the devices of a tier, got {self.clients}",
                "rounds",
                "clients",
            )

    def most_uploads(self, devices: int) -> int:
        """Return the devices of the largest tier, or `clients` of them."""
        return self.clients or -(-devices // self.tiers)

    def _rounds(self, federation: Federation) -> Generator[simpy.Event, Any, None]:
        env, server = federation.env, federation.server
        ready: deque[_Batch] = deque()
        devices = [device for device in federation.devices if not device.gone]
        seconds = [device.expected_compute for device in devices]
        loops = [
            env.process(self._tier_rounds(federation, tier, members, ready))
            for tier, members in enumerate(by_speed(devices, seconds, self.tiers))
        ]
        for loop in loops:
            loop.callbacks.append(lambda _: federation.context.notify())
        for number in self.numbers:
            while not ready:
                if not any(loop.is_alive for loop in loops):
                    return
                yield federation.fleet_changed()
            batch = ready.popleft()
            yield from server.aggregate(batch.arrived, number)
            server.evaluate(number)
            batch.taken.succeed()

    def _tier_rounds(
        self, federation: Federation, tier: int, members: Sequence[Client], ready: deque[_Batch]
    ) -> Generator[simpy.Event, Any, None]:
        """Run the rounds of one tier; their uploads go to `ready`."""
        env, server = federation.env, federation.server
        clients, arrivals = self.clients or len(members), Arrivals(federation, self.until)
        for own in counting():
            while not (available := [each for each in members if each.present and not each.busy]):
                if all(device.gone for device in members):
                    return
                yield federation.fleet_changed()
            cohort = selected(
                self.select, available, clients, federation.stream("selection", tier, own)
            )
            arrived = yield from gather(federation, ask(server, cohort, server.version))
            for _ in cohort:
                arrivals.note(bool(arrived))
            batch = _Batch(arrived, env.event())
            if batch.arrived:
                ready.append(batch)
                federation.context.notify()
                yield batch.taken
            for device in cohort:
                device.idle()


@dataclass(frozen=True)
class _Batch:
    """Uploads of one round of one tier."""

    arrived: Sequence[Contribution]
    taken: simpy.Event
    """Succeeds when they have been aggregated."""
