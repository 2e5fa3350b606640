"""Handover: event A3 of TS 38.331 section 5.5.4.4, and what it costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Annotated

from channel_models.units import Decibel, NonNegativeDecibel, Seconds, Unit


@dataclass(frozen=True, kw_only=True)
class HandoverConfig:
    """Handover to a neighbour that is better by offset and hysteresis for a time.

    The strengths are reference powers plus the cells' biases, means over fading (what a layer 3
    filter approaches). Hysteresis and time to trigger are the defaults of ns-3's LENA; the
    interruption, and the window of a ping-pong (TR 36.839 section 5.5), are wfl_sim's.
    """

    offset: Decibel = 0.0
    hysteresis: NonNegativeDecibel = 3.0
    time_to_trigger: Annotated[float, Unit("s", minimum=0.0, maximum=5.12)] = 0.256
    interruption: Seconds = 0.05
    """s of a handover in which nothing is sent or received."""
    ping_pong: Seconds = 1.0
    """s within which a handover back is counted as ping-pong."""


class A3Trigger:
    """The entering condition of event A3 for one device, cell by cell."""

    def __init__(self, rule: HandoverConfig) -> None:
        self._rule = rule
        self._since: dict[int, float] = {}
        self._strengths: Sequence[float] = ()

    def __repr__(self) -> str:
        return f"A3Trigger({len(self._since)} cells meet the condition)"

    def update(self, now: float, serving: int, strengths: Sequence[float]) -> None:
        """Set the strengths in dB, one for each cell, that hold from `now` (s) on."""
        self._strengths = strengths
        needed = strengths[serving] + self._rule.offset + self._rule.hysteresis
        met = [n for n, strength in enumerate(strengths) if n != serving and strength > needed]
        self._since = {number: self._since.get(number, now) for number in met}

    def restart(self) -> None:
        """Forget since when the condition has been met: the serving cell has changed."""
        self._since = {}

    @property
    def due(self) -> float:
        """Time in s at which the first cell has met the condition for long enough; or infinity."""
        return min(self._since.values(), default=inf) + self._rule.time_to_trigger

    def target(self, now: float) -> int:
        """Return the strongest of the cells that have met the condition for long enough."""
        due = [n for n, t in self._since.items() if t + self._rule.time_to_trigger <= now]
        return max(due, key=lambda number: (self._strengths[number], -number))
