"""Generation of answers of a fixed length, token by token, with a cache of keys and values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Generator, Tensor
from torch.nn.utils import parametrize
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

from wfl_sim.learning.causal.attention import AttentionInputs, cache_argument, takes
from wfl_sim.learning.causal.prompts import PromptBatch
from wfl_sim.learning.torch_settings import in_precision
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
    other_ends: tuple[int, ...] = ()
    """Ids of other tokens that end a text, too."""

    @classmethod
    def of(
        cls,
        tokenizer: PreTrainedTokenizerBase,
        model: PreTrainedModel,
        sparsity: Sparsity,
        temperature: float,
    ) -> Self:
        """Return the decoding with the ends of a tokenizer and of generation_config.json."""
        named = getattr(model.generation_config, "eos_token_id", None)
        named = [named] if isinstance(named, int) else named
        return cls(
            sparsity=sparsity,
            temperature=temperature,
            end=int(tokenizer.eos_token_id),
            pad=int(tokenizer.pad_token_id),
            other_ends=tuple(named or ()),
        )


def generate(
    model: PreTrainedModel,
    prompts: PromptBatch,
    decoding: Decoding,
    generators: Sequence[Generator | None],
    cache: DynamicCache | None = None,
) -> PromptBatch:
    """Return the requests with answers of the network.

    An answer ends with a token that ends a text, or at its full length; padding follows. A device
    pays for the full length, as in a batch with one answer of that length; here the work stops when
    all answers have ended, which changes no result. A network that takes no cache reads the whole
    text again for each token.

    Args:
        model: in evaluation mode.
        prompts: requests; the length of their answers is that of the new ones.
        decoding: sparsity, temperature, special tokens.
        generators: draw the tokens of equal shares of the requests, each as it would alone; None
            takes the most likely.
        cache: an empty one, to be read afterwards.
    """
    count, length = prompts.answer.shape
    mask = torch.cat([prompts.request_mask, torch.ones_like(prompts.answer)], 1)
    attention = AttentionInputs(model, mask, decoding.sparsity)
    first = prompts.request.shape[1]
    cache = DynamicCache(config=model.config) if cache is None else cache
    name = cache_argument(model)
    kept = {name: cache} if name else {}
    inputs, done = prompts.request, 0
    answer = torch.full_like(prompts.answer, decoding.pad)
    answer_mask = torch.zeros_like(prompts.answer_mask)
    ends = torch.tensor([decoding.end, *decoding.other_ends], device=answer.device)
    unfinished = torch.ones(count, dtype=torch.bool, device=answer.device)
    drawing = generators
    one = {"logits_to_keep": 1} if takes(model, "logits_to_keep") else {}
    with torch.no_grad(), parametrize.cached(), in_precision(model):
        for place in range(length):
            upto = first + place
            logits = (
                model(
                    input_ids=inputs,
                    **attention.of(done, upto),
                    **one,
                    **kept,
                    use_cache=bool(kept),
                )
                .logits[:, -1]
                .float()
            )
            token = sample_tokens(logits / decoding.temperature, drawing)
            answer[:, place] = torch.where(unfinished, token, decoding.pad)
            answer_mask[:, place] = unfinished.to(answer_mask.dtype)
            unfinished = unfinished & (token[:, None] != ends).all(1)
            if answer.device.type != "meta":
                going = unfinished.view(len(generators), -1).any(1).tolist()
                if not any(going):
                    break
                drawing = [g if on else None for g, on in zip(generators, going, strict=True)]
            new = answer[:, place : place + 1]
            inputs, done = (new, upto) if kept else (torch.cat([inputs, new], 1), 0)
    return prompts.with_answers(answer, answer_mask)


def sample_tokens(logits: Tensor, generators: Sequence[Generator | None]) -> Tensor:
    """Return a token of each row of logits (n, words): drawn from their softmax, or the largest.

    E. Gumbel: argmax(logits - log(-log u)) is distributed as the softmax says.

    Args:
        logits: of all rows.
        generators: draw for equal shares of the rows; None takes the largest.
    """
    if logits.device.type == "meta" or not any(generators):
        return logits.argmax(-1)
    uniform = torch.full(logits.shape, 0.5)
    for rows, rng in zip(uniform.chunk(len(generators)), generators, strict=True):
        if rng is not None:
            rows.uniform_(generator=rng)
    uniform = uniform.to(logits.device)
    noise = -torch.log(-torch.log(uniform.clamp(1e-10, 1 - 1e-7)))
    return (logits + noise).argmax(-1)
