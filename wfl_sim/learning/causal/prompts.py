"""Conversations as tensors: requests padded on the left, answers on the right."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from wfl_sim.data.instructions import Instructions, PromptLengths

_ALPACA = "### Instruction:\n{}\n\n### Response:\n"
"""for tokenizers that say nothing of how a conversation is written (R. Taori et al. 2023)"""


@dataclass(frozen=True, eq=False)
class PromptBatch:
    """n requests with an answer each; ids and masks are int64, (n, request) and (n, answer)."""

    request: Tensor
    request_mask: Tensor
    answer: Tensor
    answer_mask: Tensor
    """1 for words, the end of the text included"""

    def __len__(self) -> int:
        return len(self.request)

    @property
    def ids(self) -> Tensor:
        """(n, request + answer)."""
        return torch.cat([self.request, self.answer], 1)

    @property
    def mask(self) -> Tensor:
        """(n, request + answer)."""
        return torch.cat([self.request_mask, self.answer_mask], 1)

    def take(self, indices: Tensor | slice) -> "PromptBatch":
        """Return those at `indices`."""
        return PromptBatch(
            self.request[indices],
            self.request_mask[indices],
            self.answer[indices],
            self.answer_mask[indices],
        )

    def to(self, device: str) -> "PromptBatch":
        """Return them in the memory of a device."""
        return PromptBatch(
            self.request.to(device),
            self.request_mask.to(device),
            self.answer.to(device),
            self.answer_mask.to(device),
        )

    def answered(self, answer: Tensor, mask: Tensor) -> "PromptBatch":
        """Return the same requests with other answers."""
        return PromptBatch(self.request, self.request_mask, answer, mask)


@dataclass(frozen=True, eq=False)
class Conversations:
    """Instructions ready for a network, with what is needed to judge answers."""

    examples: Instructions
    texts: PromptBatch
    rejected: PromptBatch | None

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, indices: Tensor | slice) -> Self:
        """Return the conversations at `indices`."""
        chosen = torch.arange(len(self))[indices].tolist()
        rejected = None if self.rejected is None else self.rejected.take(indices)
        return type(self)(self.examples.subset(chosen), self.texts.take(indices), rejected)

    def to(self, device: str) -> Self:
        """Return the conversations in the memory of a device."""
        rejected = None if self.rejected is None else self.rejected.to(device)
        return type(self)(self.examples, self.texts.to(device), rejected)


def encode(tokenizer: PreTrainedTokenizerBase, examples: Instructions) -> Conversations:
    """Tokenise; of a request that is too long the beginning is lost, of an answer the end."""
    layout = examples.layout
    requests = [format_prompt(tokenizer, text) for text in examples.texts]
    texts = _texts(tokenizer, requests, examples.answers, layout)
    rejected = _texts(tokenizer, requests, examples.rejected, layout) if examples.rejected else None
    return Conversations(examples, texts, rejected)


def format_prompt(tokenizer: PreTrainedTokenizerBase, request: str) -> str:
    """Return a request as the network expects it, up to where its answer begins."""
    if tokenizer.chat_template is None:
        return _ALPACA.format(request)
    message = [{"role": "user", "content": request}]
    return str(tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True))


def decode_answers(tokenizer: PreTrainedTokenizerBase, answer: Tensor, mask: Tensor) -> list[str]:
    """Return answers as texts, without special tokens and what comes after the end."""
    return [
        str(tokenizer.decode(ids[kept.bool()].tolist(), skip_special_tokens=True)).strip()
        for ids, kept in zip(answer, mask, strict=True)
    ]


def blank(count: int, layout: PromptLengths, device: str | torch.device) -> PromptBatch:
    """Return conversations for counting on the meta device."""
    with torch.device(device):
        request = torch.zeros(count, layout.request, dtype=torch.int64)
        answer = torch.zeros(count, layout.answer, dtype=torch.int64)
        return PromptBatch(request, torch.ones_like(request), answer, torch.ones_like(answer))


def _texts(
    tokenizer: PreTrainedTokenizerBase,
    requests: Sequence[str],
    answers: Sequence[str],
    layout: PromptLengths,
) -> PromptBatch:
    def words(text: str) -> list[int]:
        # Not verbose: what exceeds the network is cut by the layout.
        return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    pad, end = tokenizer.pad_token_id, tokenizer.eos_token_id
    request = torch.full((len(requests), layout.request), pad)
    answer = torch.full((len(requests), layout.answer), pad)
    request_mask, answer_mask = torch.zeros_like(request), torch.zeros_like(answer)
    for row, (before, after) in enumerate(zip(requests, answers, strict=True)):
        first = words(before)[-layout.request :]
        then = [*words(after), end][: layout.answer]
        request[row, layout.request - len(first) :] = torch.tensor(first)
        request_mask[row, layout.request - len(first) :] = 1
        answer[row, : len(then)] = torch.tensor(then)
        answer_mask[row, : len(then)] = 1
    return PromptBatch(request, request_mask, answer, answer_mask)
