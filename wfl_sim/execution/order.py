"""Order: which of the tasks that are to be executed are ready, and which comes first."""

import heapq
from collections.abc import Mapping

from wfl_sim.execution.task import Task


class Order:
    """Which of some tasks are ready: those whose inputs are there; the first asked for first."""

    def __init__(
        self, missing: set[str], tasks: Mapping[str, Task], number: Mapping[str, int]
    ) -> None:
        """Begin with the tasks none of whose inputs are missing.

        Args:
            missing: keys of what is to be executed.
            tasks: by key.
            number: of each key in the order of asking.
        """
        self.total = len(missing)
        self.finished = 0
        self._number = number
        self._waits: dict[str, set[str]] = {}
        self._feeds: dict[str, list[str]] = {}
        self.ready: list[tuple[int, str]] = []
        for key in missing:
            inputs = {handle.key for handle in tasks[key].incoming} & missing
            self._waits[key] = inputs
            for each in inputs:
                self._feeds.setdefault(each, []).append(key)
            if not inputs:
                self.again(key)

    def __repr__(self) -> str:
        return f"Order({self.finished} of {self.total} done, {len(self.ready)} ready)"

    @property
    def left(self) -> int:
        """Tasks that are not done."""
        return self.total - self.finished

    def next(self) -> str:
        """Take the first of those that are ready."""
        return heapq.heappop(self.ready)[1]

    def again(self, key: str) -> None:
        """Put a ready task back."""
        heapq.heappush(self.ready, (self._number[key], key))

    def done(self, key: str) -> None:
        """Note that a result is there."""
        self.finished += 1
        for each in self._feeds.get(key, ()):
            self._waits[each].discard(key)
            if not self._waits[each]:
                self.again(each)
