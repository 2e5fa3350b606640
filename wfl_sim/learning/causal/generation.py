"""Generation of answers of a fixed length, token by token, with a cache of keys and values."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Generator, Tensor
from torch.nn.utils import parametrize
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

from wfl_sim.learning.causal.attention import attention_mask, positions
from wfl_sim.learning.causal.prompts import PromptBatch
from wfl_sim.methods.objectives import Sparsity


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """How a network generates."""

    sparsity: Sparsity
    temperature: float
    """Divisor of the logits."""
    end: int
    """Id of the token that ends a text."""
    pad: int
    """Id of the token after the end."""

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, sparsity: Sparsity, temperature: float) -> Self:
        """Return the decoding with the special tokens of a tokenizer."""
        end, pad = int(tokenizer.eos_token_id), int(tokenizer.pad_token_id)
        return cls(sparsity=sparsity, temperature=temperature, end=end, pad=pad)


def generate(
    model: PreTrainedModel,
    prompts: PromptBatch,
    decoding: Decoding,
    rng: Generator | None,
    cache: DynamicCache | None = None,
) -> PromptBatch:
    """Return the requests with answers of the network.

    An answer ends with the token `end` or at its full length; padding follows. A device pays for
    the full length, as in a batch with one answer of that length; here the work stops when all
    answers have ended, which changes no result.

    Args:
        model: in evaluation mode.
        prompts: requests; the length of their answers is that of the new ones.
        decoding: sparsity, temperature, special tokens.
        rng: draws the tokens; None takes the most likely.
        cache: an empty one, to be read afterwards.
    """
    count, length = prompts.answer.shape
    mask = torch.cat([prompts.request_mask, torch.ones_like(prompts.answer)], 1)
    places = positions(mask)
    attention = attention_mask(mask, decoding.sparsity)
    first = prompts.request.shape[1]
    cache = DynamicCache() if cache is None else cache
    inputs, done = prompts.request, 0
    answer = torch.full_like(prompts.answer, decoding.pad)
    answer_mask = torch.zeros_like(prompts.answer_mask)
    unfinished = torch.ones(count, dtype=torch.bool, device=answer.device)
    with torch.no_grad(), parametrize.cached():
        for place in range(length):
            upto = first + place
            logits = model(
                input_ids=inputs,
                attention_mask=attention[:, :, done:upto, :upto],
                position_ids=places[:, done:upto],
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
            token = sample_tokens(logits / decoding.temperature, rng)
            answer[:, place] = torch.where(unfinished, token, decoding.pad)
            answer_mask[:, place] = unfinished.to(answer_mask.dtype)
            unfinished = unfinished & (token != decoding.end)
            if answer.device.type != "meta" and not bool(unfinished.any()):
                break
            inputs, done = answer[:, place : place + 1], upto
    return prompts.with_answers(answer, answer_mask)


def sample_tokens(logits: Tensor, rng: Generator | None) -> Tensor:
    """Return a token of each row of logits (n, words): drawn from their softmax, or the largest.

    E. Gumbel: argmax(logits - log(-log u)) is distributed as the softmax says.
    """
    if rng is None or logits.device.type == "meta":
        return logits.argmax(-1)
    uniform = torch.rand(logits.shape, generator=rng, device=rng.device).to(logits.device)
    noise = -torch.log(-torch.log(uniform.clamp(1e-10, 1 - 1e-7)))
    return (logits + noise).argmax(-1)
