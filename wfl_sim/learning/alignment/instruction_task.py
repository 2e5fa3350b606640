"""The speaker: how a language model is trained on instructions and judged on its answers."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from torch import Generator
from transformers import PreTrainedTokenizerBase

from wfl_sim.data.instructions import Layout
from wfl_sim.learning.adapted_model import Workbench
from wfl_sim.learning.alignment.policy import as_reference
from wfl_sim.learning.alignment.rewards import Judge, alignment_of, judged, judges_of
from wfl_sim.learning.alignment.training import align
from wfl_sim.learning.causal.evaluation import (
    answered,
    distributions,
    divergence,
    foretold,
    true_rewards,
)
from wfl_sim.learning.causal.prompts import Conversations
from wfl_sim.methods.objectives import DPO, Sparsity
from wfl_sim.methods.phases import Phase
from wfl_sim.randomness import derived_seed


class Speaker:
    """Trains and judges language models.

    Args:
        tokenizer: of the network.
        phases: of the method; the first that aligns says how words look at words, and who rewards.
        layout: lengths of requests and answers.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, phases: Sequence[Phase], layout: Layout
    ) -> None:
        self.tokenizer = tokenizer
        self.layout = layout
        self.objective = alignment_of(phases)

    def __repr__(self) -> str:
        return f"Speaker({self.objective!r})"

    @cached_property
    def judges(self) -> tuple[Judge, ...]:
        """Of helpfulness and safety; none where nobody learns from rewards."""
        if self.objective is None or isinstance(self.objective.algorithm, DPO):
            return ()
        return judges_of(self.objective.rewards, self.layout.tokens)

    def align(
        self,
        bench: Workbench,
        phase: Phase,
        examples: Conversations,
        rng: np.random.Generator,
        seed: int,
    ) -> list[float]:
        """Take the local steps of one phase in place, and return what each has minimised."""
        draws = Generator().manual_seed(derived_seed(seed, "answers"))
        return align(bench, phase, examples, self.judges, self.tokenizer, rng, draws)

    def evaluate(self, bench: Workbench, examples: Conversations) -> dict[str, float]:
        """Return loss and perplexity of given answers, and what the network's own are worth.

        Beside the true rewards (causal/evaluation.py): `kl`, the divergence of an answer from the
        network before tuning, in nat; and where reward models are at work, what they say
        (`scored_helpfulness`, `scored_safety`).
        """
        model = bench.model.eval()
        sparsity = Sparsity() if self.objective is None else self.objective.attention
        temperature = 1.0 if self.objective is None else self.objective.temperature
        numbers = foretold(model, examples.texts, sparsity)
        texts = answered(model, self.tokenizer, examples, sparsity, temperature)
        numbers |= true_rewards(self.tokenizer, examples, texts)
        if self.judges:
            given = judged(self.judges, self.tokenizer, examples.examples, texts).mean(0)
            names = ("scored_helpfulness", "scored_safety")
            numbers |= dict(zip(names, given.tolist(), strict=True))
        new = distributions(model, texts, sparsity, temperature)
        with as_reference(bench):
            reference = distributions(model, texts, sparsity, temperature)
        numbers["kl"] = divergence(new, reference, texts.answer_mask)
        return numbers
