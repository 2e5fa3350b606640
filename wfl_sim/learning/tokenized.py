"""Examples as tensors of token ids, padded to one length, of which a batch may take less."""

from collections.abc import Sequence
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

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Tensor | slice) -> Self:
        """Return the texts at `indices`, no longer than the padding asks for."""
        ids, mask = self.ids[indices], self.mask[indices]
        if self.padding != "fixed":
            width = padded(int(mask.sum(dim=1).max()), self.ids.shape[1])
            ids, mask = ids[:, :width], mask[:, :width]
        return replace(self, ids=ids, mask=mask, labels=self.labels[indices])

    def lengths(self) -> NDArray[np.int64]:
        """Return the tokens of each text, without padding."""
        return self.mask.sum(dim=1).cpu().numpy()

    def to(self, device: str | torch.device) -> Self:
        """Return the same texts on a device."""
        if self.ids.device.type == torch.device(device).type:
            return self
        return replace(
            self,
            ids=self.ids.to(device),
            mask=self.mask.to(device),
            labels=self.labels.to(device),
        )


def bucketed(examples: object) -> NDArray[np.int64] | None:
    """Return the tokens of each text where texts of like length go together."""
    if isinstance(examples, TokenizedTexts) and examples.padding == "bucketed":
        return examples.lengths()
    return None


def joined(several: Sequence[TokenizedTexts]) -> TokenizedTexts:
    """Return texts of one length, one after the other."""
    return replace(
        several[0],
        ids=torch.cat([each.ids for each in several]),
        mask=torch.cat([each.mask for each in several]),
        labels=torch.cat([each.labels for each in several]),
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

    Args:
        tokenizer: tokenizer of the network.
        examples: texts and labels.
        tokens: most of a text.
        padding: how much of it a batch keeps.
    """
    if not len(examples):
        none = torch.empty(0, tokens, dtype=torch.int64)
        return TokenizedTexts(none, none, none[:, 0])
    batch = tokenizer(
        list(examples.texts),
        padding="max_length",
        truncation=True,
        max_length=tokens,
        return_token_type_ids=False,
    )
    # By way of NumPy: what makes tensors of lists in transformers takes longer than the tokenizer.
    ids, mask = (
        torch.from_numpy(np.array(batch[each])) for each in ("input_ids", "attention_mask")
    )
    return TokenizedTexts(ids, mask, torch.tensor(examples.labels), padding)


def dummy_batch(batch: int, tokens: int, device: str | torch.device) -> TokenizedTexts:
    """Return a full batch for counting on the meta device."""
    with torch.device(device):
        ids = torch.zeros(batch, tokens, dtype=torch.int64)
        labels = torch.zeros(batch, dtype=torch.int64)
        return TokenizedTexts(ids, torch.ones_like(ids), labels)
