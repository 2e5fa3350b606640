"""Rounds policies: their contract and registry, the limits that they share, and their steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count as counting
from math import inf
from typing import TYPE_CHECKING, Annotated, Any, Protocol, runtime_checkable

from channel_models.units import PositiveSeconds
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import Bounded, NonNegativeInt, PositiveInt
from wfl_sim.config.registry import From, Registry
from wfl_sim.rounds.selection.selector import SELECTORS, RandomSelection, Selector, selected

if TYPE_CHECKING:
    import simpy

    from wfl_sim.network.devices.client import Client, Contribution
    from wfl_sim.network.federation.federation import Federation
    from wfl_sim.network.federation.server import Server


class Rounds(Protocol):
    """When the server aggregates, and for which clients it waits: a SimPy process.

    A policy that asks every available device once, and takes the first upload:

    >>> class FirstUpload:
    ...     def check(self, devices):
    ...         pass
    ...
    ...     def run(self, federation):
    ...         cohort = yield from federation.wait_for_available()
    ...         downloads = federation.server.send_out(cohort, 0)
    ...         parts = [device.participate(0, downloads[device.index]) for device in cohort]
    ...         ended = yield federation.env.any_of(parts)
    ...         yield from federation.server.aggregate(list(ended.values()), 0)
    ...         federation.server.evaluate(0)
    >>> rounds: Rounds = FirstUpload()
    >>> rounds.check(devices=10)
    """

    def check(self, devices: int) -> None:
        """Raise LocatedError if the policy cannot work with so many devices."""

    def run(self, federation: Federation) -> Generator[simpy.Event, Any, None]:
        """Yield events until the last round is over."""


@runtime_checkable
class Choosy(Protocol):
    """A rounds policy that does not support every scenario."""

    def check_scenario(self, scenario: Any) -> None:
        """Raise LocatedError if it does not support a `Scenario`."""


ROUNDS: Registry[Rounds] = Registry("rounds", Rounds)


@dataclass(frozen=True, kw_only=True)
class LimitedRounds(Bounded, ABC):
    """Base of policies that end after so many rounds, at a simulated time, or at the first of both.

    `clients` devices are asked in a round, or all if it is 0.
    """

    count: PositiveInt | None = None
    until: PositiveSeconds | None = None
    clients: NonNegativeInt = 0
    select: Annotated[Selector, From(SELECTORS)] = field(default_factory=RandomSelection)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.count is None and self.until is None:
            raise LocatedError("is missing: how many rounds, or `until`, a simulated time", "count")

    def check(self, devices: int) -> None:
        """Refuse more clients than there are devices."""
        check_at_most_devices("clients", self.clients, devices)

    def most_uploads(self, devices: int) -> int:
        """Return the largest number of uploads in an aggregation, of so many devices."""
        return self.clients or devices

    def run(self, federation: Federation) -> Generator[simpy.Event, Any, None]:
        """Run the rounds; activities that are under way at `until` are cut off."""
        rounds = self._rounds(federation)
        if self.until is None:
            yield from rounds
        else:
            yield federation.env.process(rounds) | federation.env.timeout(self.until)

    @abstractmethod
    def _rounds(self, federation: Federation) -> Generator[simpy.Event, Any, None]:
        """Yield events until `count` rounds are over."""

    @property
    def numbers(self) -> Iterable[int]:
        """Numbers of the rounds."""
        return counting() if self.count is None else range(self.count)

    def cohort(
        self, federation: Federation, number: int
    ) -> Generator[simpy.Event, Any, Sequence[Client]]:
        """Wait until a device is available, and select the devices of round `number`.

        Returns:
            The selected devices; none if no device will ever be available.
        """
        available = yield from federation.wait_for_available()
        if not available:
            return []
        federation.context.partial_pools += len(available) < len(federation.devices)
        clients = self.clients or len(federation.devices)
        return selected(self.select, available, clients, federation.stream("selection", number))


def check_at_most_devices(key: str, value: int, devices: int) -> None:
    """Refuse a value of a key that exceeds the number of devices."""
    if value > devices:
        raise LocatedError(
            f"must be at most the number of devices, {devices}, got {value}", "rounds", key
        )


def ask(
    server: Server, cohort: Sequence[Client], number: int, **options: Any
) -> list[simpy.Process]:
    """Send the shared state to a cohort, and let its devices participate in round `number`.

    Args:
        server: whose state is sent.
        cohort: the selected devices.
        number: of the round.
        options: of `Client.participate`.
    """
    downloads = server.send_out(cohort, number)
    return [device.participate(number, downloads[device.index], **options) for device in cohort]


def gather(
    federation: Federation,
    parts: Sequence[simpy.Process],
    *,
    enough: int | None = None,
    closing: simpy.Event | None = None,
    fold: bool = False,
) -> Generator[simpy.Event, Any, list[Contribution]]:
    """Wait until all participations have ended, or until an earlier condition is met.

    Args:
        federation: the devices and servers.
        parts: participations, as `ask` returns them.
        enough: number of uploads after which the wait ends.
        closing: event after which the wait ends.
        fold: whether somebody else uses the uploads that arrive later; else they are rejected.

    Returns:
        The contributions whose upload has arrived, in the order of arrival.
    """
    arrived: list[Contribution] = []
    over = federation.env.event()
    left, taken = len(parts), False

    def note(part: simpy.Event) -> None:
        nonlocal left
        left -= 1
        if part.ok and part.value is not None and part.value.upload is not None:
            arrived.append(part.value)
            if taken and not fold:
                reject(federation, part.value)
        if not over.triggered and (not left or (enough and len(arrived) >= enough)):
            over.succeed()

    for part in parts:
        part.callbacks.append(note)
    if parts:
        yield over if closing is None else over | closing
    taken, used = True, arrived[:enough]
    for late in arrived[len(used) :]:
        reject(federation, late)
    return used


def reject(federation: Federation, contribution: Contribution) -> None:
    """Tell a device that its upload has arrived and is not used."""
    if contribution.upload is not None:
        federation.context.unused_uploads += contribution.device.workload.upload_bits > 0
        federation.context.plan.reject(contribution.device.index, contribution.upload)


class Arrivals:
    """Ends a policy that waits for uploads when none arrives any more, however long it waits.

    Args:
        federation: the devices.
        until: simulated time in s that ends the policy in any case, if there is one.
    """

    def __init__(self, federation: Federation, until: float | None) -> None:
        self._limit = 1000 + 10 * len(federation.devices) if until is None else inf
        self._without = 0

    def __repr__(self) -> str:
        return f"Arrivals(none in the last {self._without} of {self._limit})"

    def note(self, arrived: bool) -> None:
        """Note a local update that has ended, and whether its upload has arrived.

        Raises:
            LocatedError: So many have ended without an upload that none is to be expected.
        """
        self._without = 0 if arrived else self._without + 1
        if self._without > self._limit:
            raise LocatedError(
                f"would not end: none of the last {self._limit:,} local updates has arrived, each "
                "was lost or abandoned (see the battery and availability of the devices, and "
                "uplink.loss)",
                "rounds",
            )


def cancel(federation: Federation, cohort: Sequence[Client]) -> simpy.Event:
    """Stop all devices that still work; return the event that they have stopped."""
    ending = [device.cancel() for device in cohort if device.busy]
    return federation.env.all_of([part for part in ending if part is not None])


def finish(federation: Federation, cohort: Sequence[Client], number: int) -> None:
    """End round `number`: its devices are idle, and an evaluation may be due."""
    for device in cohort:
        if not device.busy:
            device.idle()
    federation.server.evaluate(number)
