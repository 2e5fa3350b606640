"""What travels between servers and devices: downloads, and replies to split steps."""

from dataclasses import dataclass

import simpy

from wfl_sim.execution.task import StateRef
from wfl_sim.network.cell import Cell


@dataclass(frozen=True, eq=False)
class Download:
    """One payload for one device, or for all devices of a broadcast."""

    shared: StateRef
    receivers: list[int]
    """links of those who are still there to get it"""
    on_air: simpy.Event | None
    """fires with the radio transfer that brings it; None where a method sends nothing"""
    version: int = 0
    """aggregations that lie behind the shared state"""
    bits: int = 0
    """of the payload"""
    cell: Cell | None = None
    """that brings it"""


@dataclass(eq=False)
class SplitReply:
    """The server's answer to a step of a split network, as long as a device waits for it."""

    wanted: bool = True
