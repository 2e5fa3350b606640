"""Log-probabilities of given answers, and the values that a critic predicts for their tokens."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel

from wfl_sim.learning.causal.attention import AttentionInputs, takes
from wfl_sim.learning.causal.prompts import PromptBatch
from wfl_sim.learning.peft.heads import VALUE_HEAD
from wfl_sim.learning.torch_settings import in_precision
from wfl_sim.methods.objectives import Sparsity


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of each token of n answers."""

    log_probabilities: Tensor
    """Log-probabilities of the tokens in nat, (n, answer)."""
    values: Tensor | None
    """Values predicted before each token, (n, answer, values); None without a critic."""


def log_probabilities(
    model: PreTrainedModel, texts: PromptBatch, sparsity: Sparsity, temperature: float = 1.0
) -> Scores:
    """Return the scores of all answers in one forward pass."""
    critic = getattr(model, VALUE_HEAD, None)
    output = _forward(model, texts, sparsity, critic is not None)
    logits = _before_answers(output.logits, texts) / temperature
    chosen = logits.log_softmax(-1).gather(-1, texts.answer[..., None])[..., 0]
    values = None
    if critic is not None:
        # The critic learns alone: its gradient stops before the states, which all parts share.
        values = critic(_before_answers(output.hidden_states[-1], texts).detach())
    return Scores(chosen, values)


def answer_logits(model: PreTrainedModel, texts: PromptBatch, sparsity: Sparsity) -> Tensor:
    """Return the logits of every word at every place of the answers, (n, answer, words)."""
    return _before_answers(_forward(model, texts, sparsity).logits, texts)


def hidden_states(model: PreTrainedModel, texts: PromptBatch) -> Tensor:
    """Return the last hidden state at each token of the answers, (n, answer, hidden)."""
    states = _forward(model, texts, Sparsity(), hidden_states=True).hidden_states[-1]
    return states[:, -texts.answer.shape[1] :].float()


def request_states(model: PreTrainedModel, texts: PromptBatch) -> Tensor:
    """Return the last hidden state at each token of the requests, (n, request, hidden)."""
    alone = texts.with_answers(texts.answer[:, :0], texts.answer_mask[:, :0])
    return _forward(model, alone, Sparsity(), hidden_states=True).hidden_states[-1].float()


def _forward(
    model: PreTrainedModel, texts: PromptBatch, sparsity: Sparsity, hidden_states: bool = False
) -> Any:
    kept = texts.answer.shape[1] + 1
    with in_precision(model):
        return model(
            input_ids=texts.ids,
            **AttentionInputs(model, texts.mask, sparsity).of(0, texts.mask.shape[1]),
            **({"logits_to_keep": kept} if takes(model, "logits_to_keep") else {}),
            use_cache=False,
            output_hidden_states=hidden_states,
        )


def _before_answers(states: Tensor, texts: PromptBatch) -> Tensor:
    """Return the states before each token of the answers, that predict it, in float32."""
    return states[:, -texts.answer.shape[1] - 1 : -1].float()


def mean_over_words(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of (..., n, places) where the mask is 1, (...)."""
    return (values * mask).sum((-2, -1)) / mask.sum((-2, -1))
