"""Row types of a run's results: spans, levels over time, metrics, samples of the radio, labels."""

from dataclasses import dataclass
from typing import Literal

Activity = Literal[
    "download",
    "compute",
    "upload",
    "backhaul",
    "handover",
    "wait",
    "idle",
    "off",
    "aggregate",
    "transfer",
    "user-upload",
    "user-download",
]
Outcome = Literal["done", "dropped", "lost", "cut"]
Quantity = Literal["battery", "temperature", "frequency", "x", "y", "cell"]
Scope = Literal["global", "personal_mean", "personal_worst10", "device"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One activity of one actor, from start to end.

    Spans of one actor never overlap, and those of a device cover the whole run. `joules` is the
    energy that the actor drew during the span. `bits` is what this actor sent or received in it.
    `outcome` is "dropped" when the actor abandoned what it did, and "cut" when the end of the run
    closed the span.
    """

    start: float
    """Start in s."""
    end: float
    """End in s."""
    actor: str
    activity: Activity
    round: int
    """Number of the round; -1 outside rounds."""
    bits: int = 0
    flops: float = 0.0
    joules: float = 0.0
    cell: str = ""
    outcome: Outcome = "done"
    mean_sinr_db: float | None = None
    """SINR in dB, averaged over the time and the resource blocks of a radio transfer."""
    mean_rate: float | None = None
    """Mean rate in bit/s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One quantity of a device at one moment, or the place of a cell at the start.

    Straight lines join the rows of a battery and of a place (x, y), exponentials those of a
    temperature; a frequency and a serving cell hold until the next row.
    """

    time: float
    """Time in s."""
    actor: str
    quantity: Quantity
    value: float
    """Energy in J, temperature in K, share of the highest frequency, position in m, or a cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number that was measured at one simulated time, with the totals spent until then."""

    time: float
    """Time in s."""
    round: int
    metric: str
    scope: Scope
    device: str
    """Name of the device when the scope is "device", else empty."""
    value: float
    bits_up: int
    bits_down: int
    joules: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RadioSample:
    """What one link of a radio transfer had at one moment."""

    time: float
    """Time in s."""
    device: str
    cell: str
    direction: Literal["uplink", "downlink"]
    rate: float
    """Rate of the transfer in bit/s."""
    sinr_db: float | None
    """SINR in dB of the mean over the resource blocks held; None without any."""
    mcs: int | None
    """Index of the modulation and coding scheme; None of a rate map without schemes."""
    first_error: float | None
    """Probability that the first transmission of a code block fails."""
    held: float
    """Resource blocks held; of a divided one, its share."""
    blocks: tuple[int, ...]
    """Numbers of the resource blocks held."""
    block_sinr_db: tuple[float, ...]
    """SINR in dB on each of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCount:
    """How many examples of one label a device holds."""

    device: str
    part: Literal["train", "test"]
    label: str
    count: int
