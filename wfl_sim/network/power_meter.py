"""Body: what a device draws, as ledger, battery and temperature see it."""

from collections.abc import Callable

from wfl_sim.device_models.battery import Battery
from wfl_sim.device_models.energy import Component
from wfl_sim.device_models.thermal import ThermalModel
from wfl_sim.network.battery_state import BatteryState
from wfl_sim.network.context import RunContext
from wfl_sim.network.thermal_state import ThermalState
from wfl_sim.records import Level, Quantity


class PowerMeter:
    """One device's door to the ledger; its battery and its temperature see the same power."""

    def __init__(
        self,
        context: RunContext,
        index: int,
        battery: Battery | None,
        thermal: ThermalModel | None,
        switched: Callable[[bool], None],
    ) -> None:
        """Start drawing nothing.

        Args:
            context: of the run.
            index: the device's number.
            battery: what it runs on; None for the mains.
            thermal: how it heats; None for a board that stays cool.
            switched: is told False when the battery is empty and True when the device can start.
        """
        self._context = context
        self._index = index
        self._noted: dict[Quantity, Level] = {}
        self.heat = ThermalState(context.env, thermal) if thermal is not None else None
        self.supply = (
            BatteryState(context.env, battery, switched=switched, noted=self.note)
            if battery is not None
            else None
        )
        self.note()

    def __repr__(self) -> str:
        return f"Body({self._index}, {self.supply or 'mains'})"

    @property
    def follows(self) -> bool:
        """Whether power must be known at every moment, not just summed up at the end."""
        return self.supply is not None or self.heat is not None

    def draw(self, component: Component, watts: float) -> None:
        """Let a component draw so many W from now on."""
        ledger = self._context.ledger
        ledger.set_power(self._index, component, watts, self._context.env.now)
        if not self.follows:
            return
        total = ledger.power(self._index)
        if self.supply is not None:
            self.supply.set_draw(total)
        if self.heat is not None:
            self.heat.set_power(total)

    def book(self, component: Component, joules: float) -> None:
        """Add energy that was summed up elsewhere, or that is drawn in no time.

        Its heat is left out, being little.
        """
        if self.supply is not None:
            self.supply.take(joules)
        self._context.ledger.add(self._index, component, joules, self._context.env.now)

    def joules(self) -> float:
        """Return what has been drawn until now."""
        return self._context.ledger.total(self._index, self._context.env.now)

    def note(self, frequency: float | None = None) -> None:
        """Leave rows of battery and temperature, and of a frequency that can vary.

        Args:
            frequency: as a share of the highest, where one begins to hold.
        """
        if self.supply is not None:
            self._row("battery", self.supply.level)
        if self.heat is not None:
            self._row("temperature", self.heat.temperature)
        if frequency is not None and (self.heat is not None or frequency != 1.0):
            self._row("frequency", frequency)

    def _row(self, quantity: Quantity, value: float) -> None:
        row = Level(
            time=self._context.env.now,
            actor=f"device-{self._index}",
            quantity=quantity,
            value=value,
        )
        if self._noted.get(quantity) != row:
            self._noted[quantity] = row
            self._context.levels.append(row)
