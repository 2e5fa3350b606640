"""What precedes the bits: access to a cell of NR, handshakes and slow start of TCP or QUIC."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le

from channel_models.units import PositiveBits, PositiveSeconds, Seconds
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import PositiveInt


@dataclass(frozen=True, kw_only=True)
class Access:
    """Scheduling request and grant, DRX, and random access after idle, in place of a constant.

    A device is connected for `inactivity` after its last transfer, and idle at the beginning.
    Uplink, connected: the wait for a scheduling request, a grant for a buffer status report, and
    the grant for the data. Uplink, idle: four-step random access and connection setup first.
    Downlink, connected: the wait for an on-duration once `drx_inactivity` is over. Downlink, idle:
    paging, then random access and setup. Times without a clause of TS are wfl_sim's.
    """

    request_period: PositiveSeconds = 10e-3
    """Between opportunities for a scheduling request (TS 38.331 has 2 symbols to 640 slots)."""
    grant: Seconds = 2e-3
    """From a request, a report or a third message to the data that its grant is for: processing,
    control channel and k2 (TS 38.214 Table 6.1.2.1.1-4: one slot)."""
    inactivity: PositiveSeconds = 10.0
    """After a transfer until a device is idle."""
    drx_inactivity: PositiveSeconds = 0.1
    """After a transfer until a connected device listens in on-durations alone."""
    drx_cycle: PositiveSeconds = 0.16
    """Of on-durations."""
    drx_on: PositiveSeconds = 0.01
    """On-duration at the beginning of each cycle."""
    paging_cycle: PositiveSeconds = 1.28
    """Between occasions in which an idle device listens (TS 38.331: at most 256 frames)."""
    occasion_period: PositiveSeconds = 10e-3
    """Between occasions of the random access channel (TS 38.211 Table 6.3.3.2-3: one a frame)."""
    preambles: Annotated[PositiveInt, Le(64)] = 54
    """For contention; devices with one preamble in one occasion collide, and all try again."""
    response: Seconds = 4e-3
    """From a preamble to its response (TS 38.321 section 5.1.4)."""
    backoff: Seconds = 20e-3
    """Largest random wait before the next try (TS 38.321 Table 7.2-1)."""
    setup: Seconds = 10e-3
    """Connection setup in the device (TS 38.331 Table 12.1-1)."""

    def __post_init__(self) -> None:
        if self.drx_on > self.drx_cycle:
            raise LocatedError(f"must be at most drx_cycle {self.drx_cycle:g} s", "drx_on")


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
    segment: PositiveBits = 1460 * 8.0
    """Payload of a segment."""
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
