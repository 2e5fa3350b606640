"""Ending: after so many rounds, at a simulated time, or at whichever comes first."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from itertools import count as counting
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from wfl_sim.config.errors import LocatedError
from wfl_sim.config.registry import Registry

if TYPE_CHECKING:
    import simpy

    from wfl_sim.network.client import Client, Contribution
    from wfl_sim.network.federation import Federation


class Rounds(Protocol):
    """Who waits for whom: a SimPy process that drives the federation to its end."""

    def check(self, devices: int) -> None:
        """Raise LocatedError where the policy cannot work with so many devices."""

    def run(self, federation: Federation) -> Generator[simpy.Event, Any, None]:
        """Yield events until the last round is over."""


@runtime_checkable
class Choosy(Protocol):
    """A rounds policy that does not go with everything else in a scenario."""

    def check_scenario(self, scenario: Any) -> None:
        """Raise LocatedError where it cannot work with a `Scenario`."""


ROUNDS: Registry[Rounds] = Registry("rounds", Rounds)


def check_end(count: int | None, until: float | None) -> None:
    """Refuse a policy that would never end.

    Args:
        count: rounds, or aggregations; None where only time ends the run.
        until: s of simulated time; None where only their number does.

    Raises:
        LocatedError: neither is given, or `count` is less than 1.
    """
    if count is None and until is None:
        raise LocatedError("is missing: how many rounds, or `until`, a simulated time", "count")
    if count is not None and count < 1:
        raise LocatedError(f"must be at least 1, got {count}", "count")


def check_clients(clients: int) -> None:
    """Refuse a negative number of clients."""
    if clients < 0:
        raise LocatedError(f"must not be negative, got {clients}", "clients")


def check_fleet(clients: int, devices: int) -> None:
    """Refuse more clients than there are devices."""
    if clients > devices:
        raise LocatedError(
            f"must be at most the number of devices, {devices}, got {clients}", "rounds", "clients"
        )


def numbers(count: int | None) -> Iterable[int]:
    """Return the numbers of `count` rounds, or of rounds without end."""
    return counting() if count is None else range(count)


def run_until(
    federation: Federation,
    steps: Generator[simpy.Event, Any, None],
    until: float | None,
) -> Generator[simpy.Event, Any, None]:
    """Run the process of a policy, at most to a simulated time in s.

    What is under way at that time is cut off.
    """
    if until is None:
        yield from steps
    else:
        yield federation.env.process(steps) | federation.env.timeout(until)


def gather(
    federation: Federation,
    parts: Sequence[simpy.Process],
    *,
    enough: int | None = None,
    closing: simpy.Event | None = None,
) -> Generator[simpy.Event, Any, list[Contribution]]:
    """Wait until all parts of a round have ended, or before that for one of two things.

    Args:
        federation: the world.
        parts: what `Client.participate` returned.
        enough: uploads that suffice.
        closing: the event after which no more are taken.

    Returns:
        The contributions whose upload has arrived, in the order in which they did.
    """
    arrived: list[Contribution] = []
    over = federation.env.event()
    left = len(parts)

    def note(part: simpy.Event) -> None:
        nonlocal left
        left -= 1
        if part.ok and part.value is not None and part.value.upload is not None:
            arrived.append(part.value)
        if not over.triggered and (not left or (enough and len(arrived) >= enough)):
            over.succeed()

    for part in parts:
        part.callbacks.append(note)
    if parts:
        yield over if closing is None else over | closing
    return arrived[:enough]


def cancel(federation: Federation, cohort: Sequence[Client]) -> simpy.Event:
    """Send home whoever still works; return the event that all can be asked again."""
    ending = [device.cancel() for device in cohort if device.busy]
    return federation.env.all_of([part for part in ending if part is not None])
