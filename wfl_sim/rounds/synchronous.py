"""Synchronous rounds: the server waits for every device that it has asked."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wfl_sim.rounds.policy import (
    ROUNDS,
    LimitedRounds,
    ask,
    finish,
    gather,
)

if TYPE_CHECKING:
    import simpy

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
