"""FedCS: as many devices as can finish by a deadline.

T. Nishio, R. Yonetani, Client Selection for Federated Learning with Heterogeneous Resources in
Mobile Edge, arXiv 1804.08333.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from math import isfinite
from typing import Literal

import numpy as np

from channel_models.units import PositiveSeconds
from wfl_sim.rounds.selection.selector import SELECTORS, Clients

Job = tuple[float, float]
"""Seconds until a device is ready to send, and seconds of its upload alone on the band."""


@SELECTORS("fedcs")
@dataclass(frozen=True, kw_only=True)
class FedCS:
    """The largest set of devices whose uploads, one after the other, end by `deadline`.

    A device is ready when it has downloaded and computed; uploads then take the whole band of its
    cell in turn.
    Times are estimates: downloads and uploads at the mean gain of the device alone on the band,
    computing at its mean speed. An allocator that serves uploads side by side ends the last of them
    at about the same time. `solve: greedy` is the paper's heuristic, which adds the device that
    puts off the end least until none fits; `solve: exact` is optimal for the same model.
    """

    deadline: PositiveSeconds
    solve: Literal["greedy", "exact"] = "exact"

    def select(self, devices: Clients, count: int, rng: np.random.Generator) -> Clients:
        """Return at most `count` devices in ascending order.

        If not even one fits, the device that finishes first is returned.
        """
        jobs = [
            (device.expected_download + device.expected_compute, device.expected_upload)
            for device in devices
        ]
        solve = greedy if self.solve == "greedy" else exact
        cells: dict[str, list[int]] = {}
        for i, device in enumerate(devices):
            cells.setdefault(device.cell.name, []).append(i)
        chosen = [
            members[i]
            for members in cells.values()
            for i in solve([jobs[member] for member in members], self.deadline)
        ]
        if not chosen:
            chosen = [min(range(len(jobs)), key=lambda i: (sum(jobs[i]), i))]
        # If fewer are requested, those that finish first are selected.
        quickest = sorted(chosen, key=lambda i: (sum(jobs[i]), i))[:count]
        return [devices[i] for i in sorted(quickest)]


def greedy(jobs: Sequence[Job], deadline: float) -> list[int]:
    """Return a set that ends by the deadline: algorithm 3 of the paper.

    The job that adds least to the end comes next, behind those that were taken before it.
    """
    left, chosen, end = list(range(len(jobs))), [], 0.0
    while left:
        ends = {i: max(end, jobs[i][0]) + jobs[i][1] for i in left}
        best = min(left, key=lambda i: (ends[i], i))
        left.remove(best)
        if ends[best] <= deadline:
            chosen.append(best)
            end = ends[best]
    return sorted(chosen)


def exact(jobs: Sequence[Job], deadline: float) -> list[int]:
    """Return a largest set that ends by the deadline.

    Seen backwards from the deadline, every upload can begin at once and is due when its device is
    ready: the largest set of jobs that are not late is found by the algorithm of Moore and Hodgson
    (Moore 1968, doi:10.1287/mnsc.15.1.102).
    """
    taken: list[tuple[float, int]] = []
    spent = 0.0
    # Jobs without an end, of devices in outage, never fit.
    for due, i in sorted((deadline - ready, i) for i, (ready, _) in enumerate(jobs)):
        if not isfinite(sum(jobs[i])):
            continue
        upload = jobs[i][1]
        heappush(taken, (-upload, i))
        spent += upload
        if spent > due:
            longest, _ = heappop(taken)
            spent += longest
    return sorted(i for _, i in taken)
