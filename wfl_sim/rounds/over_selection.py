"""Over-selection: more are asked than are needed, and the slowest are sent home."""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from channel_models.units import PositiveSeconds
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.registry import From
from wfl_sim.rounds.policy import (
    ROUNDS,
    cancel,
    check_clients,
    check_end,
    check_fleet,
    gather,
    numbers,
    run_until,
)
from wfl_sim.rounds.selection.basic import RandomSelection
from wfl_sim.rounds.selection.selector import SELECTORS, Selector

if TYPE_CHECKING:
    import simpy

    from wfl_sim.network.federation import Federation


@ROUNDS("over-selection")
@dataclass(frozen=True, kw_only=True)
class OverSelection:
    """Ask `clients` devices, take the first `take` uploads, call off the rest.

    Bonawitz et al. 2019, Towards federated learning at scale: system design, arXiv 1902.01046,
    where 130 % of the devices needed are asked. Whoever is called off keeps nothing of the round:
    its work is not learned, its joules stay counted. Where fewer than `take` come through, the
    round ends with those.
    """

    count: int | None = None
    until: PositiveSeconds | None = None
    clients: int = 0
    """devices asked; 0 for all"""
    take: int
    """uploads waited for"""
    select: Annotated[Selector, From(SELECTORS)] = field(default_factory=RandomSelection)

    def __post_init__(self) -> None:
        check_end(self.count, self.until)
        check_clients(self.clients)
        if self.take < 1:
            raise LocatedError(f"must be at least 1, got {self.take}", "take")
        if self.clients and self.take > self.clients:
            raise LocatedError(
                f"must be at most `clients`, {self.clients}, got {self.take}", "take"
            )

    def check(self, devices: int) -> None:
        """Refuse to ask for, or to take, more than there are devices."""
        check_fleet(self.clients, devices)
        if self.take > devices:
            raise LocatedError(
                f"must be at most the number of devices, {devices}, got {self.take}",
                "rounds",
                "take",
            )

    def run(self, federation: "Federation") -> "Generator[simpy.Event, Any, None]":
        """Run the rounds one after the other."""
        yield from run_until(federation, self._rounds(federation), self.until)

    def _rounds(self, federation: "Federation") -> "Generator[simpy.Event, Any, None]":
        server = federation.server
        clients = self.clients or len(federation.devices)
        for number in numbers(self.count):
            there = yield from federation.wait_for_available()
            if not there:
                return
            cohort = self.select.select(there, clients, federation.stream("selection", number))
            downloads = server.send_out(cohort, number)
            parts = [device.participate(number, downloads[device.index]) for device in cohort]
            arrived = yield from gather(federation, parts, enough=self.take)
            ending = cancel(federation, cohort)
            yield from server.aggregate(arrived, number)
            yield ending
            for device in cohort:
                device.idle()
            server.evaluate(number)
