"""Deadline: a round lasts so long, and who is late is dropped or counted later."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from channel_models.units import PositiveSeconds
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

    from wfl_sim.network.client import Contribution
    from wfl_sim.network.federation import Federation


@ROUNDS("deadline")
@dataclass(frozen=True, kw_only=True)
class Deadline:
    """Aggregate what has arrived `deadline` s after the shared state was sent out, or all before.

    `late: drop` calls off whoever is late. `late: fold` lets them go on: their uploads are taken at
    the end of the round in which they arrive, for what the server's rule of staleness makes of
    them, and until then they are not asked again. Allocators that heed deadlines see this one.
    """

    count: int | None = None
    until: PositiveSeconds | None = None
    clients: int = 0
    select: Annotated[Selector, From(SELECTORS)] = field(default_factory=RandomSelection)
    deadline: PositiveSeconds
    late: Literal["drop", "fold"] = "drop"

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
        env, server = federation.env, federation.server
        clients = self.clients or len(federation.devices)
        late: list[Contribution] = []
        for number in numbers(self.count):
            there = yield from federation.wait_for_available()
            if not there:
                return
            cohort = self.select.select(there, clients, federation.stream("selection", number))
            downloads = server.send_out(cohort, number)
            due = env.now + self.deadline
            parts = [
                device.participate(number, downloads[device.index], deadline=due)
                for device in cohort
            ]
            closing = env.timeout(self.deadline)
            arrived = yield from gather(federation, parts, closing=closing)
            if self.late == "fold":
                folded, late = late, []
                _keep(parts, late)
                yield from server.aggregate([*folded, *arrived], number)
            else:
                ending = cancel(federation, cohort)
                yield from server.aggregate(arrived, number)
                yield ending
            for device in cohort:
                if not device.busy:
                    device.idle()
            server.evaluate(number)


def _keep(parts: "Sequence[simpy.Process]", late: "list[Contribution]") -> None:
    """Let the parts that have not ended leave what they bring in `late`."""

    def note(part: "simpy.Event") -> None:
        if part.ok and part.value is not None:
            part.value.device.idle()
            late.append(part.value)

    for part in parts:
        if part.callbacks is not None:
            part.callbacks.append(note)
