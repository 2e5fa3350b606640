"""Over the air: all uploads at once, added up by the antenna."""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from channel_models.units import PositiveSeconds
from wfl_sim.codecs import Float32
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.registry import From
from wfl_sim.methods.method import is_weighted_mean
from wfl_sim.rounds.policy import (
    ROUNDS,
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


@ROUNDS("over-the-air")
@dataclass(frozen=True, kw_only=True)
class OverTheAir:
    """Synchronous rounds with analog uploads: one transmission for all, and noise on the average.

    Over-the-air computation with truncated channel inversion (Zhu, Wang, Huang, arXiv 1812.11494).
    Whoever is ready waits for the last; then all who are asked send at once, but for those whose
    fading power is below `threshold` of its mean, which stay out of the round. What is sent is the
    change of each value, at the scale of the device that has changed most.
    """

    count: int | None = None
    until: PositiveSeconds | None = None
    clients: int = 0
    select: Annotated[Selector, From(SELECTORS)] = field(default_factory=RandomSelection)
    threshold: float = 0.1
    """of the fading power, whose mean is 1"""

    def __post_init__(self) -> None:
        check_end(self.count, self.until)
        check_clients(self.clients)
        if not self.threshold > 0:
            raise LocatedError(f"must be greater than 0, got {self.threshold:g}", "threshold")

    def check(self, devices: int) -> None:
        """Refuse more clients than there are devices."""
        check_fleet(self.clients, devices)

    def check_scenario(self, scenario: Any) -> None:
        """Refuse what no antenna can add up.

        Raises:
            LocatedError: several cells, a method that does not average, or a codec for bits.
        """
        if len(scenario.base_stations) > 1:
            raise LocatedError("over the air only one cell can add up uploads", "cells")
        if not is_weighted_mean(scenario.method):
            name = type(scenario.method).__name__
            raise LocatedError(
                f"over the air needs a method that averages uploads, which {name} does not",
                "method",
            )
        if scenario.server.weights != "examples":
            raise LocatedError(
                "must be examples: over the air devices scale by them", "server", "weights"
            )
        if not isinstance(scenario.payload.upload, Float32):
            raise LocatedError(
                "must be fp32: values go over the air as amplitudes", "payload", "upload"
            )

    def run(self, federation: "Federation") -> "Generator[simpy.Event, Any, None]":
        """Run the rounds one after the other."""
        yield from run_until(federation, self._rounds(federation), self.until)

    def _rounds(self, federation: "Federation") -> "Generator[simpy.Event, Any, None]":
        from wfl_sim.network.over_the_air import (
            OverTheAirUpload,  # loads simpy, which validation does without
        )

        env, server = federation.env, federation.server
        clients = self.clients or len(federation.devices)
        for number in numbers(self.count):
            there = yield from federation.wait_for_available()
            if not there:
                return
            cohort = self.select.select(there, clients, federation.stream("selection", number))
            downloads = server.send_out(cohort, number)
            air = OverTheAirUpload(env, len(cohort), self.threshold)
            parts = [
                device.participate(number, downloads[device.index], air=air) for device in cohort
            ]
            arrived = yield from gather(federation, parts)
            if arrived:
                device = arrived[0].device
                yield from device.cell.forward(device.workload.upload_bits)
                yield from server.aggregate(arrived, number, noise=air.noise)
            for device in cohort:
                device.idle()
            server.evaluate(number)
