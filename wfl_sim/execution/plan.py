"""Plans: the states of a run are named, as tasks, while the network simulation goes on."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import final

from wfl_sim.data.examples import Shards
from wfl_sim.device_models.workload import Workload
from wfl_sim.execution.graph import TaskGraph
from wfl_sim.execution.learner import Learner
from wfl_sim.execution.task import (
    Aggregate,
    Evaluate,
    InitialPrivate,
    InitialShared,
    LocalUpdate,
    StateRef,
)
from wfl_sim.randomness import derived_seed


@dataclass(frozen=True, kw_only=True)
class ReceivedUpload:
    """An upload at the server, ready to be aggregated."""

    upload: StateRef
    device: int = -1
    """Index of the device; -1 for an upload that is itself an aggregate of an edge server."""
    base: StateRef | None = None
    """Shared state that the device started from; None for the present one."""
    staleness: int = 0
    """Number of aggregations between `base` and the present shared state."""


class Plan(ABC):
    """Names the states of a run, and knows which shared state each device has.

    Nothing is trained when a state is named. Subclasses say what a name stands for. A method may
    send only what has changed since a device's last download: the plan remembers from which state
    and whose uploads each shared state was made.

    Args:
        learner: tells the costs of local updates and downloads.
        seed: of the run.
    """

    def __init__(self, learner: Learner, seed: int) -> None:
        self._learner = learner
        self._seed = seed
        self._made_from: dict[StateRef, tuple[StateRef, tuple[int, ...]]] = {}
        self._at_device: dict[int, StateRef] = {}

    def initial_shared(self) -> StateRef:
        """Return the shared state before training."""
        return StateRef(self._initial_key(), "shared")

    def download_bits(self, device: int, shared: StateRef) -> int:
        """Return the bits of a download of `shared`, given the state that the device has."""
        if not self._learner.sends_news:
            return self._learner.workload(device).download_bits
        news: list[tuple[int, ...]] = []
        while shared != self._at_device.get(device) and shared in self._made_from:
            shared, devices = self._made_from[shared]
            news.append(devices)
        return self._learner.download_bits(device, news[::-1])

    def workload(self, device: int, number: int, turn: int = 0) -> Workload | None:
        """Return the costs of one local update; None if all updates of a device cost the same."""
        if not self._learner.varies:
            return None
        return self._learner.drawn_workload(device, self._update_seed(device, number, turn))

    def local_update(self, device: int, number: int, shared: StateRef, turn: int = 0) -> StateRef:
        """Return the upload of a device that trains on `shared` in round `number`.

        Args:
            device: its index; -1 for the server itself, which trains on all examples.
            number: of the round.
            shared: the state that the device has downloaded.
            turn: number of earlier local updates of the device in this round.
        """
        self._at_device[device] = shared
        return StateRef(self._update_key(device, number, shared, turn), "upload")

    @abstractmethod
    def reject(self, device: int, upload: StateRef) -> None:
        """Tell a device that its last upload is not used, so it must not remember to have sent it.

        Args:
            device: its index.
            upload: as `local_update` has returned it.
        """

    def aggregate(
        self,
        shared: StateRef,
        arrivals: Sequence[ReceivedUpload],
        *,
        edge: bool = False,
        noise: float = 0.0,
    ) -> StateRef:
        """Return the shared state that follows `shared`.

        Args:
            shared: the present state.
            arrivals: the uploads, in ascending order of device.
            edge: whether an edge server averages for its own cell. The result can be used as a
                shared state, and as an upload to the server above.
            noise: error of over-the-air aggregation, see `Aggregate.noise`.
        """
        made = StateRef(self._aggregate_key(shared, arrivals, edge, noise), "shared")
        self._made_from[made] = shared, tuple(each.device for each in arrivals)
        return made

    @property
    def cohorts(self) -> list[tuple[int, ...]]:
        """Devices whose uploads were in each aggregation, in the order of the aggregations."""
        return [devices for _, devices in self._made_from.values()]

    @abstractmethod
    def evaluate(self, shared: StateRef) -> tuple[str | None, tuple[str, ...]]:
        """Return the keys of the global evaluation and of the evaluation of each device."""

    @abstractmethod
    def value(self, state: StateRef, name: str) -> float:
        """Return a number of the task that makes a state; executes the task if necessary.

        The task of an upload has `train_loss`, the mean loss of its local steps in nat.

        Raises:
            ValueError: the run trains nothing.
        """

    @abstractmethod
    def _initial_key(self) -> str:
        """Return the key of the initial shared state."""

    @abstractmethod
    def _update_key(self, device: int, number: int, shared: StateRef, turn: int) -> str:
        """Return the key of a local update."""

    @abstractmethod
    def _aggregate_key(
        self, shared: StateRef, arrivals: Sequence[ReceivedUpload], edge: bool, noise: float
    ) -> str:
        """Return the key of an aggregation."""

    def _update_seed(self, device: int, number: int, turn: int) -> int:
        """Return the seed of a local update; a second one in the same round has its own."""
        return derived_seed(self._seed, "training", device, number, *([turn] if turn else []))


class NetworkOnly(Plan):
    """Plan of a run that trains nothing: a name is a number, and the learner tells costs alone."""

    def __init__(self, learner: Learner, seed: int = 0) -> None:
        super().__init__(learner, seed)
        self._names = count()

    def evaluate(self, shared: StateRef) -> tuple[str | None, tuple[str, ...]]:
        """Evaluate nothing."""
        return None, ()

    def reject(self, device: int, upload: StateRef) -> None:
        """Do nothing: devices remember nothing."""

    def value(self, state: StateRef, name: str) -> float:
        """Raise ValueError: there are no values without training."""
        raise ValueError(f"a run without training knows no {name}")

    def _initial_key(self) -> str:
        return str(next(self._names))

    def _update_key(self, device: int, number: int, shared: StateRef, turn: int) -> str:
        return str(next(self._names))

    def _aggregate_key(
        self, shared: StateRef, arrivals: Sequence[ReceivedUpload], edge: bool, noise: float
    ) -> str:
        return str(next(self._names))


@final
class TrainingPlan(Plan):
    """Plan of a run that trains: a name is the key of a task in the task graph.

    Args:
        graph: receives the tasks.
        learner: executes them, and tells their costs.
        shards: the examples of every device.
        seed: of the run.
        overall: whether the shared state is evaluated on the pooled examples, too.
    """

    def __init__(
        self,
        graph: TaskGraph,
        learner: Learner,
        shards: Shards,
        *,
        seed: int,
        overall: bool,
    ) -> None:
        super().__init__(learner, seed)
        self._graph = graph
        self._recipe = learner.recipe
        self._shards = shards
        self._overall = overall
        self._keeps = learner.keeps
        self._remembers = getattr(learner, "remembers_uploads", False)
        self._weights = [float(len(examples)) for examples in shards.train]
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
            )
        )
        # A device without memory does not need an update whose upload was lost for its next one.
        if self._keeps and device >= 0:
            self._private[device] = StateRef(key, "private")
        return key

    def _aggregate_key(
        self, shared: StateRef, arrivals: Sequence[ReceivedUpload], edge: bool, noise: float
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
                seed=derived_seed(self._seed, "aggregation", shared.key) if noise else 0,
            )
        )
        if edge:
            self._edge_weights[key] = sum(weights)
        return key

    @cached_property
    def _gathered(self) -> str:
        return self._shards.gathered.fingerprint()

    def _weight(self, arrival: ReceivedUpload) -> float:
        """Return the number of training examples behind an upload."""
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
