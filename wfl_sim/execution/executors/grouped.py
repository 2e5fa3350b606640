"""Grouped: tasks that are ready together share passes over the frozen base model."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from wfl_sim.config.fields import Bounded, PositiveInt
from wfl_sim.execution.executor import EXECUTORS, Backlog, inputs_of
from wfl_sim.execution.learner import GroupLearner, Learner
from wfl_sim.execution.store import Store
from wfl_sim.execution.task import Evaluate, LocalUpdate, Task

_T = TypeVar("_T")


@EXECUTORS("grouped")
@dataclass(frozen=True, kw_only=True)
class Grouped(Bounded):
    """Updates or evaluations that are ready together share passes over the base; not to the bit."""

    size: PositiveInt = 32
    """Largest number of devices in a group."""
    mode: ClassVar[str] = "grouped"
    """Equal to `exact` within a tolerance; the results have keys of their own."""

    @contextmanager
    def session(self, learner: Learner, store: Store) -> Iterator["GroupedSession"]:
        """Nothing is started or ended."""
        yield GroupedSession(learner, store, self.size)


class GroupedSession:
    """Executes local updates in groups, and evaluations; before them all other tasks one by one.

    Tasks that a learner cannot execute in groups are executed one by one, too.
    """

    def __init__(self, learner: Learner, store: Store, size: int) -> None:
        self._learner = learner
        self._group = learner if isinstance(learner, GroupLearner) else None
        self._store = store
        self._size = size
        self._updates: dict[str, LocalUpdate] = {}
        self._evaluations: dict[str, Evaluate] = {}
        self._others: dict[str, Task] = {}
        self._groups: list[int] = []

    @property
    def room(self) -> int:
        """A group of local updates and one of evaluations, and any number of other tasks."""
        return 2 * self._size - len(self._updates) - len(self._evaluations)

    def submit(self, tasks: Mapping[str, Task], backlog: Backlog) -> None:
        """Take tasks."""
        for key, task in tasks.items():
            if self._group is None or not self._group.shares(task):
                self._others[key] = task
            elif isinstance(task, LocalUpdate):
                self._updates[key] = task
            elif isinstance(task, Evaluate):
                self._evaluations[key] = task

    def finished(self) -> Sequence[str]:
        """Execute one of the other tasks, or else a group: a full one first, then local updates."""
        if self._others:
            key = next(iter(self._others))
            task = self._others.pop(key)
            self._store.put(key, self._learner.run(task, inputs_of(task, self._store)))
            return [key]
        full = len(self._evaluations) >= self._size > len(self._updates)
        if self._updates and not full:
            updates = self._first(self._updates)
            self._groups.append(len(updates))
            return self._run(updates)
        return self._run(self._first(self._evaluations))

    def report(self) -> Mapping[str, Any]:
        """Return the kind, the number of groups and the size of the largest."""
        largest = {"largest_group": max(self._groups)} if self._groups else {}
        return {"executor": "grouped", "groups": len(self._groups), **largest}

    def _first(self, waiting: dict[str, _T]) -> dict[str, _T]:
        return {key: waiting.pop(key) for key in list(waiting)[: self._size]}

    def _run(self, group: Mapping[str, LocalUpdate] | Mapping[str, Evaluate]) -> list[str]:
        assert self._group is not None
        tasks: Any = list(group.values())
        results = self._group.run_group(tasks, [inputs_of(task, self._store) for task in tasks])
        for key, result in zip(group, results, strict=True):
            self._store.put(key, result)
        return list(group)
