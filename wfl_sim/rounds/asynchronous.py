"""Asynchronous rounds: nobody waits for anybody."""

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from channel_models.units import PositiveSeconds
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.registry import From
from wfl_sim.rounds.policy import (
    ROUNDS,
    check_clients,
    check_end,
    check_fleet,
    numbers,
    run_until,
)
from wfl_sim.rounds.selection.basic import RandomSelection
from wfl_sim.rounds.selection.selector import SELECTORS, Selector

if TYPE_CHECKING:
    import simpy

    from wfl_sim.network.client import Client, Contribution
    from wfl_sim.network.federation import Federation


@ROUNDS("asynchronous")
@dataclass(frozen=True, kw_only=True)
class Asynchronous:
    """Aggregate whenever `buffer` uploads have arrived; whoever has ended is replaced at once.

    With a buffer of one the waiting of FedAsync (Xie et al. 2019, arXiv 1903.03934), with a larger
    one that of FedBuff (Nguyen et al. 2022, arXiv 2106.06639). What an upload counts by its
    staleness, the number of aggregations since its device was asked, is the rule of the server.
    `clients` is how many work at a time. Uploads staler than `oldest` are not looked at.
    """

    count: int | None = None
    """aggregations"""
    until: PositiveSeconds | None = None
    clients: int = 0
    select: Annotated[Selector, From(SELECTORS)] = field(default_factory=RandomSelection)
    buffer: int = 1
    oldest: int | None = None

    def __post_init__(self) -> None:
        check_end(self.count, self.until)
        check_clients(self.clients)
        if self.buffer < 1:
            raise LocatedError(f"must be at least 1, got {self.buffer}", "buffer")
        if self.oldest is not None and self.oldest < 0:
            raise LocatedError(f"must not be negative, got {self.oldest}", "oldest")

    def check(self, devices: int) -> None:
        """Refuse more clients than there are devices."""
        check_fleet(self.clients, devices)

    def run(self, federation: "Federation") -> "Generator[simpy.Event, Any, None]":
        """Run until so many aggregations, or the time, have passed."""
        yield from run_until(federation, self._aggregations(federation), self.until)

    def _aggregations(self, federation: "Federation") -> "Generator[simpy.Event, Any, None]":
        server = federation.server
        crew = ConcurrentClients(federation, self.clients or len(federation.devices), self.select)
        for number in numbers(self.count):
            buffer: list[Contribution] = []
            while len(buffer) < self.buffer:
                contribution = yield from crew.next()
                if contribution is None:
                    return
                staleness = server.version - contribution.download.version
                if self.oldest is None or staleness <= self.oldest:
                    buffer.append(contribution)
            yield from server.aggregate(buffer, number)
            server.evaluate(number)


class ConcurrentClients:
    """At most `size` devices at work, each on the shared state that was newest when it was asked.

    Downloads go to each device apart, since no two begin together.
    """

    def __init__(self, federation: "Federation", size: int, select: Selector) -> None:
        """Begin with nobody at work.

        Args:
            federation: the world.
            size: devices at work at a time.
            select: who of the free devices is asked when there is room.
        """
        self._federation = federation
        self._size = size
        self._select = select
        self._at_work = 0
        self._draws = 0
        self._ended: deque[Contribution] = deque()

    def __repr__(self) -> str:
        return f"Crew({self._at_work} of {self._size} at work, {len(self._ended)} have ended)"

    def next(self) -> "Generator[simpy.Event, Any, Contribution | None]":
        """Wait for an upload at the server; while none has come, the crew is filled up.

        So whoever has ended goes on from a state that holds its own update, where the server
        aggregates each by itself.

        Returns:
            Contributions in the order in which they arrive; None when nobody can ever work again.
        """
        federation = self._federation
        while True:
            if self._ended:
                return self._ended.popleft()
            self._fill_up()
            if not self._at_work and federation.all_lost:
                return None
            yield federation.fleet_changed()

    def _fill_up(self) -> None:
        federation = self._federation
        room, free = self._size - self._at_work, federation.available()
        if room <= 0 or not free:
            return
        rng = federation.stream("selection", self._draws)
        self._draws += 1
        for device in self._select.select(free, room, rng):
            self._ask(device)

    def _ask(self, device: "Client") -> None:
        server = self._federation.server
        delivery = server.send_out([device], server.version)[device.index]
        self._at_work += 1
        part = device.participate(server.version, delivery)
        part.callbacks.append(lambda event: self._note(device, event.value if event.ok else None))

    def _note(self, device: "Client", contribution: "Contribution | None") -> None:
        self._at_work -= 1
        device.idle()
        if contribution is not None and contribution.upload is not None:
            self._ended.append(contribution)
