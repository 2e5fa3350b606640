"""Synchronous rounds: the server waits for everyone whom it asked."""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from channel_models.units import PositiveSeconds
from wfl_sim.config.registry import From
from wfl_sim.rounds.policy import (
    ROUNDS,
    check_clients,
    check_end,
    check_fleet,
    numbers,
    run_until,
)
from wfl_sim.rounds.selection.basic import RandomSelection
from wfl_sim.rounds.selection.selector import SELECTORS, Selector

if TYPE_CHECKING:
    import simpy

    from wfl_sim.network.federation import Federation


@ROUNDS("synchronous")
@dataclass(frozen=True, kw_only=True)
class Synchronous:
    """Select, send out, wait for all uploads, aggregate; `clients` of 0 asks every device.

    Only devices that are there are asked. While nobody is, the round waits; when nobody can ever
    come back, the run ends. A device that abandons its work is waited for no longer.
    """

    count: int | None = None
    until: PositiveSeconds | None = None
    clients: int = 0
    select: Annotated[Selector, From(SELECTORS)] = field(default_factory=RandomSelection)

    def __post_init__(self) -> None:
        check_end(self.count, self.until)
        check_clients(self.clients)

    def check(self, devices: int) -> None:
        """Refuse more clients than there are devices."""
        check_fleet(self.clients, devices)

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
            uploads = yield federation.env.all_of(
                [device.participate(number, downloads[device.index]) for device in cohort]
            )
            arrived = [uploads[event] for event in uploads if uploads[event] is not None]
            yield from server.aggregate(arrived, number)
            for device in cohort:
                device.idle()
            server.evaluate(number)
