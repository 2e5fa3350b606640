"""Plans: what a run asks to learn, as tasks, while the network simulation goes on."""

from collections.abc import Sequence
from typing import Protocol

from wfl_sim.execution.graph import TaskGraph
from wfl_sim.execution.task import (
    Aggregate,
    Evaluate,
    Handle,
    InitialPrivate,
    InitialShared,
    LocalUpdate,
)
from wfl_sim.learning.data.examples import Shards
from wfl_sim.randomness import derived_seed


class Plan(Protocol):
    """Names the states of a run; nothing is trained by asking."""

    def initial_shared(self) -> Handle:
        """Return the shared state before training."""

    def local_update(self, device: int, number: int, shared: Handle, turn: int = 0) -> Handle:
        """Return the upload of a device that trains on `shared` in round `number`.

        Where rounds overlap, a device may train again in the same one: `turn` counts from 0.
        """

    def aggregate(self, shared: Handle, uploads: Sequence[tuple[int, Handle]]) -> Handle:
        """Return the next shared state from (device, upload) in ascending order of device."""

    def evaluate(self, shared: Handle) -> tuple[str | None, tuple[str, ...]]:
        """Return the keys of the global evaluation and of each device's own."""


class NetworkOnly:
    """The plan of a run that learns nothing: the network is simulated all the same."""

    def initial_shared(self) -> Handle:
        """Return a name without a task."""
        return Handle("", "shared")

    def local_update(self, device: int, number: int, shared: Handle, turn: int = 0) -> Handle:
        """Return a name without a task."""
        return Handle("", "upload")

    def aggregate(self, shared: Handle, uploads: Sequence[tuple[int, Handle]]) -> Handle:
        """Return a name without a task."""
        return Handle("", "shared")

    def evaluate(self, shared: Handle) -> tuple[str | None, tuple[str, ...]]:
        """Ask for nothing."""
        return None, ()


class TrainingPlan:
    """Builds the task graph of a run from the events of its simulation."""

    def __init__(
        self,
        graph: TaskGraph,
        recipe: str,
        shards: Shards,
        *,
        seed: int,
        overall: bool,
    ) -> None:
        """Fix what does not change during the run.

        Args:
            graph: receives the tasks.
            recipe: fingerprint of the learner.
            shards: the examples of every device.
            seed: of the run.
            overall: evaluate the shared state on the pooled examples too.
        """
        self._graph = graph
        self._recipe = recipe
        self._seed = seed
        self._overall = overall
        self._weights = [float(len(examples)) for examples in shards.train]
        self._train = [examples.fingerprint() for examples in shards.train]
        self._test = [examples.fingerprint() for examples in shards.test]
        self._pooled = shards.pooled.fingerprint()
        self._untrained = self._initial_private("untrained")
        self._private = [self._initial_private(device) for device in range(len(shards.train))]

    def initial_shared(self) -> Handle:
        """Name the method's initial shared parts."""
        seed = derived_seed(self._seed, "initial", "shared")
        key = self._graph.add(InitialShared(recipe=self._recipe, seed=seed))
        return Handle(key, "shared")

    def local_update(self, device: int, number: int, shared: Handle, turn: int = 0) -> Handle:
        """Name the upload of a device, and remember its new private state."""
        again = (turn,) if turn else ()
        key = self._graph.add(
            LocalUpdate(
                recipe=self._recipe,
                device=device,
                shard=self._train[device],
                seed=derived_seed(self._seed, "training", device, number, *again),
                shared=shared,
                private=self._private[device],
            )
        )
        self._private[device] = Handle(key, "private")
        return Handle(key, "upload")

    def aggregate(self, shared: Handle, uploads: Sequence[tuple[int, Handle]]) -> Handle:
        """Name the weighted combination of uploads; weights are numbers of training examples."""
        key = self._graph.add(
            Aggregate(
                recipe=self._recipe,
                shared=shared,
                uploads=tuple(upload for _, upload in uploads),
                weights=tuple(self._weights[device] for device, _ in uploads),
            )
        )
        return Handle(key, "shared")

    def evaluate(self, shared: Handle) -> tuple[str | None, tuple[str, ...]]:
        """Name the evaluations of the states of this moment."""
        overall = None
        if self._overall:
            overall = self._evaluation(-1, self._pooled, shared, self._untrained)
        personal = tuple(
            self._evaluation(device, self._test[device], shared, private)
            for device, private in enumerate(self._private)
        )
        return overall, personal

    def private(self) -> tuple[Handle, ...]:
        """Return the newest private state of every device."""
        return tuple(self._private)

    def _initial_private(self, name: str | int) -> Handle:
        seed = derived_seed(self._seed, "initial", "private", name)
        return Handle(self._graph.add(InitialPrivate(recipe=self._recipe, seed=seed)), "private")

    def _evaluation(self, device: int, shard: str, shared: Handle, private: Handle) -> str:
        return self._graph.add(
            Evaluate(
                recipe=self._recipe,
                device=device,
                shard=shard,
                shared=shared,
                private=private,
            )
        )
