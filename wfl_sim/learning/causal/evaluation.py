"""Quality of a language model on held-out requests: what it foretells, and what it writes."""

from typing import Final

import numpy as np
import torch
from torch import Generator, Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from wfl_sim.data.instruct_rules import score_answer, tokens
from wfl_sim.learning.causal.attention import attention_mask, positions
from wfl_sim.learning.causal.generation import generate
from wfl_sim.learning.causal.log_probabilities import log_probabilities
from wfl_sim.learning.causal.prompts import Conversations, PromptBatch, decode_answers
from wfl_sim.methods.objectives import Sparsity
from wfl_sim.randomness import derived_seed

_BATCH: Final = 32


def perplexity(model: PreTrainedModel, texts: PromptBatch, sparsity: Sparsity) -> dict[str, float]:
    """Return loss (nat a word) and perplexity of the given answers.

    Raises:
        ValueError: there are none.
    """
    if not len(texts):
        raise ValueError("nothing to evaluate on: no held-out examples")
    total, words = 0.0, 0
    with torch.inference_mode():
        for first in range(0, len(texts), _BATCH):
            batch = texts.take(slice(first, first + _BATCH))
            each = log_probabilities(model, batch, sparsity).log_probabilities * batch.answer_mask
            total -= float(each.sum(dtype=torch.float64))
            words += int(batch.answer_mask.sum())
    return {"loss": total / words, "perplexity": float(np.exp(total / words))}


def generate_answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Conversations,
    sparsity: Sparsity,
    temperature: float,
) -> PromptBatch:
    """Let the network answer, greedily or by draws that depend on the requests alone."""
    greedy = examples.examples.greedy
    seed = derived_seed(0, "evaluation", examples.examples.fingerprint())
    draws = None if greedy else Generator().manual_seed(seed)
    found = []
    for first in range(0, len(examples), _BATCH):
        found.append(
            generate(
                model,
                examples.texts.take(slice(first, first + _BATCH)),
                sparsity=sparsity,
                temperature=temperature,
                end=int(tokenizer.eos_token_id),
                pad=int(tokenizer.pad_token_id),
                rng=draws,
            )
        )
    return PromptBatch(
        torch.cat([each.request for each in found]),
        torch.cat([each.request_mask for each in found]),
        torch.cat([each.answer for each in found]),
        torch.cat([each.answer_mask for each in found]),
    )


def true_rewards(
    tokenizer: PreTrainedTokenizerBase, examples: Conversations, texts: PromptBatch
) -> dict[str, float]:
    """Return what answers are worth.

    By the rules of the small world: mean helpfulness and safety, the share that is right
    (`accuracy`) and the mean reward a h + (1 - a) s at the holder's preference. Elsewhere
    `accuracy` is the share that equals the given answer word by word.
    """
    instructions = examples.examples
    answers = decode_answers(tokenizer, texts.answer, texts.answer_mask)
    if not instructions.ruled:
        pairs = zip(answers, instructions.answers, strict=True)
        return {"accuracy": float(np.mean([tokens(x) == tokens(y) for x, y in pairs]))}
    merits = [score_answer(x, y) for x, y in zip(instructions.texts, answers, strict=True)]
    helpful = float(np.mean([each.helpfulness for each in merits]))
    safe = float(np.mean([each.safety for each in merits]))
    weight = instructions.preference
    return {
        "helpfulness": helpful,
        "safety": safe,
        "preference": weight,
        "reward": weight * helpful + (1 - weight) * safe,
        "accuracy": float(np.mean([each.right for each in merits])),
    }


def distributions(
    model: PreTrainedModel, texts: PromptBatch, sparsity: Sparsity, temperature: float
) -> Tensor:
    """Return log-probabilities of every word at every place of the answers, (n, places, words)."""
    length = texts.answer.shape[1]
    found = []
    with torch.inference_mode():
        for first in range(0, len(texts), _BATCH):
            batch = texts.take(slice(first, first + _BATCH))
            logits = model(
                input_ids=batch.ids,
                attention_mask=attention_mask(batch.mask, sparsity),
                position_ids=positions(batch.mask),
                use_cache=False,
                logits_to_keep=length + 1,
            ).logits[:, :-1]
            found.append((logits / temperature).log_softmax(-1))
    return torch.cat(found)


def divergence(new: Tensor, reference: Tensor, mask: Tensor) -> float:
    """Return the mean over answers of sum_t KL(pi(.|t), pi_ref(.|t)), in nat: exact at every place.

    Args:
        new: (n, places, words), log-probabilities.
        reference: the same of the reference.
        mask: (n, places), 1 for words.
    """
    each = (new.exp() * (new - reference)).sum(-1) * mask
    return float(each.sum(1).mean())
