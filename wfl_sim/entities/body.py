"""Body: what a device draws, from the ledger's point of view and from its battery's."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from wfl_sim.battery import Battery
from wfl_sim.energy import Component
from wfl_sim.entities.supply import Supply
from wfl_sim.records import Level

if TYPE_CHECKING:
    from wfl_sim.federation import Federation


class Body:
    """One device's door to the ledger; a battery, where there is one, sees the same power."""

    def __init__(
        self,
        federation: "Federation",
        index: int,
        battery: Battery | None,
        switched: Callable[[bool], None],
    ) -> None:
        """Start drawing nothing.

        Args:
            federation: the world.
            index: the device's number.
            battery: what it runs on; None for the mains.
            switched: is told False when the battery is empty and True when the device can start.
        """
        self._federation = federation
        self._index = index
        self.supply = (
            Supply(federation.env, battery, switched=switched, noted=self.note)
            if battery is not None
            else None
        )
        self.note()

    def __repr__(self) -> str:
        return f"Body({self._index}, {self.supply or 'mains'})"

    @property
    def follows(self) -> bool:
        """Whether power must be known at every moment, not just summed up at the end."""
        return self.supply is not None

    def draw(self, component: Component, watts: float) -> None:
        """Let a component draw so many W from now on."""
        ledger = self._federation.ledger
        ledger.set_power(self._index, component, watts, self._federation.env.now)
        if self.supply is not None:
            self.supply.set_draw(ledger.power(self._index))

    def book(self, component: Component, joules: float) -> None:
        """Add energy that was summed up elsewhere; only for a body that need not be followed."""
        self._federation.ledger.add(self._index, component, joules, self._federation.env.now)

    def joules(self) -> float:
        """Return what has been drawn until now."""
        return self._federation.ledger.total(self._index, self._federation.env.now)

    def note(self) -> None:
        """Leave a row of the battery's level, unless this moment has one already."""
        if self.supply is None:
            return
        row = Level(
            time=self._federation.env.now,
            actor=f"device-{self._index}",
            quantity="battery",
            value=self.supply.level,
        )
        if row not in self._federation.levels[-1:]:
            self._federation.levels.append(row)
