"""Examples as tensors of token ids, all of one length."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from wfl_sim.learning.data.examples import Examples


class Batchable(Protocol):
    """Examples of a device, ready for the network: `Encoded`, or `Conversations`."""

    def __len__(self) -> int: ...

    def take(self, indices: Tensor | slice) -> Self:
        """Return the examples at `indices`."""

    def to(self, device: str) -> Self:
        """Return the examples in the memory of a device."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """n texts of `tokens` tokens each, padded on the right, and their labels."""

    ids: Tensor
    """(n, tokens) int64"""
    mask: Tensor
    """(n, tokens) int64; 1 for text, 0 for padding"""
    labels: Tensor
    """(n,) int64"""

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Tensor | slice) -> Self:
        """Return the texts at `indices`."""
        return type(self)(self.ids[indices], self.mask[indices], self.labels[indices])

    def to(self, device: str | torch.device) -> Self:
        """Return the same texts on a device."""
        return type(self)(self.ids.to(device), self.mask.to(device), self.labels.to(device))


def joined(several: Sequence[Encoded]) -> Encoded:
    """Return texts of one length, one after the other."""
    return Encoded(
        torch.cat([each.ids for each in several]),
        torch.cat([each.mask for each in several]),
        torch.cat([each.labels for each in several]),
    )


def encode(tokenizer: PreTrainedTokenizerBase, examples: Examples, tokens: int) -> Encoded:
    """Tokenise texts, each cut or padded to exactly `tokens` tokens."""
    if not len(examples):
        none = torch.empty(0, tokens, dtype=torch.int64)
        return Encoded(none, none, none[:, 0])
    batch = tokenizer(
        list(examples.texts),
        padding="max_length",
        truncation=True,
        max_length=tokens,
        return_tensors="pt",
        return_token_type_ids=False,
    )
    labels = torch.tensor(examples.labels)
    return Encoded(batch["input_ids"], batch["attention_mask"], labels)


def blank(batch: int, tokens: int, device: str | torch.device) -> Encoded:
    """Return a full batch for counting on the meta device.

    Its mask is the one that layers add to attention, (batch, 1, tokens, tokens): networks build it
    by looking at the values of a mask of padding, and on the meta device there are none.
    """
    with torch.device(device):
        ids = torch.zeros(batch, tokens, dtype=torch.int64)
        mask = torch.zeros(batch, 1, tokens, tokens)
        return Encoded(ids, mask, torch.zeros(batch, dtype=torch.int64))
