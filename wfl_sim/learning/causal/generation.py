"""Generation: a network writes answers of a fixed length, one token after the other, with a
cache."""

import torch
from torch import Generator, Tensor
from torch.nn.utils import parametrize
from transformers import DynamicCache, PreTrainedModel

from wfl_sim.learning.causal.attention import attention_mask, positions
from wfl_sim.learning.causal.prompts import PromptBatch
from wfl_sim.methods.objectives import Sparsity


def generate(
    model: PreTrainedModel,
    asked: PromptBatch,
    *,
    sparsity: Sparsity,
    temperature: float,
    end: int,
    pad: int,
    rng: Generator | None,
    cache: DynamicCache | None = None,
) -> PromptBatch:
    """Return the requests with answers that the network has written.

    An answer ends with the token `end` or with its last place; what comes after is padding. The
    device pays for every place, as it would in a batch in which some answer is as long as can be;
    here the work stops when all have ended, which changes no result.

    Args:
        model: in evaluation mode.
        asked: the requests; the length of their answers is that of the new ones.
        sparsity: of attention.
        temperature: divides the logits.
        end: id of the token that ends a text.
        pad: id of the token that comes after it.
        rng: draws the tokens; None writes the likeliest.
        cache: empty; for who wants to see it afterwards.
    """
    count, length = asked.answer.shape
    mask = torch.cat([asked.request_mask, torch.ones_like(asked.answer)], 1)
    places = positions(mask)
    whole = attention_mask(mask, sparsity)
    first = asked.request.shape[1]
    cache = DynamicCache() if cache is None else cache
    fed, done = asked.request, 0
    answer = torch.full_like(asked.answer, pad)
    kept = torch.zeros_like(asked.answer_mask)
    going = torch.ones(count, dtype=torch.bool, device=answer.device)
    with torch.no_grad(), parametrize.cached():
        for place in range(length):
            upto = first + place
            logits = model(
                input_ids=fed,
                attention_mask=whole[:, :, done:upto, :upto],
                position_ids=places[:, done:upto],
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
            token = drawn(logits / temperature, rng)
            answer[:, place] = torch.where(going, token, pad)
            kept[:, place] = going.to(kept.dtype)
            going = going & (token != end)
            if answer.device.type != "meta" and not bool(going.any()):
                break
            fed, done = answer[:, place : place + 1], upto
    return asked.answered(answer, kept)


def drawn(logits: Tensor, rng: Generator | None) -> Tensor:
    """Return a token of each row of logits (n, words): a draw of their softmax, or the largest.

    E. Gumbel: argmax(logits - log(-log u)) is distributed as the softmax says.
    """
    if rng is None or logits.device.type == "meta":
        return logits.argmax(-1)
    uniform = torch.rand(logits.shape, generator=rng, device=rng.device).to(logits.device)
    noise = -torch.log(-torch.log(uniform.clamp(1e-10, 1 - 1e-7)))
    return (logits + noise).argmax(-1)
