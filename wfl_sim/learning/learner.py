"""The learner: real PEFT training behind the door that the simulation knocks at."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from wfl_sim.execution.task import (
    Aggregate,
    Evaluate,
    Handle,
    InitialPrivate,
    InitialShared,
    LocalUpdate,
    Result,
    Task,
)
from wfl_sim.learning.data.examples import Examples, Shards
from wfl_sim.learning.model import Pretrained
from wfl_sim.learning.recipe import recipe_of
from wfl_sim.learning.shapes import check_same, shapes_of
from wfl_sim.methods.aggregation import State, Upload
from wfl_sim.protocols import Codec, Method, Workload

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from wfl_sim.learning.encoding import Encoded
    from wfl_sim.learning.workbench import Workbench


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
        threads: of torch in every task; a part of the recipe, since it decides the last bits.

    Raises:
        ValueError: `tokens` or `threads` is less than 1.
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
        threads: int = 1,
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
        self.threads = threads
        self._shared = tuple(part.name for part in method.parts if part.shared)
        self._private = tuple(part.name for part in method.parts if not part.shared)
        self._encoded: dict[tuple[str, int], Encoded] = {}
        self._last: tuple[Handle, State] | None = None

    def __repr__(self) -> str:
        return (
            f"PeftLearner({self.model!r}, {self.method!r}, {self.shards!r}, tokens={self.tokens})"
        )

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what every process makes for itself."""
        made = ("_bench", "_tokenizer")
        kept = {name: value for name, value in self.__dict__.items() if name not in made}
        return {**kept, "_encoded": {}}

    @cached_property
    def recipe(self) -> str:
        """Fingerprint of everything but shard, seed and incoming states that decides a result."""
        return recipe_of(
            model=self.model,
            method=self.method,
            tokens=self.tokens,
            classes=len(self.shards.classes),
            codecs=(self.codec_up, self.codec_down),
            threads=self.threads,
        )

    def workload(self, device: int) -> Workload:
        """Return the costs of one local update; the same for all devices of a method."""
        return self._workload

    def step_seconds(self, least: float) -> list[float]:
        """Return the host's seconds for one local step of each phase, on the data of device 0.

        Args:
            least: s that each phase is repeated for, after two steps that are not counted.
        """
        from wfl_sim.learning.profiling import step_seconds

        examples = self._texts("train", 0)
        encoded = self._examples("train", 0, examples.fingerprint())
        self._bench.reset((*self._shared, *self._private), 0)
        return [step_seconds(self._bench, phase, encoded, least) for phase in self.method.phases]

    def run(self, task: Task, inputs: Sequence[Mapping[str, State]]) -> Result:
        """Execute a task; `inputs` are the states of its incoming results, in task order.

        Raises:
            ValueError: the task was made for another recipe, shard or method.
            RuntimeError: a payload is not as long as the workload said.
        """
        if task.recipe != self.recipe:
            raise ValueError(f"the task is of recipe {task.recipe[:8]}, not {self.recipe[:8]}")
        states = [
            states[handle.output] for handle, states in zip(task.incoming, inputs, strict=True)
        ]
        match task:
            case InitialShared():
                return Result({"shared": self._initial(self._shared, task.seed)})
            case InitialPrivate():
                private = self._initial(self._private, task.seed)
                return Result({"private": {**private, **self._nothing_lost()}})
            case LocalUpdate():
                return self._update(task, *states)
            case Aggregate():
                return self._aggregate(task, states[0], states[1:])
            case Evaluate():
                return self._evaluate(task, *states)

    def _initial(self, parts: tuple[str, ...], seed: int) -> State:
        self._bench.reset(parts, seed)
        return self._bench.read(parts)

    def _update(self, task: LocalUpdate, shared: State, private: State) -> Result:
        examples = self._examples("train", task.device, task.shard)
        workload = self._workload
        received = self._received(task.shared, shared, workload.download_bits)
        own, lost = _parted(private)
        self._bench.load(received, own)
        loss = self._bench.train(self.method.phases, examples, task.seed)
        trained = self._bench.read(self._shared)
        upload, lost = self._upload(trained, received, lost, workload.upload_bits)
        private = {**self._bench.read(self._private), **lost}
        return Result({"upload": upload, "private": private}, {"train_loss": loss})

    def _received(self, handle: Handle, shared: State, bits: int) -> State:
        """Return a shared state as devices get it; the last one is kept, for all get the same."""
        if self._last is None or self._last[0] != handle:
            self._last = handle, _sent(self.codec_down, shared, bits, "download")
        return self._last[1]

    def _upload(
        self, trained: State, received: State, lost: State, bits: int
    ) -> tuple[State, State]:
        """Return what the server gets, and what the device keeps of it for the next time."""
        if not getattr(self.codec_up, "relative", False):
            return _sent(self.codec_up, trained, bits, "upload"), {}
        update = {name: trained[name] - received[name] for name in trained}
        for name, rest in lost.items():
            update[name.removeprefix(_LOST)] += rest
        arrived = _sent(self.codec_up, update, bits, "upload")
        upload = {name: received[name] + arrived[name] for name in trained}
        if not getattr(self.codec_up, "feedback", False):
            return upload, {}
        return upload, {_LOST + name: update[name] - arrived[name] for name in update}

    def _nothing_lost(self) -> State:
        """Return the rest of an upload that has not been, where the codec keeps one."""
        if not getattr(self.codec_up, "feedback", False):
            return {}
        shapes = self._bench.shapes(self._shared)
        return {_LOST + name: np.zeros(shape, np.float32) for name, shape in shapes.items()}

    def _aggregate(self, task: Aggregate, shared: State, uploads: Sequence[State]) -> Result:
        received = [Upload(s, w) for s, w in zip(uploads, task.weights, strict=True)]
        state = self.method.aggregate(shared, received)
        check_same(shapes_of(shared), shapes_of(state), f"{type(self.method).__name__}.aggregate")
        return Result({"shared": {name: np.asarray(a, np.float32) for name, a in state.items()}})

    def _evaluate(self, task: Evaluate, shared: State, private: State) -> Result:
        examples = self._examples("test", task.device, task.shard)
        self._bench.load(shared, _parted(private)[0])
        return Result({}, self._bench.evaluate(examples))

    def _examples(self, use: str, device: int, fingerprint: str) -> "Encoded":
        from wfl_sim.learning.encoding import encode

        if (use, device) not in self._encoded:
            examples = self._texts(use, device)
            if examples.fingerprint() != fingerprint:
                raise ValueError(f"the task is of other {use} examples of device {device}")
            self._encoded[use, device] = encode(self._tokenizer, examples, self.tokens)
        return self._encoded[use, device]

    def _texts(self, use: str, device: int) -> Examples:
        if use == "test" and device == -1:
            return self.shards.pooled
        shards = self.shards.train if use == "train" else self.shards.test
        if not 0 <= device < len(shards):
            raise ValueError(f"there are {len(shards)} devices, no device {device}")
        return shards[device]

    @cached_property
    def _workload(self) -> Workload:
        from wfl_sim.learning.workload import workload_of

        return workload_of(
            self.model,
            self.method,
            classes=len(self.shards.classes),
            tokens=self.tokens,
            codec_up=self.codec_up,
            codec_down=self.codec_down,
        )

    @cached_property
    def _tokenizer(self) -> "PreTrainedTokenizerBase":
        from wfl_sim.learning.base_model import load_tokenizer

        return load_tokenizer(self.model)

    @cached_property
    def _bench(self) -> "Workbench":
        from wfl_sim.learning.base_model import load_model
        from wfl_sim.learning.workbench import Workbench

        pad = self._tokenizer.pad_token_id
        network = load_model(self.model, len(self.shards.classes), pad)
        return Workbench(network, self.method.parts, self.threads)


_LOST = "error-feedback/"
"""before the names of what a codec has lost, which a device keeps with its private state"""


def _parted(private: State) -> tuple[State, State]:
    """Return the private parts, and what codecs have lost."""
    lost = {name: array for name, array in private.items() if name.startswith(_LOST)}
    return {name: array for name, array in private.items() if name not in lost}, lost


def _sent(codec: Codec, state: State, bits: int, direction: str) -> State:
    if not state:
        return {}
    payload = codec.encode(state)
    if 8 * len(payload) != bits:
        raise RuntimeError(
            f"{direction}: {type(codec).__name__} announced {bits} bit and made {8 * len(payload)}"
        )
    received = codec.decode(payload)
    check_same(shapes_of(state), shapes_of(received), f"{direction}: {type(codec).__name__}")
    # A payload is a mapping without order; the sender's keeps every later sum in one order.
    return {name: received[name] for name in state}
