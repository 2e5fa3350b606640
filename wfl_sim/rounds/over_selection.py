"""Over-selection: more devices are asked than are needed, and the slowest are cancelled."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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

    from wfl_sim.network.federation.federation import Federation


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
