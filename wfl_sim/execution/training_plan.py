"""The plan of a run that trains: every state is a task of the graph."""

from collections.abc import Sequence
from functools import cached_property
from typing import final

from wfl_sim.data.examples import Shards
from wfl_sim.execution.graph import TaskGraph
from wfl_sim.execution.learner import Learner
from wfl_sim.execution.plan import Plan, ReceivedUpload
from wfl_sim.execution.task import (
    Aggregate,
    Evaluate,
    InitialPrivate,
    InitialShared,
    LocalUpdate,
    StateRef,
)
from wfl_sim.randomness import derived_seed


@final
class TrainingPlan(Plan):
    """Plan of a run that trains: a name is the key of a task in the task graph.

    Args:
        graph: receives the tasks.
        learner: executes them, and tells their costs.
        shards: the examples of every device.
        seed: of the run.
        overall: whether the shared state is evaluated on the pooled examples, too.
        equal: whether each device weighs one in an aggregate, not its number of examples.
    """

    def __init__(
        self,
        graph: TaskGraph,
        learner: Learner,
        shards: Shards,
        *,
        seed: int,
        overall: bool,
        equal: bool = False,
    ) -> None:
        super().__init__(learner, seed)
        self._graph = graph
        self._recipe = learner.recipe
        self._shards = shards
        self._overall = overall
        self._keeps = learner.keeps
        self._remembers = getattr(learner, "remembers_uploads", False)
        self._weights = [1.0 if equal else float(len(examples)) for examples in shards.train]
        self._train = [examples.fingerprint() for examples in shards.train]
        self._test = [examples.fingerprint() for examples in shards.test]
        self._pooled = shards.pooled.fingerprint()
        self._untrained = self._initial_private(-1, "untrained")
        self._private = [
            self._initial_private(device, device) for device in range(len(shards.train))
        ]
        self._edge_weights: dict[str, float] = {}

    def evaluate(self, shared: StateRef) -> tuple[str | None, tuple[str, ...]]:
        """Return the keys of evaluations of the states of this moment."""
        overall = None
        if self._overall:
            overall = self._evaluation(-1, self._pooled, shared, self._untrained)
        personal = tuple(
            self._evaluation(device, self._test[device], shared, private)
            for device, private in enumerate(self._private)
        )
        return overall, personal

    def reject(self, device: int, upload: StateRef) -> None:
        """Put the private state back that the device has where its upload was in vain."""
        if self._remembers and device >= 0 and self._private[device].key == upload.key:
            self._private[device] = StateRef(upload.key, "unacknowledged")

    def value(self, state: StateRef, name: str) -> float:
        """Return a number of the task that makes a state; executes the task if necessary."""
        return self._graph.values(state.key)[name]

    def left_out(self) -> dict[str, list[int]]:
        """Return the rounds of the uploads that aggregations have left out, by their sender."""
        rounds: dict[str, list[int]] = {}
        for made in self._made_from:
            uploads = self._graph.task(made.key).incoming[1:]
            for name in self._graph.values(made.key):
                task = self._graph.task(uploads[int(name.removeprefix("left_out/"))].key)
                sender = f"device-{task.device}" if task.device >= 0 else "server"
                rounds.setdefault(sender, []).append(task.round)
        return rounds

    def private(self) -> tuple[StateRef, ...]:
        """Return the newest private state of every device."""
        return tuple(self._private)

    def _initial_key(self) -> str:
        seed = derived_seed(self._seed, "initial", "shared")
        return self._graph.add(InitialShared(recipe=self._recipe, seed=seed))

    def _update_key(self, device: int, number: int, shared: StateRef, turn: int) -> str:
        key = self._graph.add(
            LocalUpdate(
                recipe=self._recipe,
                device=device,
                shard=self._gathered if device < 0 else self._train[device],
                seed=self._update_seed(device, number, turn),
                shared=shared,
                private=self._untrained if device < 0 else self._private[device],
                round=number,
            )
        )
        # A device without memory does not need an update whose upload was lost for its next one.
        if self._keeps and device >= 0:
            self._private[device] = StateRef(key, "private")
        return key

    def _aggregate_key(
        self,
        shared: StateRef,
        arrivals: Sequence[ReceivedUpload],
        edge: bool,
        noise: float,
        number: int,
    ) -> str:
        weights = tuple(self._weight(each) for each in arrivals)
        key = self._graph.add(
            Aggregate(
                recipe=self._recipe,
                shared=shared,
                uploads=tuple(each.upload for each in arrivals),
                weights=weights,
                devices=tuple(each.device for each in arrivals),
                bases=tuple(each.base or shared for each in arrivals),
                staleness=tuple(each.staleness for each in arrivals),
                edge=edge,
                noise=noise,
                seed=derived_seed(self._seed, "aggregation", number) if noise else 0,
            )
        )
        if edge:
            self._edge_weights[key] = sum(weights)
        return key

    @cached_property
    def _gathered(self) -> str:
        return self._shards.gathered.fingerprint()

    def _weight(self, arrival: ReceivedUpload) -> float:
        """Return the number of training examples behind an upload, or of devices."""
        if arrival.device >= 0:
            return self._weights[arrival.device]
        return self._edge_weights.get(arrival.upload.key, sum(self._weights))

    def _initial_private(self, device: int, name: str | int) -> StateRef:
        seed = derived_seed(self._seed, "initial", "private", name)
        task = InitialPrivate(recipe=self._recipe, device=device, seed=seed)
        return StateRef(self._graph.add(task), "private")

    def _evaluation(self, device: int, shard: str, shared: StateRef, private: StateRef) -> str:
        return self._graph.add(
            Evaluate(
                recipe=self._recipe, device=device, shard=shard, shared=shared, private=private
            )
        )
