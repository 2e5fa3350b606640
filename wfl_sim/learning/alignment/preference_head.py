"""A reward that a device learns by itself: a linear head, from its own pairs of answers.

An answer's features are the mean last hidden state of the network before tuning over its words. The
weights maximise Bradley and Terry's likelihood of the pairs, with a quadratic penalty: a reward
model as in P. Christiano et al., arXiv 1706.03741, on features that are fixed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedTokenizerBase

from wfl_sim.data.examples import Instructions, PromptLengths
from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.alignment.policy import reference_policy
from wfl_sim.learning.causal.log_probabilities import hidden_states
from wfl_sim.learning.causal.prompts import PromptBatch, encode
from wfl_sim.learning.torch_settings import frozen

_PENALTY: Final = 0.01
"""Of |w|^2 / 2, where differences of features have mean square length 1; wfl_sim's default."""
_ROWS: Final = 16
"""Answers of one pass."""


@dataclass(frozen=True, eq=False)
class PreferenceHead:
    """Scores answers by what a device has preferred.

    The reward is the logistic function of the score, in standard deviations from the mean over the
    answers that the head has learned from: in (0, 1), as rewards by rule are.
    """

    adapted: AdaptedModel
    tokenizer: PreTrainedTokenizerBase
    layout: PromptLengths
    weights: Tensor
    mean: float
    deviation: float

    def rewards(
        self, requests: Sequence[str], answers: Sequence[str], given: Sequence[str]
    ) -> Tensor:
        """Return the reward of each answer."""
        texts = _texts(self.adapted, self.tokenizer, self.layout, requests, answers)
        scores = features(self.adapted, texts) @ self.weights
        return torch.sigmoid((scores - self.mean) / self.deviation).cpu()


def preference_head(
    adapted: AdaptedModel, tokenizer: PreTrainedTokenizerBase, examples: Instructions
) -> PreferenceHead:
    """Return the head that the pairs of some examples teach."""
    layout = examples.layout
    liked, other = (
        features(adapted, _texts(adapted, tokenizer, layout, examples.requests, each))
        for each in (examples.answers, examples.rejected)
    )
    weights = fitted(liked - other)
    scores = torch.cat([liked, other]) @ weights
    return PreferenceHead(
        adapted,
        tokenizer,
        examples.layout,
        weights,
        float(scores.mean()),
        float(scores.std()) or 1.0,
    )


def _texts(
    adapted: AdaptedModel,
    tokenizer: PreTrainedTokenizerBase,
    layout: PromptLengths,
    requests: Sequence[str],
    answers: Sequence[str],
) -> PromptBatch:
    kinds = np.zeros(len(requests), np.int64)
    written = Instructions(tuple(requests), kinds, answers=tuple(answers), layout=layout)
    return encode(tokenizer, written).texts.to(str(adapted.model.device))


def features(adapted: AdaptedModel, texts: PromptBatch) -> Tensor:
    """Return the mean last hidden state over each answer by the network before tuning, (n, h)."""
    found = []
    with torch.no_grad(), frozen(adapted.model), reference_policy(adapted):
        for batch in texts.split(_ROWS):
            states = hidden_states(adapted.model, batch)
            mask = batch.answer_mask[..., None].float()
            found.append((states * mask).sum(1) / mask.sum(1).clamp(min=1))
    return torch.cat(found)


def fitted(differences: Tensor) -> Tensor:
    """Return the weights w that minimise the mean of -log sigmoid(w x) with the penalty.

    Args:
        differences: features of the chosen answers less those of the others, (n, h).
    """
    scale = differences.square().sum(1).mean().sqrt().clamp(min=1e-12)
    scaled = (differences / scale).double()
    weights = torch.zeros(scaled.shape[1], dtype=torch.float64, device=scaled.device)
    weights.requires_grad_(True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = -functional.logsigmoid(scaled @ weights).mean()
        value = value + _PENALTY / 2 * weights.square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(loss)
    return (weights.detach() / scale).float()
