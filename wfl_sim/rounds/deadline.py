"""Deadline: a round has a fixed duration, and late uploads are dropped or counted later."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from channel_models.units import PositiveSeconds
from wfl_sim.rounds.policy import ROUNDS, LimitedRounds, ask, cancel, finish, gather

if TYPE_CHECKING:
    import simpy

    from wfl_sim.network.devices.client import Contribution
    from wfl_sim.network.federation.federation import Federation


@ROUNDS("deadline")
@dataclass(frozen=True, kw_only=True)
class Deadline(LimitedRounds):
    """Aggregate what has arrived `deadline` s after the shared state was sent out, or all before.

    `late: drop` cancels the devices that are late. `late: fold` lets them continue: their uploads
    are aggregated at the end of the round in which they arrive, with the server's rule of
    staleness, and until then they are not asked again. Allocators may use the deadline.
    """

    deadline: PositiveSeconds
    late: Literal["drop", "fold"] = "drop"

    def most_uploads(self, devices: int) -> int:
        """Return all devices where what is late is folded in."""
        return devices if self.late == "fold" else super().most_uploads(devices)

    def _rounds(self, federation: Federation) -> Generator[simpy.Event, Any, None]:
        env, server = federation.env, federation.server
        late: list[Contribution] = []
        for number in self.numbers:
            cohort = yield from self.cohort(federation, number)
            if not cohort:
                return
            parts = ask(server, cohort, number, deadline=env.now + self.deadline)
            closing = env.timeout(self.deadline)
            arrived = yield from gather(
                federation, parts, closing=closing, fold=self.late == "fold"
            )
            if self.late == "fold":
                folded = late.copy()
                late.clear()
                _collect(parts, late)
                yield from server.aggregate([*folded, *arrived], number)
            else:
                ending = cancel(federation, cohort)
                yield from server.aggregate(arrived, number)
                yield ending
            finish(federation, cohort, number)


def _collect(parts: Sequence[simpy.Process], late: list[Contribution]) -> None:
    """Append the contributions of parts that have not ended to `late`, when they end."""

    def note(part: simpy.Event) -> None:
        if part.ok and part.value is not None:
            part.value.device.idle()
            late.append(part.value)

    for part in parts:
        if part.callbacks is not None:
            part.callbacks.append(note)
