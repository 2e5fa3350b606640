"""Quality of a language model on held-out requests: perplexity, and rewards of its answers."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Final

import numpy as np
import torch
from torch import Generator, Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from wfl_sim.data.instruct_rules import score_answer, tokens
from wfl_sim.learning.causal.generation import Decoding, generate
from wfl_sim.learning.causal.log_probabilities import answer_logits, log_probabilities
from wfl_sim.learning.causal.prompts import Conversations, PromptBatch, decode_answers, joined
from wfl_sim.methods.objectives import Sparsity
from wfl_sim.randomness import derived_seed

Around = Callable[[slice], AbstractContextManager[object]]
"""Is entered for each pass of the network, with the texts that it takes."""

_BATCH: Final = 32
_VALUES: Final = 2**24
"""Log-probabilities that are held at a time."""


def perplexity(
    model: PreTrainedModel, texts: PromptBatch, sparsity: Sparsity, around: Around = nullcontext
) -> dict[str, float]:
    """Return loss (nat a word) and perplexity of the given answers.

    Raises:
        ValueError: there are none.
    """
    if not len(texts):
        raise ValueError("nothing to evaluate on: no held-out examples")
    total, words = 0.0, 0
    with torch.inference_mode():
        for here in slices(len(texts), rows_at_once(model, texts)):
            batch = texts.take(here)
            with around(here):
                each = log_probabilities(model, batch, sparsity).log_probabilities
            each = each * batch.answer_mask
            total -= float(each.sum(dtype=torch.float64))
            words += int(batch.answer_mask.sum())
    return {"loss": total / words, "perplexity": float(np.exp(total / words))}


def generate_answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Conversations,
    sparsity: Sparsity,
    temperature: float,
    around: Around = nullcontext,
) -> PromptBatch:
    """Let the network answer, greedily or by draws that depend on the requests alone."""
    seed = derived_seed(0, "evaluation", examples.examples.fingerprint())
    draws = None if examples.examples.greedy else Generator().manual_seed(seed)
    decoding = Decoding.of(tokenizer, model, sparsity, temperature)
    answered = []
    for here in slices(len(examples), _BATCH):
        with around(here):
            answered.append(generate(model, examples.texts.take(here), decoding, [draws]))
    return joined(answered)


def true_rewards(
    tokenizer: PreTrainedTokenizerBase, examples: Conversations, texts: PromptBatch
) -> dict[str, float]:
    """Return the true rewards of answers.

    For requests of kind `instruct`, by rule: mean helpfulness and safety, the share of right
    answers (`accuracy`) and the mean reward a h + (1 - a) s at the preference of the device.
    Elsewhere `accuracy` is the share that equals the given answer word by word.
    """
    instructions = examples.examples
    answers = decode_answers(tokenizer, texts)
    if not instructions.ruled:
        pairs = zip(answers, instructions.answers, strict=True)
        return {"accuracy": float(np.mean([tokens(x) == tokens(y) for x, y in pairs]))}
    scores = [score_answer(x, y) for x, y in zip(instructions.texts, answers, strict=True)]
    helpful = float(np.mean([each.helpfulness for each in scores]))
    safe = float(np.mean([each.safety for each in scores]))
    weight = instructions.preference
    return {
        "helpfulness": helpful,
        "safety": safe,
        "preference": weight,
        "reward": weight * helpful + (1 - weight) * safe,
        "accuracy": float(np.mean([each.right for each in scores])),
    }


def mean_divergence(
    model: PreTrainedModel,
    texts: PromptBatch,
    sparsity: Sparsity,
    temperature: float,
    reference: Callable[[], AbstractContextManager[None]],
    around: Around = nullcontext,
) -> float:
    """Return the mean over answers of sum_t KL(pi(.|t), pi_ref(.|t)) in nat, exact at every place.

    Log-probabilities of all words are held for a few answers at a time.

    Args:
        model: the policy.
        texts: its answers.
        sparsity, temperature: of the policy.
        reference: makes the model the reference policy.
        around: is entered for each pass of the policy.
    """
    total = 0.0
    for here in slices(len(texts), rows_at_once(model, texts)):
        batch = texts.take(here)
        with around(here):
            new = distributions(model, batch, sparsity, temperature)
        with reference():
            old = distributions(model, batch, sparsity, temperature)
        total += kl_divergence(new, old, batch.answer_mask) * len(batch)
    return total / len(texts)


def kl_divergence(new: Tensor, reference: Tensor, mask: Tensor) -> float:
    """Return the mean over answers of the divergence.

    Args:
        new: log-probabilities of every word, (n, answer, words).
        reference: those of the reference policy.
        mask: (n, answer), 1 for tokens of the answer.
    """
    each = (new.exp() * (new - reference)).sum(-1) * mask
    return float(each.sum(1).mean())


def slices(count: int, size: int) -> Iterator[slice]:
    """Yield slices of `size` rows; the last may have fewer."""
    return (slice(first, min(first + size, count)) for first in range(0, count, size))


def rows_at_once(model: PreTrainedModel, texts: PromptBatch) -> int:
    """Return how many answers are scored in one pass, of which all logits are in memory."""
    words = model.config.get_text_config().vocab_size
    return max(1, min(_BATCH, _VALUES // (words * texts.answer.shape[1])))


def distributions(
    model: PreTrainedModel, texts: PromptBatch, sparsity: Sparsity, temperature: float
) -> Tensor:
    """Return log-probabilities of every word at every place of the answers, (n, answer, words)."""
    with torch.inference_mode():
        return (answer_logits(model, texts, sparsity) / temperature).log_softmax(-1)
