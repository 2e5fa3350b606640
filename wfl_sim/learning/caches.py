"""What a learner keeps in memory: the encoded texts of each device, and a network for each rank."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from wfl_sim.data.examples import Examples, Padding, Shards
from wfl_sim.data.instructions import Instructions, PromptLengths
from wfl_sim.data.metrics import Judge, Metric, named
from wfl_sim.learning.pretrained_model import Pretrained
from wfl_sim.learning.retrieval import retrieval_of
from wfl_sim.methods.parts import Part
from wfl_sim.methods.phases import Phase

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from wfl_sim.learning.adapted_model import AdaptedModel
    from wfl_sim.learning.tokenized import Batchable

Use = Literal["train", "test"]


class EncodedShards:
    """Encodes the examples of a device when they are first asked for, and keeps them.

    Device -1 has the texts that were gathered from all devices to train on, and the pooled
    held-out ones.

    Args:
        model: its tokenizer encodes the texts; its device holds them.
        shards: the devices' examples.
        tokens: length to which every text is cut or padded.
        padding: how long the texts of a batch are made.
        phases: of the method; they tell how many documents stand before a request.
    """

    def __init__(
        self,
        model: Pretrained,
        shards: Shards,
        tokens: int,
        padding: Padding,
        phases: Sequence[Phase] = (),
    ) -> None:
        self.retrieval = retrieval_of(phases, shards.documents)
        """Puts documents before requests; None where nothing is retrieved."""
        self._model = model
        self._shards = shards
        self._tokens = tokens
        self._padding = padding
        self._encoded: dict[tuple[Use, int], Batchable] = {}
        self._placed: dict[tuple[Use, int], Batchable] = {}

    def __repr__(self) -> str:
        encoded = len(self._encoded)
        return f"EncodedShards({self._shards!r}, tokens={self._tokens}, {encoded} encoded)"

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what every process makes for itself."""
        kept = {name: value for name, value in self.__dict__.items() if name != "tokenizer"}
        return {**kept, "_encoded": {}, "_placed": {}}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the labels."""
        return self._shards.classes

    @property
    def classes(self) -> int:
        """Number of labels."""
        return len(self._shards.classes)

    @property
    def layout(self) -> PromptLengths | None:
        """Lengths of requests and answers, where the examples are instructions."""
        examples = self._shards.pooled
        return examples.layout if isinstance(examples, Instructions) else None

    @cached_property
    def tokenizer(self) -> "PreTrainedTokenizerBase":
        """The tokenizer of the model."""
        from wfl_sim.learning.model_loading import load_tokenizer

        return load_tokenizer(self._model)

    def examples(self, use: Use, device: int) -> Examples:
        """Return the examples of a device as they are in the data.

        Raises:
            ValueError: there is no such device.
        """
        if device == -1:
            return self._shards.pooled if use == "test" else self._shards.gathered
        shards = self._shards.train if use == "train" else self._shards.test
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
                else encode(self.tokenizer, examples, self._tokens, self._padding)
            )
        return self._encoded[use, device]

    def placed(self, use: Use, device: int, fingerprint: str) -> Any:
        """Return the encoded examples of a device in the memory of the network's processor."""
        if (use, device) not in self._placed:
            examples = self.encoded(use, device, fingerprint)
            self._placed[use, device] = examples.to(self._model.device)
        return self._placed[use, device]


class ModelCache:
    """Loads a network when it is first asked for, and keeps it.

    Args:
        model: the base model.
        phases: phases of the method; they decide how a language model is evaluated.
        examples: their tokenizer and labels, and whether they are instructions.
        threads: threads of torch.
        metrics: of evaluations, beside the usual ones.
    """

    def __init__(
        self,
        model: Pretrained,
        phases: Sequence[Phase],
        examples: EncodedShards,
        threads: int,
        metrics: Sequence[Metric] = (),
    ) -> None:
        self._judge = Judge(metrics=named(metrics), classes=examples.names) if metrics else None
        self._model = model
        self._phases = phases
        self._examples = examples
        self._threads = threads
        self._loaded: dict[tuple[Part, ...], AdaptedModel] = {}

    def __repr__(self) -> str:
        return f"ModelCache({self._model!r}, {len(self)} loaded)"

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
        from wfl_sim.learning.model_loading import load_causal, load_model
        from wfl_sim.learning.peft_folder import begin_with

        tokenizer, layout = self._examples.tokenizer, self._examples.layout
        if layout is not None:
            network = load_causal(self._model)
            return LanguageModel(
                network,
                parts,
                self._threads,
                tokenizer=tokenizer,
                phases=self._phases,
                layout=layout,
                judge=self._judge,
                begin=begin_with(self._model, network, parts),
            )
        network = load_model(self._model, self._examples.classes, tokenizer.pad_token_id)
        return AdaptedModel(
            network,
            parts,
            self._threads,
            activations=self._model.activations,
            compiled=self._model.compile,
            judge=self._judge,
            begin=begin_with(self._model, network, parts),
        )
