"""The learner: real PEFT training behind the door that the simulation knocks at."""

import logging
from collections.abc import Generator, Mapping, Sequence
from functools import cached_property, partial
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
from wfl_sim.learning.combining import combine
from wfl_sim.learning.data.examples import Examples, Shards
from wfl_sim.learning.data.instructions import Instructions, Layout
from wfl_sim.learning.data.padding import Padding
from wfl_sim.learning.exchange import parted, sent, upload_of
from wfl_sim.learning.fitting import check_fit
from wfl_sim.learning.fleet import Fleet
from wfl_sim.learning.model import Pretrained
from wfl_sim.learning.recipe import recipe_of, rewards_of
from wfl_sim.learning.shapes import check_same, shapes_of
from wfl_sim.learning.turn import Trained, Turn, mean, together, turns
from wfl_sim.methods.abilities import (
    Blends,
    Downlink,
    Downloads,
    HoldsMore,
    Updates,
    differs,
    download,
    on_device,
    personal,
    sent_down,
    sent_up,
)
from wfl_sim.methods.aggregation import State, Upload
from wfl_sim.methods.local import Describe, Judge, LocalRun, Participant, Train, Update
from wfl_sim.methods.parts import Part, Role, Shapes, with_role
from wfl_sim.methods.server import ServerRule
from wfl_sim.privacy import Privacy
from wfl_sim.protocols import Codec, Method, Workload
from wfl_sim.randomness import stream

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from wfl_sim.learning.drawn import DrawnCosts
    from wfl_sim.learning.encoding import Batchable
    from wfl_sim.learning.workbench import Workbench

_log = logging.getLogger(__name__)


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
        server: ServerRule | None = None,
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
        self.server = server or ServerRule()
        self.server.check(method)
        check_fit(method, shards)
        self.privacy = privacy
        self.threads = threads
        self.padding = padding
        self._drawn: dict[tuple[Part, ...], DrawnCosts] = {}
        self.fleet = Fleet(method, ranks)
        self._encoded: dict[tuple[str, int], Batchable] = {}
        self._on_device: dict[tuple[str, int], Batchable] = {}
        self._workloads: dict[tuple[Part, ...], tuple[Workload, Shapes]] = {}
        self._benches: dict[tuple[Part, ...], Workbench] = {}
        self._by_role: dict[tuple[int, tuple[Role, ...]], dict[str, tuple[int, ...]]] = {}
        self._misfits: dict[object, str | None] = {}
        self._last: tuple[object, State] | None = None

    def __repr__(self) -> str:
        return (
            f"PeftLearner({self.model!r}, {self.method!r}, {self.shards!r}, tokens={self.tokens})"
        )

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what every process makes for itself."""
        made = ("_tokenizer",)
        kept = {name: value for name, value in self.__dict__.items() if name not in made}
        return {**kept, "_encoded": {}, "_on_device": {}, "_benches": {}, "_drawn": {}}

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
        return self._counted(device)[0]

    @property
    def varies(self) -> bool:
        """Whether a local update costs what the texts cost that it draws."""
        return self.padding != "fixed"

    def drawn_workload(self, device: int, seed: int) -> Workload:
        """Return the costs of the local update with a seed, on the texts it will draw."""
        whole = self.workload(device)
        if not self.varies:
            return whole
        from wfl_sim.learning.drawn import DrawnCosts

        parts = self.fleet.parts(device)
        if parts not in self._drawn:
            self._drawn[parts] = DrawnCosts(
                self.model, len(self.shards.classes), parts, self.method.phases
            )
        examples = self._examples("train", device, self.shards.train[device].fingerprint())
        return self._drawn[parts].of(whole, examples, seed)

    @property
    def keeps(self) -> bool:
        """Whether a device has private parts, or codec or method let it remember something."""
        if getattr(self.codec_up, "feedback", False) or isinstance(self.method, Updates):
            return True
        return any(self._shapes(device, "private") for device in range(len(self.shards.train)))

    @property
    def sends_news(self) -> bool:
        """Whether a download depends on what the device has got before."""
        return isinstance(self.method, Downlink)

    def download_bits(self, device: int, news: Sequence[Sequence[int]]) -> int:
        """Return the bits of a download after the aggregations that a device has not heard of.

        Args:
            device: the receiver.
            news: of each aggregation, the devices whose uploads were in it.
        """
        uploads = [
            [sent_up(self.method, self._shapes(each, "shared")) for each in devices]
            for devices in news
        ]
        whole = sent_down(self.method, self._shapes(device, "shared"), uploads)
        shapes = {name: shape for name, shape in whole.items() if on_device(self.method, name)}
        return self.codec_down.bits(shapes) if shapes else 0

    def step_seconds(self, least: float) -> list[float]:
        """Return the host's seconds for one local step of each phase, on the data of device 0.

        Args:
            least: s that each phase is repeated for, after two steps that are not counted.
        """
        from wfl_sim.learning.profiling import step_seconds

        examples = self._texts("train", 0)
        encoded = self._placed("train", 0, examples.fingerprint())
        bench = self._bench(0)
        bench.reset(bench.parts, 0)
        return [step_seconds(bench, phase, encoded, least) for phase in self.method.phases]

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
                return self._update(task, *states)
            case Aggregate():
                return self._aggregate(task, states)
            case Evaluate():
                return self._evaluate(task, *states)

    @property
    def _size(self) -> tuple[int, ...]:
        """The number of devices, where the method looks at it."""
        return (len(self.shards.train),) if isinstance(self.method, HoldsMore) else ()

    def _begin(self, seed: int) -> State:
        shared = self._initial(-1, seed, "shared", "known")
        if isinstance(self.method, HoldsMore):
            return self.method.begin(shared, len(self.shards.train))
        return shared

    def _initial(self, device: int, seed: int, *roles: Role) -> State:
        bench = self._bench(device)
        parts = [
            part for part in bench.parts if with_role(bench.parts, bench.shapes([part]), *roles)
        ]
        bench.reset(parts, seed)
        return self._read(device, *roles)

    def run_group(
        self, tasks: Sequence[LocalUpdate], inputs: Sequence[Sequence[Mapping[str, State]]]
    ) -> Sequence[Result]:
        """Execute local updates together; those that cannot learn as a group, one by one."""
        runs = [
            self._updating(task, *_states(task, given))
            for task, given in zip(tasks, inputs, strict=True)
        ]
        return together(runs, self._alone, self._as_group)

    def _update(self, task: LocalUpdate, shared: State, private: State) -> Result:
        return together([self._updating(task, shared, private)], self._alone, None)[0]

    def _updating(
        self, task: LocalUpdate, shared: State, private: State
    ) -> Generator[Turn, Trained, Result]:
        """Ask for the turns of a local update one after the other."""
        device, method = task.device, self.method
        examples = self._placed("train", device, task.shard)
        received = self._received(device, task.shared, shared)
        kept, lost = parted(private)
        if isinstance(method, Updates):
            shapes = dict(self._counted(device)[1])
            rng = stream(task.seed, "update")
            run = method.update(received, kept, Participant(device=device, shapes=shapes, rng=rng))
        else:
            run = self._usual(device, {**received, **kept})
        end, losses = yield from turns(
            run,
            method.phases,
            lambda number, request: Turn(
                device=device,
                number=number,
                request=request,
                parts=self.fleet.parts(device),
                examples=examples,
                seed=task.seed,
            ),
            partial(self._look, device, examples, task.seed),
        )
        expected = sent_up(method, self._shapes(device, "shared"))
        check_same(dict(expected), shapes_of(end.upload), f"{type(method).__name__}.update")
        leaves, stays = self._divided(end.upload)
        bits = self.codec_up.bits(shapes_of(leaves)) if leaves else 0
        protect = None
        if self.privacy is not None and self.privacy.clip:
            protect = partial(self.privacy.protected, rng=stream(task.seed, "privacy"))
        arrived, lost = upload_of(self.codec_up, leaves, received, lost, bits, protect)
        upload = {name: arrived[name] if name in arrived else stays[name] for name in end.upload}
        private = {**end.kept, **lost}
        return Result({"upload": upload, "private": private}, {"train_loss": mean(losses)})

    def _usual(self, device: int, start: State) -> LocalRun:
        """Train the phases in turn; every proximal term pulls to the beginning."""
        state = start
        for phase in self.method.phases:
            state = yield Train(phase=phase, start=state, anchor=start)
        return Update(
            upload={name: state[name] for name in self._shapes(device, "shared")},
            kept={name: state[name] for name in self._shapes(device, "private")},
        )

    def _alone(self, turn: Turn) -> Trained:
        bench, request = self._bench(turn.device), turn.request
        bench.load(request.start)
        losses = bench.train_phase(
            turn.number,
            request.phase,
            turn.examples,
            turn.seed,
            anchor=request.anchor,
            correction=request.correction,
        )
        return bench.read(bench.parts), losses

    def _as_group(self, group: Sequence[Turn]) -> list[Trained] | None:
        """Train turns of one kind together; None where they cannot be."""
        from wfl_sim.learning.group import misfit, train_together

        first, bench = group[0], self._bench(group[0].device)
        if first.kind not in self._misfits:
            self._misfits[first.kind] = misfit(bench, first)
            if reason := self._misfits[first.kind]:
                _log.warning("local updates are trained one by one: %s", reason)
        if self._misfits[first.kind]:
            return None
        for turn in group:
            expected = dict(self._counted(turn.device)[1])
            check_same(expected, shapes_of(turn.request.start), "state")
        return train_together(bench, group)

    def _look(self, device: int, examples: Any, seed: int, request: Describe | Judge) -> State:
        """Answer what a local update asks to know about some of its own examples."""
        import torch

        bench = self._bench(device)
        chosen = stream(seed, "look").permutation(len(examples))[: request.samples]
        some = examples.take(torch.from_numpy(chosen))
        if isinstance(request, Describe):
            return {"texts": bench.describe(some)}
        bench.load(request.model)
        return {"loss": np.array(bench.evaluate(some)["loss"], np.float32)}

    def _received(self, device: int, handle: Handle, shared: State) -> State:
        """Return a shared state as a device gets it; the last one is kept: many get the same."""
        who = device if differs(self.method) else self.fleet.parts(device)
        if self._last is None or self._last[0] != (handle, who):
            state = self._download(device, shared)
            crosses, stays = self._divided(state)
            arrived = {**sent(self.codec_down, crosses, "download"), **stays}
            arrived = {name: arrived[name] for name in state}
            self._last = (handle, who), {**arrived, **self._known(shared)}
        return self._last[1]

    def _download(self, device: int, shared: State) -> State:
        shapes = self._shapes(device, "shared")
        state = download(self.method, shared, shapes, device)
        if not self.sends_news:
            expected = dict(sent_down(self.method, shapes))
            check_same(expected, shapes_of(state), f"{type(self.method).__name__}.download")
        return state

    def _divided(self, state: State) -> tuple[State, State]:
        """Return what lies on the device, and what never leaves the server."""
        own = {name: array for name, array in state.items() if on_device(self.method, name)}
        return own, {name: array for name, array in state.items() if name not in own}

    def _known(self, shared: State) -> State:
        return {name: shared[name] for name in self._shapes(-1, "known")}

    def _aggregate(self, task: Aggregate, states: Sequence[State]) -> Result:
        shared, uploads = states[0], states[1 : 1 + len(task.uploads)]
        older = dict(zip(task.older, states[1 + len(task.uploads) :], strict=True))
        received = []
        for upload, weight, device, base, staleness in zip(
            uploads, task.weights, task.devices, task.bases, task.staleness, strict=True
        ):
            began: State = {}
            if self.server.asks_base(self.method, staleness):
                began = self._received(device, base, older.get(base, shared))
            received.append(Upload(upload, weight, device, began, staleness))
        rng = stream(task.seed, "noise") if task.noise else None
        made = combine(
            self.method,
            self.server,
            shared,
            received,
            known=self._shapes(-1, "known"),
            edge=task.edge,
            noise=task.noise,
            rng=rng,
        )
        if not isinstance(self.method, (HoldsMore, Downloads)):
            what = f"{type(self.method).__name__}.aggregate"
            expected = self._shapes(-1, "shared", "known")
            check_same(expected, shapes_of(self.server.without_memory(made)), what)
        return Result({"shared": {name: np.asarray(a, np.float32) for name, a in made.items()}})

    def _evaluate(self, task: Evaluate, shared: State, private: State) -> Result:
        examples = self._placed("test", task.device, task.shard)
        bench = self._bench(task.device)
        received = {**self._download(task.device, shared), **self._known(shared)}
        kept = parted(private)[0]
        bench.load(personal(self.method, received, kept, bench.shapes(bench.parts)))
        if isinstance(self.method, Blends):
            weights = self.method.blend(kept, bench.describe(examples))
            return Result({}, bench.evaluate_blended(examples, weights))
        return Result({}, bench.evaluate(examples))

    def _placed(self, use: str, device: int, fingerprint: str) -> Any:
        """Return the examples of a device where the network computes."""
        if (use, device) not in self._on_device:
            examples = self._examples(use, device, fingerprint)
            self._on_device[use, device] = examples.to(self.model.device)
        return self._on_device[use, device]

    def _examples(self, use: str, device: int, fingerprint: str) -> Any:
        from wfl_sim.learning.causal.conversations import encode as encode_instructions
        from wfl_sim.learning.encoding import encode

        if (use, device) not in self._encoded:
            examples = self._texts(use, device)
            if examples.fingerprint() != fingerprint:
                raise ValueError(f"the task is of other {use} examples of device {device}")
            self._encoded[use, device] = (
                encode_instructions(self._tokenizer, examples)
                if isinstance(examples, Instructions)
                else encode(self._tokenizer, examples, self.tokens, self.padding)
            )
        return self._encoded[use, device]

    def _texts(self, use: str, device: int) -> Examples:
        if use == "test" and device == -1:
            return self.shards.pooled
        if use == "train" and device == -1:
            return self.shards.gathered
        shards = self.shards.train if use == "train" else self.shards.test
        if not 0 <= device < len(shards):
            raise ValueError(f"there are {len(shards)} devices, no device {device}")
        return shards[device]

    def _counted(self, device: int) -> tuple[Workload, Shapes]:
        from wfl_sim.learning.workload import workload_of

        parts = self.fleet.parts(device)
        if parts not in self._workloads:
            workload, shapes = workload_of(
                self.model,
                self.method,
                parts,
                classes=len(self.shards.classes),
                tokens=self.tokens,
                codec_up=self.codec_up,
                codec_down=self.codec_down,
                layout=self._layout,
            )
            if self.privacy is not None:
                workload = self.privacy.on_top(workload, round(workload.aggregate_flops / 2))
            self._workloads[parts] = workload, shapes
        return self._workloads[parts]

    def _shapes(self, device: int, *roles: Role) -> dict[str, tuple[int, ...]]:
        """Return the shapes of a device's parameters that have one of the roles."""
        if (device, roles) not in self._by_role:
            named = {part.name: part for part in self.fleet.parts(device)}
            self._by_role[device, roles] = with_role(named, self._counted(device)[1], *roles)
        return self._by_role[device, roles]

    def _read(self, device: int, *roles: Role) -> State:
        """Return what is on the bench of a device, of the roles."""
        bench, names = self._bench(device), self._shapes(device, *roles)
        values = bench.read(sorted({name.partition("/")[0] for name in names}))
        return {name: values[name] for name in names}

    @cached_property
    def _tokenizer(self) -> "PreTrainedTokenizerBase":
        from wfl_sim.learning.base_model import load_tokenizer

        return load_tokenizer(self.model)

    def _bench(self, device: int) -> "Workbench":
        from wfl_sim.learning.alignment.speaker import Speaker
        from wfl_sim.learning.base_model import load_model
        from wfl_sim.learning.causal.network import load_causal
        from wfl_sim.learning.workbench import Workbench

        parts, layout = self.fleet.parts(device), self._layout
        if parts not in self._benches and layout is None:
            pad = self._tokenizer.pad_token_id
            network = load_model(self.model, len(self.shards.classes), pad)
            self._benches[parts] = Workbench(
                network, parts, self.threads, activations=self.model.activations
            )
        elif parts not in self._benches and layout is not None:
            speaker = Speaker(self._tokenizer, self.method.phases, layout)
            self._benches[parts] = Workbench(load_causal(self.model), parts, self.threads, speaker)
        return self._benches[parts]

    @property
    def _layout(self) -> Layout | None:
        """Lengths of requests and answers, where the examples are instructions."""
        examples = self.shards.pooled
        return examples.layout if isinstance(examples, Instructions) else None


def _states(task: Task, inputs: Sequence[Mapping[str, State]]) -> list[State]:
    """Return the states that come in, of all that was put out with them."""
    return [given[handle.output] for handle, given in zip(task.incoming, inputs, strict=True)]
