"""What all tasks of a learner share: its settings, and the texts and networks in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from wfl_sim.codecs.codec import Codec
from wfl_sim.config.fields import Bounded, PositiveInt
from wfl_sim.data.examples import Examples, Instructions, Padding, PromptLengths, Shards
from wfl_sim.data.metrics import Judge, NamedMetrics
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.retrieval import Retrieval, retrieval_of
from wfl_sim.methods.device_parts import DeviceParts
from wfl_sim.methods.method import Method
from wfl_sim.methods.parts import Part
from wfl_sim.methods.phases import Phase
from wfl_sim.methods.privacy import Privacy
from wfl_sim.methods.server import AggregationConfig

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from wfl_sim.learning.adapted_model import AdaptedModel
    from wfl_sim.learning.tokenized import Batchable


Use = Literal["train", "test"]


@dataclass(frozen=True, eq=False)
class EncodedShards:
    """Encodes the examples of a device when they are first asked for, and keeps them.

    Device -1 has the texts that were gathered from all devices to train on, and the pooled
    held-out ones.
    """

    model: Pretrained
    """Its tokenizer encodes the texts; its device holds them."""
    shards: Shards
    tokens: int
    """Length to which every text is cut or padded."""
    padding: Padding
    """How long the texts of a batch are made."""
    phases: Sequence[Phase]
    """Of the method; they tell how many documents stand before a request."""
    _encoded: "dict[tuple[Use, int], Batchable]" = field(default_factory=dict, init=False)
    _placed: "dict[tuple[Use, int], Batchable]" = field(default_factory=dict, init=False)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what every process makes for itself."""
        kept = {name: value for name, value in self.__dict__.items() if name != "tokenizer"}
        return {**kept, "_encoded": {}, "_placed": {}}

    @cached_property
    def retrieval(self) -> Retrieval | None:
        """Puts documents before requests; None where nothing is retrieved."""
        return retrieval_of(self.phases, self.shards.documents)

    @property
    def classes(self) -> int:
        """Number of labels."""
        return len(self.shards.classes)

    @property
    def layout(self) -> PromptLengths | None:
        """Lengths of requests and answers, where the examples are instructions."""
        examples = self.shards.pooled
        return examples.layout if isinstance(examples, Instructions) else None

    @cached_property
    def tokenizer(self) -> "PreTrainedTokenizerBase":
        """The tokenizer of the model."""
        from wfl_sim.learning.base_models.model_loading import load_tokenizer

        return load_tokenizer(self.model)

    def examples(self, use: Use, device: int) -> Examples:
        """Return the examples of a device as they are in the data.

        Raises:
            ValueError: there is no such device.
        """
        if device == -1:
            return self.shards.pooled if use == "test" else self.shards.gathered
        shards = self.shards.train if use == "train" else self.shards.test
        if not 0 <= device < len(shards):
            raise ValueError(f"there are {len(shards)} devices, no device {device}")
        return shards[device]

    def encoded(self, use: Use, device: int, fingerprint: str) -> Any:
        """Return the examples of a device as token ids, in the host's memory.

        Raises:
            ValueError: they have another fingerprint, or there is no such device.
        """
        from wfl_sim.learning.causal.prompts import encode as encode_instructions
        from wfl_sim.learning.tokenized import encode

        if (use, device) not in self._encoded:
            examples = self.examples(use, device)
            if examples.fingerprint() != fingerprint:
                raise ValueError(f"the task is of other {use} examples of device {device}")
            if self.retrieval is not None and isinstance(examples, Instructions):
                examples = self.retrieval.with_documents(examples)
            self._encoded[use, device] = (
                encode_instructions(self.tokenizer, examples)
                if isinstance(examples, Instructions)
                else encode(self.tokenizer, examples, self.tokens, self.padding)
            )
        return self._encoded[use, device]

    def placed(self, use: Use, device: int, fingerprint: str) -> Any:
        """Return the encoded examples of a device in the memory of the network's processor."""
        if (use, device) not in self._placed:
            examples = self.encoded(use, device, fingerprint)
            self._placed[use, device] = examples.to(self.model.device)
        return self._placed[use, device]


@dataclass(frozen=True, eq=False)
class ModelCache:
    """Loads a network when it is first asked for, and keeps it."""

    examples: EncodedShards
    """Their model and labels, and whether they are instructions."""
    threads: int
    """Of torch."""
    metrics: NamedMetrics
    """Of evaluations, beside the usual ones."""
    _loaded: "dict[tuple[Part, ...], AdaptedModel]" = field(default_factory=dict, init=False)

    def __len__(self) -> int:
        return len(self._loaded)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the networks, which every process loads for itself."""
        return {**self.__dict__, "_loaded": {}}

    def of(self, parts: tuple[Part, ...]) -> "AdaptedModel":
        """Return the network with some parts; all devices that have these parts share it."""
        if parts not in self._loaded:
            self._loaded[parts] = self._load(parts)
        return self._loaded[parts]

    def _load(self, parts: tuple[Part, ...]) -> "AdaptedModel":
        from wfl_sim.learning.adapted_model import AdaptedModel
        from wfl_sim.learning.alignment.language_model import LanguageModel
        from wfl_sim.learning.base_models.model_loading import load_causal, load_model
        from wfl_sim.learning.peft.peft_folder import begin_with

        examples, model = self.examples, self.examples.model
        judge = None
        if self.metrics:
            judge = Judge(metrics=self.metrics, classes=examples.shards.classes)
        if examples.layout is not None:
            network = load_causal(model)
            return LanguageModel(
                network,
                parts,
                self.threads,
                tokenizer=examples.tokenizer,
                phases=examples.phases,
                layout=examples.layout,
                judge=judge,
                begin=begin_with(model, network, parts),
            )
        network = load_model(model, examples.classes, examples.tokenizer.pad_token_id)
        return AdaptedModel(
            network,
            parts,
            self.threads,
            activations=model.activations,
            compiled=model.compile,
            judge=judge,
            begin=begin_with(model, network, parts),
        )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LearnerContext(Bounded):
    """What counts or executes tasks of a learner is given the learner as this."""

    model: Pretrained
    method: Method
    shards: Shards
    """The devices' examples."""
    tokens: PositiveInt
    """Length to which every text is cut or padded."""
    codec_up: Codec
    """Codec of uploads."""
    codec_down: Codec
    """Codec of the shared state as it is sent to devices."""
    server: AggregationConfig = field(default_factory=AggregationConfig)
    """What the server does with an aggregate."""
    ranks: Sequence[int | None] = ()
    """Rank of each device whose group has one of its own."""
    privacy: Privacy | None = None
    """What is done to an update before it is encoded, and what protects it on its way."""
    threads: PositiveInt = 1
    """Threads of torch in every task. They decide the last bits, so they are in the recipe."""
    padding: Padding = "fixed"
    """How long the texts of a batch are made."""
    metrics: NamedMetrics = ()
    """Of evaluations, beside the usual ones."""

    @cached_property
    def phases(self) -> tuple[Phase, ...]:
        """The phases of `method`, which builds them anew whenever it is asked."""
        return self.method.phases

    @cached_property
    def device_parts(self) -> DeviceParts:
        """The parts of each device."""
        return DeviceParts(self.method, self.ranks)

    @cached_property
    def examples(self) -> EncodedShards:
        """The examples of each device."""
        return EncodedShards(self.model, self.shards, self.tokens, self.padding, self.phases)

    @cached_property
    def models(self) -> ModelCache:
        """A network for each rank among the devices."""
        return ModelCache(self.examples, self.threads, self.metrics)

    def phases_of(self, device: int) -> Sequence[Phase]:
        """Return the phases with the steps that a device takes; -1 has the texts of all."""
        if not any(phase.local.epochs for phase in self.phases):
            return self.phases
        size = len(self.examples.examples("train", device))
        return [phase.of(size) for phase in self.phases]
