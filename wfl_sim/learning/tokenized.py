"""Examples as tensors of token ids, padded to one length, of which a batch may take less."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from wfl_sim.data.examples import Examples, Padding

_STEP: Final = 8


class Batchable(Protocol):
    """Examples of a device, ready for the network: `TokenizedTexts`, or `Conversations`."""

    def __len__(self) -> int: ...

    def take(self, indices: Tensor | slice) -> Self:
        """Return the examples at `indices`."""

    def split(self, size: int) -> Iterator[Self]:
        """Yield `size` examples at a time, as wide as they are here; the last may be fewer."""

    def to(self, device: str) -> Self:
        """Return the examples in the memory of a device."""


@dataclass(frozen=True, eq=False)
class TokenizedTexts:
    """n texts of `tokens` tokens each, padded on the right, and their labels."""

    ids: Tensor
    """(n, tokens) int64"""
    mask: Tensor
    """(n, tokens) int64; 1 for text, 0 for padding"""
    labels: Tensor
    """(n,) int64"""
    padding: Padding = "fixed"
    segments: Tensor | None = None
    """(n, tokens) int64; 1 for tokens of the second text of a pair. None without pairs, and where
    the network has none."""

    @property
    def inputs(self) -> dict[str, Tensor]:
        """What the network reads.

        On the meta device there are no values of a mask to look at, and the network gets none.
        """
        masked = {} if self.mask.device.type == "meta" else {"attention_mask": self.mask}
        segments = {} if self.segments is None else {"token_type_ids": self.segments}
        return {"input_ids": self.ids, **masked, **segments}

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Tensor | slice) -> Self:
        """Return the texts at `indices`, no longer than the padding asks for."""
        taken = self._map(lambda each: each[indices])
        if self.padding == "fixed":
            return taken
        width = padded(int(taken.mask.sum(dim=1).max()), self.ids.shape[1])
        return taken._map(lambda each: each[:, :width] if each.dim() == 2 else each)

    def split(self, size: int) -> Iterator[Self]:
        """Yield `size` texts at a time, as wide as they are here; the last may be fewer."""
        for first in range(0, len(self), size):
            rows = slice(first, first + size)
            yield self._map(lambda each, rows=rows: each[rows])  # type: ignore[misc]

    def lengths(self) -> NDArray[np.int64]:
        """Return the tokens of each text, without padding."""
        return self.mask.sum(dim=1).cpu().numpy()

    def to(self, device: str | torch.device) -> Self:
        """Return the same texts on a device."""
        if self.ids.device.type == torch.device(device).type:
            return self
        return self._map(lambda each: each.to(device))

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        segments = None if self.segments is None else function(self.segments)
        ids, mask, labels = (function(each) for each in (self.ids, self.mask, self.labels))
        return replace(self, ids=ids, mask=mask, labels=labels, segments=segments)


def joined(several: Sequence[TokenizedTexts]) -> TokenizedTexts:
    """Return texts of one length, one after the other."""
    segments = [each.segments for each in several if each.segments is not None]
    return replace(
        several[0],
        ids=torch.cat([each.ids for each in several]),
        mask=torch.cat([each.mask for each in several]),
        labels=torch.cat([each.labels for each in several]),
        segments=None if several[0].segments is None else torch.cat(segments),
    )


def padded(length: int, most: int) -> int:
    """Return the tokens of a batch whose longest text has `length`: a multiple of 8 below `most`.

    Kernels like such sides, and there are few of them whose costs must be counted.
    """
    return min(-(-length // _STEP) * _STEP, most)


def encode(
    tokenizer: PreTrainedTokenizerBase,
    examples: Examples,
    tokens: int,
    padding: Padding = "fixed",
) -> TokenizedTexts:
    """Tokenise texts, each cut or padded to exactly `tokens` tokens.

    Between the texts of a pair are the special tokens of the tokenizer, or the end of a line where
    it has none for pairs. Of a pair that is too long the longer text is cut.
    """
    if not len(examples):
        none = torch.empty(0, tokens, dtype=torch.int64)
        return TokenizedTexts(none, none, none[:, 0])
    texts, pairs = list(examples.texts), list(examples.pairs)
    added = tokenizer.num_special_tokens_to_add
    if pairs and added(pair=True) == added(pair=False):
        texts, pairs = [f"{a}\n{b}" for a, b in zip(texts, pairs, strict=True)], []
    batch = tokenizer(
        texts,
        pairs or None,
        padding="max_length",
        truncation=True,
        max_length=tokens,
        return_token_type_ids=bool(pairs) and "token_type_ids" in tokenizer.model_input_names,
    )
    # By way of NumPy: what makes tensors of lists in transformers takes longer than the tokenizer.
    ids, mask = (
        torch.from_numpy(np.array(batch[each])) for each in ("input_ids", "attention_mask")
    )
    segments = batch.get("token_type_ids")
    segments = None if segments is None else torch.from_numpy(np.array(segments))
    return TokenizedTexts(ids, mask, torch.tensor(examples.labels), padding, segments)


def dummy_batch(batch: int, tokens: int, device: str | torch.device) -> TokenizedTexts:
    """Return a full batch for counting on the meta device."""
    with torch.device(device):
        ids = torch.zeros(batch, tokens, dtype=torch.int64)
        labels = torch.zeros(batch, dtype=torch.int64)
        return TokenizedTexts(ids, torch.ones_like(ids), labels)
