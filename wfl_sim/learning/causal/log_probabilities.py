"""Scores of given answers: log-probabilities of their words, and what a critic expects."""

from dataclasses import dataclass

from torch import Tensor
from transformers import PreTrainedModel

from wfl_sim.learning.causal.attention import attention_mask, positions
from wfl_sim.learning.causal.prompts import PromptBatch
from wfl_sim.learning.peft.critic import NAME as CRITIC
from wfl_sim.methods.objectives import Sparsity


@dataclass(frozen=True, eq=False)
class Scores:
    """Of each place of n answers."""

    log_probabilities: Tensor
    """(n, answer), nat, of the word that stands there"""
    values: Tensor | None
    """(n, answer, values), expected before the word is written; None without a critic"""


def log_probabilities(
    model: PreTrainedModel, texts: PromptBatch, sparsity: Sparsity, temperature: float = 1.0
) -> Scores:
    """Return the scores of all answers in one forward pass."""
    length = texts.answer.shape[1]
    critic = getattr(model, CRITIC, None)
    mask = texts.mask
    output = model(
        input_ids=texts.ids,
        attention_mask=attention_mask(mask, sparsity),
        position_ids=positions(mask),
        use_cache=False,
        logits_to_keep=length + 1,
        output_hidden_states=critic is not None,
    )
    # the word at a place is foretold by the state before it
    logits = output.logits[:, -length - 1 : -1] / temperature
    chosen = logits.log_softmax(-1).gather(-1, texts.answer[..., None])[..., 0]
    values = None
    if critic is not None:
        # the critic reads the states and does not move them: it is one's own, they are everyone's
        values = critic(output.hidden_states[-1][:, -length - 1 : -1].detach())
    return Scores(chosen, values)
