"""The learner: real PEFT training behind the door that the simulation knocks at."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from wfl_sim.codecs.codec import Codec
from wfl_sim.data.examples import Padding, Shards
from wfl_sim.device_models.workload import Workload
from wfl_sim.execution.task import (
    Aggregate,
    Evaluate,
    InitialPrivate,
    InitialShared,
    LocalUpdate,
    Result,
    Task,
)
from wfl_sim.learning.compatibility import check_compatible
from wfl_sim.learning.costs import UpdateCosts
from wfl_sim.learning.encoded_data import EncodedShards
from wfl_sim.learning.evaluator import Evaluator
from wfl_sim.learning.fingerprint import learner_fingerprint, rewards_of
from wfl_sim.learning.local_update import LocalTrainer
from wfl_sim.learning.model_cache import ModelCache
from wfl_sim.learning.payloads import Payloads
from wfl_sim.learning.pretrained_model import Pretrained
from wfl_sim.learning.server_update import ServerUpdate
from wfl_sim.methods.device_parts import DeviceParts
from wfl_sim.methods.method import Method, hook, initial_server_state
from wfl_sim.methods.parts import Role, with_role
from wfl_sim.methods.privacy import Privacy
from wfl_sim.methods.server import AggregationConfig
from wfl_sim.state import State


class PeftLearner:
    """Fine-tunes the parts of a method on a frozen pretrained network.

    Torch is imported and weights are loaded when a task is first run; `workload` reads the
    configuration of the network alone.

    Args:
        model: the base model.
        method: parts, phases and aggregation.
        shards: the devices' examples.
        tokens: length to which every text is cut or padded.
        codec_up: of uploads.
        codec_down: of the shared state as it is sent to devices.
        server: what the server makes of an aggregate.
        ranks: of each device, where its group has one of its own.
        privacy: what is done to an update before it is encoded, and what protects it on its way.
        threads: of torch in every task; a part of the recipe, since it decides the last bits.
        padding: how long the texts of a batch are made.

    Raises:
        ValueError: `tokens` or `threads` is less than 1, or method and server do not go together.
    """

    def __init__(
        self,
        *,
        model: Pretrained,
        method: Method,
        shards: Shards,
        tokens: int,
        codec_up: Codec,
        codec_down: Codec,
        server: AggregationConfig | None = None,
        ranks: Sequence[int | None] = (),
        privacy: Privacy | None = None,
        threads: int = 1,
        padding: Padding = "fixed",
    ) -> None:
        for name, value in (("tokens", tokens), ("threads", threads)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self.model = model
        self.method = method
        self.shards = shards
        self.tokens = tokens
        self.codec_up = codec_up
        self.codec_down = codec_down
        self.server = server or AggregationConfig()
        self.server.check(method)
        check_compatible(model, method, shards)
        self.privacy = privacy
        self.threads = threads
        self.padding = padding
        self.fleet = DeviceParts(method, ranks)
        self.texts = EncodedShards(model, shards, tokens, padding)
        self.costs = UpdateCosts(
            model=model,
            method=method,
            fleet=self.fleet,
            texts=self.texts,
            tokens=tokens,
            codec_up=codec_up,
            codec_down=codec_down,
            privacy=privacy,
        )
        self.benches = ModelCache(model, method, self.fleet, self.texts, threads)
        self.transfers = Payloads(
            method=method,
            fleet=self.fleet,
            costs=self.costs,
            codec_up=codec_up,
            codec_down=codec_down,
            privacy=privacy,
        )
        self.updates = LocalTrainer(
            method=method,
            fleet=self.fleet,
            texts=self.texts,
            costs=self.costs,
            benches=self.benches,
            transfers=self.transfers,
        )
        self.evaluations = Evaluator(
            method=method,
            fleet=self.fleet,
            texts=self.texts,
            costs=self.costs,
            benches=self.benches,
            transfers=self.transfers,
        )
        self.aggregator = ServerUpdate(method, self.server, self.costs, self.transfers)

    def __repr__(self) -> str:
        return (
            f"PeftLearner({self.model!r}, {self.method!r}, {self.shards!r}, tokens={self.tokens})"
        )

    @cached_property
    def recipe(self) -> str:
        """Fingerprint of everything but shard, seed and incoming states that decides a result."""
        return learner_fingerprint(
            model=self.model,
            method=self.method,
            tokens=self.tokens,
            classes=len(self.shards.classes),
            codecs=(self.codec_up, self.codec_down),
            threads=self.threads,
            settings=(
                self.server,
                self.fleet.sizes,
                self.privacy,
                self.padding,
                *self._size,
                *rewards_of(self.method.phases),
            ),
        )

    def workload(self, device: int) -> Workload:
        """Return the costs of one local update; the same for all devices of one rank."""
        return self.costs.workload(device)

    @property
    def varies(self) -> bool:
        """Whether a local update costs what the texts cost that it draws."""
        return self.padding != "fixed"

    def drawn_workload(self, device: int, seed: int) -> Workload:
        """Return the costs of the local update with a seed, on the texts it will draw."""
        return self.costs.drawn(device, seed) if self.varies else self.workload(device)

    @property
    def keeps(self) -> bool:
        """Whether a device has private parts, or codec or method let it remember something."""
        if getattr(self.codec_up, "feedback", False) or hook(self.method, "local_update"):
            return True
        return any(self.costs.shapes(device, "private") for device in range(len(self.shards.train)))

    @property
    def sends_news(self) -> bool:
        """Whether a download depends on what the device has got before."""
        return self.transfers.sends_news

    def download_bits(self, device: int, news: Sequence[Sequence[int]]) -> int:
        """Return the bits of a download after the aggregations that a device has not heard of.

        Args:
            device: the receiver.
            news: of each aggregation, the devices whose uploads were in it.
        """
        return self.transfers.download_bits(device, news)

    def step_seconds(self, least: float) -> list[float]:
        """Return the host's seconds for one local step of each phase, on the data of device 0.

        Args:
            least: s that each phase is repeated for, after two steps that are not counted.
        """
        from wfl_sim.learning.timing import step_seconds

        examples = self.texts.examples("train", 0)
        encoded = self.texts.placed("train", 0, examples.fingerprint())
        adapted = self.benches.of(0)
        adapted.reset(adapted.parts, 0)
        return [step_seconds(adapted, phase, encoded, least) for phase in self.method.phases]

    def run(self, task: Task, inputs: Sequence[Mapping[str, State]]) -> Result:
        """Execute a task; `inputs` are the states of its incoming results, in task order.

        Raises:
            ValueError: the task was made for another recipe, shard or method.
            RuntimeError: a payload is not as long as the workload said, or a local update has not
                trained the phases that its costs were counted for.
        """
        if task.recipe != self.recipe:
            raise ValueError(f"the task is of recipe {task.recipe[:8]}, not {self.recipe[:8]}")
        states = _states(task, inputs)
        match task:
            case InitialShared():
                return Result({"shared": self._begin(task.seed)})
            case InitialPrivate():
                return Result({"private": self._initial(task.device, task.seed, "private")})
            case LocalUpdate():
                return self.updates.alone(task, *states)
            case Aggregate():
                return Result({"shared": self.aggregator.next(task, states)})
            case Evaluate():
                return self.evaluations.alone(task, *states)

    def shares(self, task: Task) -> bool:
        """Return whether a task is a local update, or an evaluation that can share a pass."""
        if isinstance(task, Evaluate):
            return self.evaluations.shares(task)
        return isinstance(task, LocalUpdate)

    def run_group(
        self,
        tasks: Sequence[LocalUpdate] | Sequence[Evaluate],
        inputs: Sequence[Sequence[Mapping[str, State]]],
    ) -> Sequence[Result]:
        """Execute evaluations together, or updates, of which some may have to go one by one."""
        several: Sequence[LocalUpdate | Evaluate] = tasks
        states = [_states(task, given) for task, given in zip(several, inputs, strict=True)]
        if evaluations := [task for task in several if isinstance(task, Evaluate)]:
            return self.evaluations.together(evaluations, states)
        updates = [task for task in several if isinstance(task, LocalUpdate)]
        return self.updates.together(updates, states)

    @property
    def _size(self) -> tuple[int, ...]:
        """The number of devices, where the method looks at it."""
        return (len(self.shards.train),) if hook(self.method, "initial_server_state") else ()

    def _begin(self, seed: int) -> State:
        shared = self._initial(-1, seed, "shared", "known")
        return initial_server_state(self.method, shared, len(self.shards.train))

    def _initial(self, device: int, seed: int, *roles: Role) -> State:
        """Return the initial values of a device's parameters that have one of the roles."""
        adapted = self.benches.of(device)
        parts = [
            part
            for part in adapted.parts
            if with_role(adapted.parts, adapted.shapes([part]), *roles)
        ]
        adapted.reset(parts, seed)
        names = self.costs.shapes(device, *roles)
        values = adapted.read(sorted({name.partition("/")[0] for name in names}))
        return {name: values[name] for name in names}


def _states(task: Task, inputs: Sequence[Mapping[str, State]]) -> list[State]:
    """Return the states that come in, of all that was put out with them."""
    return [given[handle.output] for handle, given in zip(task.incoming, inputs, strict=True)]
