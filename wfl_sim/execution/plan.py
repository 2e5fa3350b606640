"""Plans: what a run asks to learn, as tasks, while the network simulation goes on."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Protocol

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
    """-1 where it is an aggregate of an edge server"""
    base: StateRef | None = None
    """the shared state that the device started from; None for the present one"""
    staleness: int = 0
    """aggregations between that state and the present one"""


class Plan(Protocol):
    """Names the states of a run; nothing is trained by asking."""

    def initial_shared(self) -> StateRef:
        """Return the shared state before training."""

    def download_bits(self, device: int, shared: StateRef) -> int:
        """Return the bits that bring `shared` to a device, given what it has got before."""

    def workload(self, device: int, number: int, turn: int = 0) -> Workload | None:
        """Return the costs of one local update; None where all of a device cost the same."""

    def local_update(self, device: int, number: int, shared: StateRef, turn: int = 0) -> StateRef:
        """Return the upload of a device that trains on `shared` in round `number`.

        Args:
            device: its number; -1 for the server itself, with all training examples.
            number: of the round.
            shared: the state that it has downloaded.
            turn: how often it has trained in this round before.
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
            arrivals: in ascending order of device.
            edge: an edge server averages for its own cell; the result can be used as a shared
                state, and as an upload to the server above.
            noise: error of aggregation over the air, see `Aggregate.noise`.
        """

    def evaluate(self, shared: StateRef) -> tuple[str | None, tuple[str, ...]]:
        """Return the keys of the global evaluation and of each device's own."""

    def value(self, handle: StateRef, name: str) -> float:
        """Return a number of the task that made a state, training first what it needs.

        An upload has `train_loss`, the mean loss of its local steps in nat.

        Raises:
            ValueError: the run trains nothing.
        """


class NetworkOnly:
    """The plan of a run that learns nothing: the network is simulated all the same."""

    def __init__(self, learner: Learner, seed: int = 0) -> None:
        """Name states for a learner whose costs alone are asked for.

        Args:
            learner: knows the costs.
            seed: of the run; it matters where costs depend on what is drawn.
        """
        self._learner = learner
        self._seed = seed
        self._versions = StateLineage(learner)
        self._names = count()

    def initial_shared(self) -> StateRef:
        """Return a name without a task."""
        return StateRef(str(next(self._names)), "shared")

    def download_bits(self, device: int, shared: StateRef) -> int:
        """Return the bits of a download."""
        return self._versions.download_bits(device, shared)

    def workload(self, device: int, number: int, turn: int = 0) -> Workload | None:
        """Return the costs of one local update; None where all of a device cost the same."""
        return _workload(self._learner, device, _update_seed(self._seed, device, number, turn))

    def local_update(self, device: int, number: int, shared: StateRef, turn: int = 0) -> StateRef:
        """Return a name without a task."""
        self._versions.received(device, shared)
        return StateRef(str(next(self._names)), "upload")

    def aggregate(
        self,
        shared: StateRef,
        arrivals: Sequence[ReceivedUpload],
        *,
        edge: bool = False,
        noise: float = 0.0,
    ) -> StateRef:
        """Return a name without a task."""
        made = StateRef(str(next(self._names)), "shared")
        self._versions.follows(made, shared, [each.device for each in arrivals])
        return made

    def evaluate(self, shared: StateRef) -> tuple[str | None, tuple[str, ...]]:
        """Ask for nothing."""
        return None, ()

    def value(self, handle: StateRef, name: str) -> float:
        """Refuse: nothing is trained.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"a run without training knows no {name}")


class TrainingPlan:
    """Builds the task graph of a run from the events of its simulation."""

    def __init__(
        self,
        graph: TaskGraph,
        learner: Learner,
        shards: Shards,
        *,
        seed: int,
        overall: bool,
    ) -> None:
        """Fix what does not change during the run.

        Args:
            graph: receives the tasks.
            learner: executes them, and knows their costs.
            shards: the examples of every device.
            seed: of the run.
            overall: evaluate the shared state on the pooled examples too.
        """
        self._graph = graph
        self._learner = learner
        self._recipe = learner.recipe
        self._seed = seed
        self._shards = shards
        self._overall = overall
        self._versions = StateLineage(learner)
        self._keeps = learner.keeps
        self._weights = [float(len(examples)) for examples in shards.train]
        self._train = [examples.fingerprint() for examples in shards.train]
        self._test = [examples.fingerprint() for examples in shards.test]
        self._pooled = shards.pooled.fingerprint()
        self._untrained = self._initial_private(-1, "untrained")
        self._private = [
            self._initial_private(device, device) for device in range(len(shards.train))
        ]
        self._of_edges: dict[StateRef, float] = {}

    def initial_shared(self) -> StateRef:
        """Name the method's initial shared parts."""
        seed = derived_seed(self._seed, "initial", "shared")
        key = self._graph.add(InitialShared(recipe=self._recipe, seed=seed))
        return StateRef(key, "shared")

    def download_bits(self, device: int, shared: StateRef) -> int:
        """Return the bits of a download."""
        return self._versions.download_bits(device, shared)

    def workload(self, device: int, number: int, turn: int = 0) -> Workload | None:
        """Return the costs of one local update; None where all of a device cost the same."""
        return _workload(self._learner, device, _update_seed(self._seed, device, number, turn))

    def local_update(self, device: int, number: int, shared: StateRef, turn: int = 0) -> StateRef:
        """Name the upload of a device, and remember its new private state."""
        self._versions.received(device, shared)
        key = self._graph.add(
            LocalUpdate(
                recipe=self._recipe,
                device=device,
                shard=self._gathered if device < 0 else self._train[device],
                seed=_update_seed(self._seed, device, number, turn),
                shared=shared,
                private=self._untrained if device < 0 else self._private[device],
            )
        )
        # Where nothing is kept, an update that came to nothing is not needed for the next one.
        if self._keeps and device >= 0:
            self._private[device] = StateRef(key, "private")
        return StateRef(key, "upload")

    def aggregate(
        self,
        shared: StateRef,
        arrivals: Sequence[ReceivedUpload],
        *,
        edge: bool = False,
        noise: float = 0.0,
    ) -> StateRef:
        """Name the combination of uploads; weights are numbers of training examples."""
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
        made = StateRef(key, "shared")
        self._of_edges |= {made: sum(weights)} if edge else {}
        self._versions.follows(made, shared, [each.device for each in arrivals])
        return made

    def evaluate(self, shared: StateRef) -> tuple[str | None, tuple[str, ...]]:
        """Name the evaluations of the states of this moment."""
        overall = None
        if self._overall:
            overall = self._evaluation(-1, self._pooled, shared, self._untrained)
        personal = tuple(
            self._evaluation(device, self._test[device], shared, private)
            for device, private in enumerate(self._private)
        )
        return overall, personal

    def value(self, handle: StateRef, name: str) -> float:
        """Return a number of the task that made a state, training first what it needs."""
        return self._graph.values(handle.key)[name]

    @property
    def cohorts(self) -> list[tuple[int, ...]]:
        """The devices whose uploads were in each aggregation."""
        return self._versions.cohorts

    def private(self) -> tuple[StateRef, ...]:
        """Return the newest private state of every device."""
        return tuple(self._private)

    @cached_property
    def _gathered(self) -> str:
        return self._shards.gathered.fingerprint()

    def _weight(self, arrival: ReceivedUpload) -> float:
        if arrival.device >= 0:
            return self._weights[arrival.device]
        return self._of_edges.get(arrival.upload, sum(self._weights))

    def _initial_private(self, device: int, name: str | int) -> StateRef:
        seed = derived_seed(self._seed, "initial", "private", name)
        task = InitialPrivate(recipe=self._recipe, device=device, seed=seed)
        return StateRef(self._graph.add(task), "private")

    def _evaluation(self, device: int, shard: str, shared: StateRef, private: StateRef) -> str:
        return self._graph.add(
            Evaluate(
                recipe=self._recipe,
                device=device,
                shard=shard,
                shared=shared,
                private=private,
            )
        )


def _workload(learner: Learner, device: int, seed: int) -> Workload | None:
    """Return the costs of an update with a seed; None where all of a device cost the same."""
    return learner.drawn_workload(device, seed) if learner.varies else None


def _update_seed(seed: int, device: int, number: int, turn: int) -> int:
    """Return the seed of a local update; a second one in the same round has its own."""
    return derived_seed(seed, "training", device, number, *([turn] if turn else []))


class StateLineage:
    """Tells what a download has to bring, for methods whose downloads are news alone."""

    def __init__(self, learner: Learner) -> None:
        """Begin with no version."""
        self._learner = learner
        self._made_from: dict[StateRef, tuple[StateRef, tuple[int, ...]]] = {}
        self._has: dict[int, StateRef] = {}

    def follows(self, made: StateRef, shared: StateRef, devices: Sequence[int]) -> None:
        """Note that a state was made from another and the uploads of some devices."""
        self._made_from[made] = shared, tuple(devices)

    @property
    def cohorts(self) -> list[tuple[int, ...]]:
        """The devices whose uploads were in each aggregation, in the order of asking."""
        return [devices for _, devices in self._made_from.values()]

    def received(self, device: int, shared: StateRef) -> None:
        """Note that a device has a state."""
        self._has[device] = shared

    def download_bits(self, device: int, shared: StateRef) -> int:
        """Return the bits that bring a state to a device that has an older one, or none."""
        if not self._learner.sends_news:
            return self._learner.workload(device).download_bits
        news: list[tuple[int, ...]] = []
        while shared != self._has.get(device) and shared in self._made_from:
            shared, devices = self._made_from[shared]
            news.append(devices)
        return self._learner.download_bits(device, news[::-1])
