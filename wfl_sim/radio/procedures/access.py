"""Access to a cell of NR: the procedures before the first bit, and their times."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Le

from channel_models.units import PositiveSeconds, Seconds
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
        if self.preambles == 1 and self.backoff <= self.occasion_period:
            raise LocatedError(
                f"must be longer than occasion_period {self.occasion_period:g} s with one preamble "
                f"(two devices would collide for ever), got {self.backoff:g} s",
                "backoff",
            )
