"""Crew: devices that work at their own pace, each replaced when it has ended."""

from collections import deque
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from wfl_sim.protocols import Selector

if TYPE_CHECKING:
    import simpy

    from wfl_sim.entities.delivery import Contribution
    from wfl_sim.entities.device import Device
    from wfl_sim.federation import Federation


class Crew:
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
            if not self._at_work and federation.deserted:
                return None
            yield federation.turn()

    def _fill_up(self) -> None:
        federation = self._federation
        room, free = self._size - self._at_work, federation.free()
        if room <= 0 or not free:
            return
        rng = federation.stream("selection", self._draws)
        self._draws += 1
        for device in self._select.select(free, room, rng):
            self._ask(device)

    def _ask(self, device: "Device") -> None:
        server = self._federation.server
        delivery = server.send_out([device], server.version)[device.index]
        self._at_work += 1
        part = device.participate(server.version, delivery)
        part.callbacks.append(lambda event: self._note(device, event.value if event.ok else None))

    def _note(self, device: "Device", contribution: "Contribution | None") -> None:
        self._at_work -= 1
        device.rest()
        if contribution is not None and contribution.upload is not None:
            self._ended.append(contribution)
