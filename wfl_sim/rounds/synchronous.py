"""Synchronous rounds: the server waits for everyone whom it asked."""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from wfl_sim.protocols import ROUNDS, SELECTORS, Selector
from wfl_sim.registry import From, LocatedError
from wfl_sim.selection import RandomSelection

if TYPE_CHECKING:
    import simpy

    from wfl_sim.federation import Federation


@ROUNDS("synchronous")
@dataclass(frozen=True, kw_only=True)
class Synchronous:
    """Select, send out, wait for all uploads, aggregate; `clients` of 0 asks every device."""

    count: int
    clients: int = 0
    select: Annotated[Selector, From(SELECTORS)] = field(default_factory=RandomSelection)

    def __post_init__(self) -> None:
        if self.count < 1:
            raise LocatedError(f"must be at least 1, got {self.count}", "count")
        if self.clients < 0:
            raise LocatedError(f"must not be negative, got {self.clients}", "clients")

    def check(self, devices: int) -> None:
        """Refuse more clients than there are devices."""
        if self.clients > devices:
            raise LocatedError(
                f"must be at most the number of devices, {devices}, got {self.clients}",
                "rounds",
                "clients",
            )

    def run(self, federation: "Federation") -> "Generator[simpy.Event, Any, None]":
        """Run `count` rounds one after the other."""
        server, devices = federation.server, federation.devices
        clients = self.clients or len(devices)
        for number in range(self.count):
            cohort = self.select.select(devices, clients, federation.stream("selection", number))
            downloads = server.send_out(cohort, number)
            uploads = yield federation.env.all_of(
                [device.participate(number, downloads[device.index]) for device in cohort]
            )
            yield from server.aggregate([uploads[event] for event in uploads], number)
            for device in cohort:
                device.rest()
            server.evaluate(number, last=number == self.count - 1)
