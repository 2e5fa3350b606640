"""Asynchronous rounds: a device that has finished is replaced without waiting for others."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import NonNegativeInt, PositiveInt
from wfl_sim.rounds.policy import ROUNDS, Arrivals, LimitedRounds, ask, reject
from wfl_sim.rounds.selection.selector import Selector, selected

if TYPE_CHECKING:
    import simpy

    from wfl_sim.network.devices.client import Client, Contribution
    from wfl_sim.network.federation.federation import Federation


@ROUNDS("asynchronous")
@dataclass(frozen=True, kw_only=True)
class Asynchronous(LimitedRounds):
    """Aggregate whenever `buffer` uploads have arrived; a finished device is replaced at once.

    A buffer of one is FedAsync (Xie et al. 2019, arXiv 1903.03934), a larger one is FedBuff
    (Nguyen et al. 2022, arXiv 2106.06639). The server's rule weights an upload by its staleness,
    the number of aggregations since its device was asked. `count` is the number of aggregations,
    `clients` the number of devices that work at a time. Uploads staler than `oldest` are ignored.
    """

    buffer: PositiveInt = 1
    oldest: NonNegativeInt | None = None

    def check(self, devices: int) -> None:
        """Refuse a buffer that the devices at work would have to fill a hundred times each."""
        super().check(devices)
        most = 100 * (self.clients or devices)
        if self.buffer > most:
            raise LocatedError(
                f"must be at most {most:,}, a hundred updates of each device at work, got "
                f"{self.buffer:,}",
                "rounds",
                "buffer",
            )

    def most_uploads(self, devices: int) -> int:
        """Return `buffer`."""
        return self.buffer

    def _rounds(self, federation: Federation) -> Generator[simpy.Event, Any, None]:
        server = federation.server
        size = self.clients or len(federation.devices)
        clients = ConcurrentClients(federation, size, self.select, self.until)
        for number in self.numbers:
            buffer: list[Contribution] = []
            while len(buffer) < self.buffer:
                contribution = yield from clients.next()
                if contribution is None:
                    return
                staleness = server.version - contribution.download.version
                if self.oldest is None or staleness <= self.oldest:
                    buffer.append(contribution)
                else:
                    reject(federation, contribution)
            yield from server.aggregate(buffer, number)
            server.evaluate(number)


class ConcurrentClients:
    """At most `size` devices at work, each on the shared state that was newest when it was asked.

    Every device has a download of its own, since no two begin together.

    Args:
        federation: the devices and servers.
        size: maximum number of devices at work.
        select: selects among the available devices.
        until: simulated time in s that ends the policy, if there is one.
    """

    def __init__(
        self, federation: Federation, size: int, select: Selector, until: float | None
    ) -> None:
        self._federation = federation
        self._size = size
        self._select = select
        self._arrivals = Arrivals(federation, until)
        self._working = 0
        self._selections = 0
        self._arrived: deque[Contribution] = deque()

    def __repr__(self) -> str:
        return f"ConcurrentClients({self._working} of {self._size}, {len(self._arrived)} arrived)"

    def next(self) -> Generator[simpy.Event, Any, Contribution | None]:
        """Wait for an upload at the server; free places are filled only if none has arrived.

        So a device continues from a state that holds its own update, if the server aggregates
        every upload by itself.

        Returns:
            Contributions in the order of arrival; None if no device will ever work again.
        """
        federation = self._federation
        while True:
            if self._arrived:
                return self._arrived.popleft()
            self._fill()
            if not self._working and federation.all_lost:
                return None
            yield federation.fleet_changed()

    def _fill(self) -> None:
        federation = self._federation
        places, available = self._size - self._working, federation.available()
        if places <= 0 or not available:
            return
        rng = federation.stream("selection", self._selections)
        self._selections += 1
        for device in selected(self._select, available, places, rng):
            self._working += 1
            (part,) = ask(federation.server, [device], federation.server.version)
            part.callbacks.append(partial(self._end, device))

    def _end(self, device: Client, part: simpy.Event) -> None:
        self._working -= 1
        device.idle()
        contribution: Any = part.value if part.ok else None
        arrived = contribution is not None and contribution.upload is not None
        self._arrivals.note(arrived)
        if arrived:
            self._arrived.append(contribution)
