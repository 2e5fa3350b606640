"""Transport: handshakes and the slow start of TCP or QUIC."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le

from channel_models.units import PositiveBits, PositiveSeconds, Seconds, Unit
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import PositiveInt


@dataclass(frozen=True, kw_only=True)
class Transport:
    """A connection of TCP or QUIC between each device and the server, without losses.

    What may be sent in one round trip doubles from the initial window on (slow start, RFC 9002 and
    RFC 5681) until the window no longer ends before its acknowledgements come. Of a window that has
    been sent the next follows one round trip after it began. Both directions have a window of their
    own; broadcasts to several devices have none.
    """

    kind: Literal["tcp", "quic"] = "tcp"
    """Decides the handshake."""
    rtt: PositiveSeconds = 40e-3
    """Round trip time between device and server, beside what is simulated; the default is
    wfl_sim's."""
    initial_window: PositiveInt = 10
    """Segments (RFC 6928; RFC 9002 section 7.2)."""
    segment: Annotated[float, Unit("bit", minimum=512.0)] = 1460 * 8.0
    """Payload of a segment, 64 byte at least."""
    largest_window: PositiveBits | None = None
    """Bound of the window, such as a receiver's; none without it."""
    handshake: Annotated[int, Ge(0), Le(10)] | None = None
    """Round trips before the first bit; default: 2 of TCP with TLS 1.3 (RFC 8446), 1 of QUIC
    (RFC 9001)."""
    idle: Seconds = 60.0
    """Time without a transfer after which a connection has to be made anew; wfl_sim's."""
    restart: Seconds = 1.0
    """Time without a transfer after which the window is the initial one again (RFC 5681 section
    4.1: one retransmission timeout, at least 1 s by RFC 6298)."""

    def __post_init__(self) -> None:
        if self.largest_window is not None and self.largest_window < self.first_window:
            raise LocatedError(
                f"must be at least the initial window of {self.first_window / 8:g} B",
                "largest_window",
            )

    @property
    def first_window(self) -> float:
        """Bits of the initial window."""
        return self.initial_window * self.segment

    @property
    def round_trips(self) -> int:
        """Round trips of a handshake."""
        if self.handshake is not None:
            return self.handshake
        return 2 if self.kind == "tcp" else 1
