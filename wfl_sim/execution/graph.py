"""Graph: the tasks of a run by key, executed when a result is demanded and not before."""

from collections.abc import Callable, Iterable, Mapping

from wfl_sim.execution.store import Store
from wfl_sim.execution.task import Handle, Result, Task, key_of
from wfl_sim.methods.aggregation import State
from wfl_sim.protocols import Learner

Progress = Callable[[Task, int, int], None]
"""called after each task with the task, the number done and the number needed"""


class TaskGraph:
    """Everything that a run has asked to learn."""

    def __init__(self, learner: Learner, store: Store, progress: Progress | None = None) -> None:
        """Tie a graph to what executes its tasks and to where their results lie."""
        self.executed = 0
        self._learner = learner
        self._store = store
        self._progress = progress
        # Insertion order is a topological order: a task can only name keys that are there already.
        self._tasks: dict[str, Task] = {}

    def __repr__(self) -> str:
        return f"TaskGraph({len(self._tasks)} tasks, {self.executed} executed)"

    def add(self, task: Task) -> str:
        """Return the key of a task, known from now on; nothing is executed."""
        key = key_of(task)
        self._tasks.setdefault(key, task)
        return key

    def demand(self, keys: Iterable[str]) -> None:
        """Execute what is missing for the results of `keys`, and nothing else."""
        missing = self._missing(keys)
        try:
            for done, key in enumerate(missing, start=1):
                task = self._tasks[key]
                inputs = [self._store.get(handle.key).states for handle in task.incoming]
                self._store.put(key, self._learner.run(task, inputs))
                self.executed += 1
                if self._progress is not None:
                    self._progress(task, done, len(missing))
        finally:
            self._store.flush()

    def values(self, key: str) -> Mapping[str, float]:
        """Return the numbers of a task, executing it first where it has not been."""
        self.demand([key])
        return self._store.get(key).values

    def state(self, handle: Handle) -> State:
        """Return a state that has been produced."""
        return self._store.get(handle.key).states[handle.output]

    def result(self, key: str) -> Result:
        """Return the stored result of a task that has been executed."""
        return self._store.get(key)

    def _missing(self, keys: Iterable[str]) -> list[str]:
        """Return the keys to execute, inputs before outputs."""
        needed: set[str] = set()
        ask = list(keys)
        while ask:
            key = ask.pop()
            if key not in needed and key not in self._store:
                needed.add(key)
                ask += [handle.key for handle in self._tasks[key].incoming]
        return [key for key in self._tasks if key in needed]
