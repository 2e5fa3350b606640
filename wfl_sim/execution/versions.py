"""Versions: which shared state came from which, and which of them a device has got."""

from collections.abc import Sequence

from wfl_sim.execution.task import Handle
from wfl_sim.protocols import Learner


class Versions:
    """Tells what a download has to bring, for methods whose downloads are news alone."""

    def __init__(self, learner: Learner) -> None:
        """Begin with no version."""
        self._learner = learner
        self._made_from: dict[Handle, tuple[Handle, tuple[int, ...]]] = {}
        self._has: dict[int, Handle] = {}

    def follows(self, made: Handle, shared: Handle, devices: Sequence[int]) -> None:
        """Note that a state was made from another and the uploads of some devices."""
        self._made_from[made] = shared, tuple(devices)

    @property
    def cohorts(self) -> list[tuple[int, ...]]:
        """The devices whose uploads were in each aggregation, in the order of asking."""
        return [devices for _, devices in self._made_from.values()]

    def received(self, device: int, shared: Handle) -> None:
        """Note that a device has a state."""
        self._has[device] = shared

    def download_bits(self, device: int, shared: Handle) -> int:
        """Return the bits that bring a state to a device that has an older one, or none."""
        if not self._learner.sends_news:
            return self._learner.workload(device).download_bits
        news: list[tuple[int, ...]] = []
        while shared != self._has.get(device) and shared in self._made_from:
            shared, devices = self._made_from[shared]
            news.append(devices)
        return self._learner.download_bits(device, news[::-1])
