"""What every entity of a run shares: counters of traffic and handovers, and due evaluations."""

from dataclasses import dataclass, field


@dataclass
class TrafficCounters:
    """Bits over the air, counted when a transfer ends.

    What was sent up was received or lost; so was what was sent down to each apart.
    """

    sent_up: int = 0
    received_up: int = 0
    """at the server, after the wire"""
    sent_down: int = 0
    """a broadcast counts once"""
    received_down: int = 0
    """a broadcast counts once for each receiver"""
    lost_up: int = 0
    """of uploads that were abandoned"""
    lost_down: int = 0
    """of downloads that were abandoned; a broadcast counts once for each receiver that left"""


@dataclass
class HandoverCounters:
    """Changes of the serving cell."""

    count: int = 0
    ping_pong: int = 0
    """those that went back to the cell before, soon after"""
    _last: dict[int, tuple[int, float]] = field(default_factory=dict)

    def begun(self, device: int, source: int, target: int, now: float, window: float) -> None:
        """Count a handover of a device at a time; one back within `window` s is a ping-pong."""
        before, then = self._last.get(device, (-1, 0.0))
        self.count += 1
        self.ping_pong += target == before and now - then <= window
        self._last[device] = source, now


@dataclass(frozen=True)
class DueEvaluation:
    """An evaluation that is due: the time, the totals until then, and the tasks that will tell."""

    time: float
    round: int
    bits_up: int
    bits_down: int
    joules: float
    overall: str | None
    """key of the evaluation on pooled examples"""
    personal: tuple[str, ...]
    """keys of the evaluations of each device on its own examples"""

    @property
    def keys(self) -> tuple[str, ...]:
        """All keys that the rows of this measurement need."""
        return (*((self.overall,) if self.overall else ()), *self.personal)
