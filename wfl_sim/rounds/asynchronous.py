"""Asynchronous rounds: nobody waits for anybody."""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from channel_models.units import PositiveSeconds
from wfl_sim.protocols import ROUNDS, SELECTORS, Selector
from wfl_sim.registry import From, LocatedError
from wfl_sim.rounds.crew import Crew
from wfl_sim.rounds.ending import check_clients, check_end, check_fleet, numbers, to_the_end
from wfl_sim.selection import RandomSelection

if TYPE_CHECKING:
    import simpy

    from wfl_sim.entities.delivery import Contribution
    from wfl_sim.federation import Federation


@ROUNDS("asynchronous")
@dataclass(frozen=True, kw_only=True)
class Asynchronous:
    """Aggregate whenever `buffer` uploads have arrived; whoever has ended is replaced at once.

    With a buffer of one the waiting of FedAsync (Xie et al. 2019, arXiv 1903.03934), with a larger
    one that of FedBuff (Nguyen et al. 2022, arXiv 2106.06639). What an upload counts by its
    staleness, the number of aggregations since its device was asked, is the rule of the server.
    `clients` is how many work at a time. Uploads staler than `oldest` are not looked at.
    """

    count: int | None = None
    """aggregations"""
    until: PositiveSeconds | None = None
    clients: int = 0
    select: Annotated[Selector, From(SELECTORS)] = field(default_factory=RandomSelection)
    buffer: int = 1
    oldest: int | None = None

    def __post_init__(self) -> None:
        check_end(self.count, self.until)
        check_clients(self.clients)
        if self.buffer < 1:
            raise LocatedError(f"must be at least 1, got {self.buffer}", "buffer")
        if self.oldest is not None and self.oldest < 0:
            raise LocatedError(f"must not be negative, got {self.oldest}", "oldest")

    def check(self, devices: int) -> None:
        """Refuse more clients than there are devices."""
        check_fleet(self.clients, devices)

    def run(self, federation: "Federation") -> "Generator[simpy.Event, Any, None]":
        """Run until so many aggregations, or the time, have passed."""
        yield from to_the_end(federation, self._aggregations(federation), self.until)

    def _aggregations(self, federation: "Federation") -> "Generator[simpy.Event, Any, None]":
        server = federation.server
        crew = Crew(federation, self.clients or len(federation.devices), self.select)
        for number in numbers(self.count):
            buffer: list[Contribution] = []
            while len(buffer) < self.buffer:
                contribution = yield from crew.next()
                if contribution is None:
                    return
                staleness = server.version - contribution.delivery.version
                if self.oldest is None or staleness <= self.oldest:
                    buffer.append(contribution)
            yield from server.aggregate(buffer, number)
            server.evaluate(number)
