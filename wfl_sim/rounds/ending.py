"""Ending: after so many rounds, at a simulated time, or at whichever comes first."""

from collections.abc import Generator, Iterable
from itertools import count as counting
from typing import TYPE_CHECKING, Any

from wfl_sim.registry import LocatedError

if TYPE_CHECKING:
    import simpy

    from wfl_sim.federation import Federation


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


def to_the_end(
    federation: "Federation",
    steps: "Generator[simpy.Event, Any, None]",
    until: float | None,
) -> "Generator[simpy.Event, Any, None]":
    """Run the process of a policy, at most to a simulated time in s.

    What is under way at that time is cut off.
    """
    if until is None:
        yield from steps
    else:
        yield federation.env.process(steps) | federation.env.timeout(until)
