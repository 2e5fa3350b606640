"""Row types of a run's results: spans, levels over time, metrics, samples of the radio, labels.

The note of a field's type is the unit of its column.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

Bits = Annotated[int, "bit"]
Decibel = Annotated[float, "dB"]
Index = Annotated[int, "index"]
Joules = Annotated[float, "J"]
Name = Annotated[str, "name"]
Rate = Annotated[float, "bit/s"]
Seconds = Annotated[float, "s"]

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
    energy that the actor drew during the span; one of 0 s is there for what a modem drew at once.
    `bits` is what this actor sent or received in it. `outcome` is "dropped" when the actor
    abandoned what it did, and "cut" when the end of the run closed the span.
    """

    start: Seconds
    end: Seconds
    actor: Name
    activity: Annotated[Activity, "name"]
    round: Index
    """Number of the round; -1 outside rounds."""
    bits: Bits = 0
    flops: Annotated[float, "FLOP"] = 0.0
    joules: Joules = 0.0
    cell: Name = ""
    outcome: Annotated[Outcome, "name"] = "done"
    mean_sinr_db: Decibel | None = None
    """Mean over the time of a radio transfer of the SINR in dB, which is that of the mean over its
    resource blocks; of a broadcast that of the worst receiver."""
    mean_rate: Rate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One quantity of a device at one moment, or the place of a cell at the start.

    Straight lines join the rows of a battery and of a place (x, y), exponentials those of a
    temperature; a frequency and a serving cell hold until the next row.
    """

    time: Seconds
    actor: Name
    quantity: Annotated[Quantity, "name"]
    value: Annotated[float, "of the quantity"]
    """Energy in J, temperature in K, share of the highest frequency, position in m, or a cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number that was measured at one simulated time, with the totals spent until then."""

    time: Seconds
    round: Index
    metric: Name
    scope: Annotated[Scope, "name"]
    device: Name
    """Name of the device when the scope is "device", else empty."""
    value: Annotated[float, "of the metric"]
    bits_up: Bits
    bits_down: Bits
    joules: Joules


@dataclass(frozen=True, slots=True, kw_only=True)
class RadioSample:
    """What one link of a radio transfer had at one moment."""

    time: Seconds
    device: Name
    cell: Name
    direction: Annotated[Literal["uplink", "downlink"], "name"]
    rate: Rate
    """Rate of the transfer."""
    sinr_db: Decibel | None
    """SINR of the mean over the resource blocks held; None without any."""
    mcs: Index | None
    """Index of the modulation and coding scheme; None of a rate map without schemes."""
    first_error: Annotated[float, "probability"] | None
    """Probability that the first transmission of a code block fails."""
    held: Annotated[float, "resource blocks"]
    """Resource blocks held; of a divided one, its share."""
    blocks: Annotated[tuple[int, ...], "index"]
    """Numbers of the resource blocks held."""
    block_sinr_db: Annotated[tuple[float, ...], "dB"]
    """SINR on each of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCount:
    """How many examples of one label a device holds."""

    device: Name
    part: Annotated[Literal["train", "test"], "name"]
    label: Name
    count: Annotated[int, "count"]
