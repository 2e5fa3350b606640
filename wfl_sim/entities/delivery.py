"""Delivery: a shared state on its way to devices."""

from dataclasses import dataclass

import simpy

from wfl_sim.execution.task import Handle


@dataclass(frozen=True, eq=False)
class Delivery:
    """One payload for one device, or for all devices of a broadcast."""

    shared: Handle
    receivers: list[int]
    """links of those who are still there to get it"""
    on_air: simpy.Event | None
    """fires with the radio transfer that brings it; None where a method sends nothing"""
