"""Instruction tuning: cross entropy of the words of given answers, in nat a word."""

from torch import Tensor
from transformers import PreTrainedModel

from wfl_sim.learning.alignment.losses import mean_over_words
from wfl_sim.learning.causal.log_probabilities import log_probabilities
from wfl_sim.learning.causal.prompts import PromptBatch
from wfl_sim.methods.objectives import Sparsity


def loss(model: PreTrainedModel, texts: PromptBatch) -> Tensor:
    """Return the mean over all words of all answers, the end of the text included."""
    chosen = log_probabilities(model, texts, Sparsity()).log_probabilities
    return -mean_over_words(chosen, texts.answer_mask)
