"""Transfers: what is asked of a carrier, and what is measured until the last bit has arrived."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import simpy

PowerListener = Callable[[float, float], None]
"""Called at every change with the W radiated while on the air, and the share of time on the air."""


@dataclass(slots=True, eq=False)
class BroadcastGroup:
    """One transmission with a rateless code to several receivers, each with its own transfer.

    A receiver is done when it has received enough itself; it does not wait for the others.
    """

    active: "list[Transfer]" = field(default_factory=list)
    """One transfer for each receiver that is still receiving."""
    served: int = 0
    """Number of receivers that have received everything."""
    unheard: bool = False
    """Whether all receivers have left, which has been noted."""


@dataclass(frozen=True, slots=True)
class Window:
    """What a sender may send before its acknowledgements come, doubled in every round trip."""

    bits: float
    """Of the present window."""
    round_trip: float
    """Seconds."""
    largest: float = math.inf
    """Bits."""
    due: float = -math.inf
    """Time in s at which acknowledgements of the present window come."""

    def next(self, now: float) -> "Window":
        """Return the window that begins at a time in s; the first has the bits of this one."""
        begun = self.due > -math.inf
        bits = min(2 * self.bits, self.largest) if begun else self.bits
        return replace(self, bits=bits, due=now + self.round_trip)


@dataclass(frozen=True, slots=True)
class TransferRequest:
    """A payload to be carried to or from one link, or the same bits to several links at once.

    Raises:
        ValueError: no links, or no bits.
    """

    links: Sequence[int]
    """Link numbers of the receivers (downlink) or of the sender (uplink)."""
    bits: float
    weight: float = 1.0
    """Weight for allocators that use it."""
    deadline: float = math.inf
    """Time in s at which the transfer should have ended, for allocators that use it."""
    level: float = 1.0
    """Share of the sender's power that may be used."""
    share: float = math.nan
    """Share of the band, for allocators that use it; NaN where none is given."""
    on_power: PowerListener | None = None
    group: BroadcastGroup | None = None
    """Transmission whose other transfers begin at the same moment; None for a transfer alone."""
    window: Window | None = None
    """First window of a transport, for a transfer of one link; None where all is sent at once."""
    repair: Callable[["Transfer"], float] | None = None
    """Returns the seconds from the last bit until all has been received; None for none."""

    def __post_init__(self) -> None:
        if not self.links:
            raise ValueError("a transfer needs at least one link")
        if not self.bits > 0:
            raise ValueError(f"bits must be greater than 0, got {self.bits}")


@dataclass(slots=True, eq=False)
class Transfer:
    """A request that is being carried, or has been.

    `done` succeeds with this transfer when its last bit has arrived. `end`, `airtime`, `radiated`
    and `mean_sinr_db` are set at that moment, or when the last receiver has left.
    """

    request: TransferRequest
    links: tuple[int, ...]
    """Links that have not left the transfer."""
    start: float
    """Time in s."""
    done: simpy.Event
    end: float = math.nan
    """Time in s."""
    airtime: float = 0.0
    """Seconds in which the transfer held at least some of the medium."""
    radiated: float = 0.0
    """Energy in J radiated by the sender."""
    mean_sinr_db: float | None = None
    """SINR in dB of the mean over blocks (of the worst receiver), averaged over the time on the
    air; None on a wire."""
    reported: tuple[float, float] = (0.0, 0.0)
    """Newest arguments of `request.on_power`."""
    window: Window | None = field(init=False)
    """Present window of a transport."""
    held_back: float = field(init=False)
    """Bits that its window holds back."""
    pauses: list[tuple[float, float]] = field(default_factory=list)
    """Start and end in s of its waits for acknowledgements."""
    unheard: bool = False
    """Whether all receivers have left, which has been noted."""

    def __post_init__(self) -> None:
        self.window = self.request.window
        self.held_back = 0.0 if self.window is None else self.bits

    def __repr__(self) -> str:
        return f"Transfer({self.bits:.6g} bit, links {self.links}, end {self.end:.6g} s)"

    @property
    def bits(self) -> float:
        """Bits on the medium, headers included."""
        return self.request.bits

    def release(self, now: float) -> float:
        """Return the bits that may be sent from now on."""
        if self.window is None:
            return self.bits
        self.window = self.window.next(now)
        part = min(self.window.bits, self.held_back)
        self.held_back -= part
        return part

    @property
    def has_receivers(self) -> bool:
        """Whether anyone receives the transmission, or has received all of it."""
        group = self.request.group
        return bool(self.links or (group is not None and (group.active or group.served)))

    def note_unheard(self) -> bool:
        """Return whether all receivers have left; only once, where several leave at one moment."""
        transmission = self.request.group or self
        before, transmission.unheard = transmission.unheard, not self.has_receivers
        return transmission.unheard and not before

    @property
    def mean_rate(self) -> float:
        """Bit/s over the whole duration."""
        return self.bits / (self.end - self.start)
