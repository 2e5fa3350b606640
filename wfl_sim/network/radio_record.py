"""Radio record: samples of all links at multiples of an interval."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from wfl_sim.radio.bands.medium import RatePlan
from wfl_sim.records import RadioSample

_ROUNDING = 1e-9


class RadioRecord:
    """Samples of all links of a run, at every multiple of `interval` s at which they send.

    Links from `devices` on are users of background traffic.
    """

    def __init__(self, interval: float, devices: float = math.inf) -> None:
        self.interval = interval
        self._devices = devices
        self.rows: list[RadioSample] = []

    def __repr__(self) -> str:
        return f"RadioRecord({self.interval} s, {len(self.rows)} rows)"

    def note(self, plan: RatePlan, start: float, end: float) -> None:
        """Take the samples of a plan that was followed from `start` to `end`, in s."""
        for step, until in enumerate(plan.until.tolist()):
            until = min(until, end)
            first = math.ceil(start / self.interval - _ROUNDING)
            last = math.ceil(until / self.interval - _ROUNDING)
            links = plan.samples[step]() if first < last else ()
            for number in range(first, last):
                self.rows += self._rows(number * self.interval, links)
            if until >= end:
                return
            start = until

    def _rows(
        self, time: float, links: Iterable[tuple[int, Mapping[str, Any]]]
    ) -> Iterable[RadioSample]:
        for index, facts in links:
            name = f"device-{index}" if index < self._devices else f"user-{index}"
            yield RadioSample(time=time, device=name, **facts)
