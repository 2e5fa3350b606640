"""Synchronous rounds: the server waits for all that it has asked, for some, or until a deadline."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from channel_models.units import PositiveSeconds
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import PositiveInt
from wfl_sim.rounds.policy import (
    ROUNDS,
    LimitedRounds,
    ask,
    cancel,
    check_at_most_devices,
    finish,
    gather,
)

if TYPE_CHECKING:
    import simpy

    from wfl_sim.network.devices.client import Contribution
    from wfl_sim.network.federation.federation import Federation


@ROUNDS("synchronous")
@dataclass(frozen=True, kw_only=True)
class Synchronous(LimitedRounds):
    """Select, send out, wait for all uploads, aggregate; `clients` of 0 asks every device.

    Only available devices are asked. A round waits while no device is available, and the run ends
    if none will ever come back. The round goes on without a device that has abandoned its work.
    """

    def _rounds(self, federation: Federation) -> Generator[simpy.Event, Any, None]:
        for number in self.numbers:
            cohort = yield from self.cohort(federation, number)
            if not cohort:
                return
            arrived = yield from gather(federation, ask(federation.server, cohort, number))
            yield from federation.server.aggregate(arrived, number)
            finish(federation, cohort, number)


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


@ROUNDS("over-selection")
@dataclass(frozen=True, kw_only=True)
class OverSelection(LimitedRounds):
    """Ask `clients` devices, take the first `take` uploads, cancel the rest.

    Bonawitz et al. 2019, Towards federated learning at scale: system design, arXiv 1902.01046,
    where 130 % of the devices needed are asked. A cancelled device keeps nothing of the round: its
    update is not trained, its joules stay counted. If fewer than `take` uploads arrive, the round
    ends with those.
    """

    take: PositiveInt
    """Number of uploads that end a round."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.clients and self.take > self.clients:
            raise LocatedError(
                f"must be at most `clients`, {self.clients}, got {self.take}", "take"
            )

    def check(self, devices: int) -> None:
        """Refuse to ask for, or to take, more than there are devices."""
        super().check(devices)
        check_at_most_devices("take", self.take, devices)

    def most_uploads(self, devices: int) -> int:
        """Return `take`."""
        return self.take

    def _rounds(self, federation: Federation) -> Generator[simpy.Event, Any, None]:
        server = federation.server
        for number in self.numbers:
            cohort = yield from self.cohort(federation, number)
            if not cohort:
                return
            parts = ask(server, cohort, number)
            arrived = yield from gather(federation, parts, enough=self.take)
            ending = cancel(federation, cohort)
            yield from server.aggregate(arrived, number)
            yield ending
            finish(federation, cohort, number)
