"""Requests and answers as tensors: requests padded on the left, answers on the right."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Self

import torch
from jinja2 import TemplateError
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from wfl_sim.data.dialogues import Turn
from wfl_sim.data.examples import Instructions, PromptLengths

_ALPACA = "### Instruction:\n{}\n\n### Response:\n"
"""Prompt of tokenizers without a chat template (R. Taori et al., Stanford Alpaca, 2023)."""


@dataclass(frozen=True, eq=False)
class PromptBatch:
    """n requests with an answer each; ids and masks are int64, (n, request) and (n, answer)."""

    request: Tensor
    request_mask: Tensor
    answer: Tensor
    answer_mask: Tensor
    """1 for tokens of the answer, the end of the text included; 0 for padding."""

    def __len__(self) -> int:
        return len(self.request)

    @property
    def ids(self) -> Tensor:
        """Ids of requests and answers, (n, request + answer)."""
        return torch.cat([self.request, self.answer], 1)

    @property
    def mask(self) -> Tensor:
        """Masks of requests and answers, (n, request + answer)."""
        return torch.cat([self.request_mask, self.answer_mask], 1)

    def take(self, indices: Tensor | slice) -> "PromptBatch":
        """Return the rows at `indices`."""
        return self._map(lambda tensor: tensor[indices])

    def to(self, device: str) -> "PromptBatch":
        """Return the batch in the memory of a device."""
        return self._map(lambda tensor: tensor.to(device))

    def with_answers(self, answer: Tensor, mask: Tensor) -> "PromptBatch":
        """Return the same requests with other answers."""
        return PromptBatch(self.request, self.request_mask, answer, mask)

    def split(self, size: int) -> Iterator["PromptBatch"]:
        """Yield batches of `size` rows; the last may have fewer."""
        for first in range(0, len(self), size):
            yield self.take(slice(first, first + size))

    def trimmed(self) -> "PromptBatch":
        """Return the batch without the padding that all rows have."""
        first = int(self.request_mask.any(0).int().argmax())
        last = int(self.answer_mask.sum(1).max())
        return PromptBatch(
            self.request[:, first:],
            self.request_mask[:, first:],
            self.answer[:, :last],
            self.answer_mask[:, :last],
        )

    def whole(self) -> "PromptBatch":
        """Return the batch as answers to its first column, so that every word is learned."""
        ids, mask = self.ids, self.mask
        return PromptBatch(ids[:, :1], mask[:, :1], ids[:, 1:], mask[:, 1:])

    def _map(self, function: Callable[[Tensor], Tensor]) -> "PromptBatch":
        return PromptBatch(*(function(getattr(self, field.name)) for field in fields(self)))


def joined(batches: Sequence[PromptBatch]) -> PromptBatch:
    """Return the rows of all batches, one batch after the other."""
    columns = ([getattr(batch, field.name) for batch in batches] for field in fields(PromptBatch))
    return PromptBatch(*(torch.cat(column) for column in columns))


@dataclass(frozen=True, eq=False)
class Conversations:
    """Instructions and their tokens."""

    examples: Instructions
    texts: PromptBatch
    rejected: PromptBatch | None
    """The same requests with the answers that were not preferred, for DPO."""

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, indices: Tensor | slice) -> Self:
        """Return the conversations at `indices`."""
        chosen = torch.arange(len(self))[indices].tolist()
        rejected = None if self.rejected is None else self.rejected.take(indices)
        return type(self)(self.examples.subset(chosen), self.texts.take(indices), rejected)

    def split(self, size: int) -> Iterator[Self]:
        """Yield `size` conversations at a time; the last may be fewer."""
        for first in range(0, len(self), size):
            yield self.take(slice(first, first + size))

    def to(self, device: str) -> Self:
        """Return the conversations in the memory of a device."""
        rejected = None if self.rejected is None else self.rejected.to(device)
        return type(self)(self.examples, self.texts.to(device), rejected)


def encode(tokenizer: PreTrainedTokenizerBase, examples: Instructions) -> Conversations:
    """Tokenise; a request that is too long loses its beginning, an answer its end.

    Documents that were retrieved for a request stand before it in its turn, a line for each.
    Without a chat template a request begins with what the tokenizer puts before every text (BOS).
    """
    layout = examples.layout
    earlier = examples.earlier or [()] * len(examples)
    found = examples.retrieved or [()] * len(examples)
    asked = ["\n".join([*each, text]) for each, text in zip(found, examples.texts, strict=True)]
    requests = [format_prompt(tokenizer, *each) for each in zip(asked, earlier, strict=True)]
    texts = _encode(tokenizer, requests, examples.answers, layout)
    rejected = (
        _encode(tokenizer, requests, examples.rejected, layout) if examples.rejected else None
    )
    return Conversations(examples, texts, rejected)


def format_prompt(
    tokenizer: PreTrainedTokenizerBase, request: str, earlier: Sequence[Turn] = ()
) -> str:
    """Return a request as the network expects it, up to where its answer begins.

    Args:
        tokenizer: its chat template is used, or Alpaca's form without one.
        request: the last that was asked.
        earlier: what was said before. A system prompt stands at the head of the first request where
            the template knows none.
    """
    turns = [*earlier, ("user", request)]
    if tokenizer.chat_template is None:
        forms = {"system": "{}\n\n", "user": _ALPACA, "assistant": "{}\n\n"}
        return "".join(forms[role].format(text) for role, text in turns)
    try:
        return _templated(tokenizer, turns)
    except TemplateError:
        if turns[0][0] != "system" or turns[1][0] != "user":
            raise
        first = ("user", f"{turns[0][1]}\n\n{turns[1][1]}")
        return _templated(tokenizer, [first, *turns[2:]])


def start_of(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return what stands before every text (BOS); a chat template has its own."""
    if tokenizer.chat_template is not None or tokenizer.bos_token_id is None:
        return []
    first = list(tokenizer("a")["input_ids"][:1])
    return first if first == [tokenizer.bos_token_id] else []


def _templated(tokenizer: PreTrainedTokenizerBase, turns: Sequence[Turn]) -> str:
    messages = [{"role": role, "content": text} for role, text in turns]
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def decode_answers(tokenizer: PreTrainedTokenizerBase, texts: PromptBatch) -> list[str]:
    """Return answers as texts, without special tokens and padding."""
    end = tokenizer.eos_token_id
    return [
        str(
            tokenizer.decode(ids[kept.bool() & (ids != end)].tolist(), skip_special_tokens=True)
        ).strip()
        for ids, kept in zip(texts.answer, texts.answer_mask, strict=True)
    ]


def dummy_prompts(count: int, layout: PromptLengths) -> PromptBatch:
    """Return prompts on the meta device, for counting."""
    request = torch.zeros(count, layout.request, dtype=torch.int64, device="meta")
    answer = torch.zeros(count, layout.answer, dtype=torch.int64, device="meta")
    return PromptBatch(request, torch.ones_like(request), answer, torch.ones_like(answer))


def _encode(
    tokenizer: PreTrainedTokenizerBase,
    requests: Sequence[str],
    answers: Sequence[str],
    layout: PromptLengths,
) -> PromptBatch:
    def tokens(text: str) -> list[int]:
        # Not verbose: what exceeds the network is cut by the layout.
        return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    pad, end = tokenizer.pad_token_id, tokenizer.eos_token_id
    start = start_of(tokenizer)
    request = torch.full((len(requests), layout.request), pad)
    answer = torch.full((len(requests), layout.answer), pad)
    request_mask, answer_mask = torch.zeros_like(request), torch.zeros_like(answer)
    for row, (before, after) in enumerate(zip(requests, answers, strict=True)):
        first = [*start, *tokens(before)[len(start) - layout.request :]]
        then = [*tokens(after), end][: layout.answer]
        request[row, layout.request - len(first) :] = torch.tensor(first)
        request_mask[row, layout.request - len(first) :] = 1
        answer[row, : len(then)] = torch.tensor(then)
        answer_mask[row, : len(then)] = 1
    return PromptBatch(request, request_mask, answer, answer_mask)
