"""Texts: the examples of every device, as numbers, on the processor where the network computes."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from wfl_sim.data.examples import Examples, Padding, Shards
from wfl_sim.data.instructions import Instructions, PromptLengths
from wfl_sim.learning.pretrained_model import Pretrained

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from wfl_sim.learning.tokenized import Batchable

Use = Literal["train", "test"]


class EncodedShards:
    """Encodes the examples of a device when they are first asked for, and keeps them.

    Device -1 has the texts that were gathered from all devices to train on, and the pooled
    held-out ones.
    """

    def __init__(self, model: Pretrained, shards: Shards, tokens: int, padding: Padding) -> None:
        """Encode nothing yet.

        Args:
            model: whose tokenizer and processor they are for.
            shards: the devices' examples.
            tokens: length to which every text is cut or padded.
            padding: how long the texts of a batch are made.
        """
        self._model = model
        self._shards = shards
        self._tokens = tokens
        self._padding = padding
        self._encoded: dict[tuple[Use, int], Batchable] = {}
        self._placed: dict[tuple[Use, int], Batchable] = {}

    def __repr__(self) -> str:
        return f"Texts({self._shards!r}, tokens={self._tokens}, {len(self._encoded)} encoded)"

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what every process makes for itself."""
        kept = {name: value for name, value in self.__dict__.items() if name != "tokenizer"}
        return {**kept, "_encoded": {}, "_placed": {}}

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
        """Return the examples of a device as numbers, in the host's memory.

        Raises:
            ValueError: they have another fingerprint, or there is no such device.
        """
        from wfl_sim.learning.causal.prompts import encode as encode_instructions
        from wfl_sim.learning.tokenized import encode

        if (use, device) not in self._encoded:
            examples = self.examples(use, device)
            if examples.fingerprint() != fingerprint:
                raise ValueError(f"the task is of other {use} examples of device {device}")
            self._encoded[use, device] = (
                encode_instructions(self.tokenizer, examples)
                if isinstance(examples, Instructions)
                else encode(self.tokenizer, examples, self._tokens, self._padding)
            )
        return self._encoded[use, device]

    def placed(self, use: Use, device: int, fingerprint: str) -> Any:
        """Return the encoded examples of a device where the network computes."""
        if (use, device) not in self._placed:
            examples = self.encoded(use, device, fingerprint)
            self._placed[use, device] = examples.to(self._model.device)
        return self._placed[use, device]
