"""Plans: the states of a run are named, as tasks, while the network simulation goes on."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from wfl_sim.device_models.workload import Workload
from wfl_sim.execution.learner import Learner
from wfl_sim.execution.task import StateRef
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

    def server_flops(self, number: int, turn: int) -> float:
        """Return the FLOPs of a local update of the server, on the examples of all devices.

        It holds both parts of a split network.
        """
        work = self._learner.drawn_workload(-1, self._update_seed(-1, number, turn))
        above = 0.0 if work.exchange is None else work.steps * work.exchange.server_flops
        return work.update_flops + above

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
        """Tell a device that its last upload is not used: it must not remember to have sent it."""

    def aggregate(
        self,
        shared: StateRef,
        arrivals: Sequence[ReceivedUpload],
        *,
        edge: bool = False,
        noise: float = 0.0,
        number: int = 0,
    ) -> StateRef:
        """Return the shared state that follows `shared`.

        Args:
            shared: the present state.
            arrivals: the uploads, in ascending order of device.
            edge: whether an edge server averages for its own cell. The result can be used as a
                shared state, and as an upload to the server above.
            noise: error of over-the-air aggregation, see `Aggregate.noise`.
            number: of the round, whose noise it is.
        """
        made = StateRef(self._aggregate_key(shared, arrivals, edge, noise, number), "shared")
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
        self,
        shared: StateRef,
        arrivals: Sequence[ReceivedUpload],
        edge: bool,
        noise: float,
        number: int,
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

    def _next(self, *_: object, **__: object) -> str:
        return str(next(self._names))

    _initial_key = _update_key = _aggregate_key = _next
