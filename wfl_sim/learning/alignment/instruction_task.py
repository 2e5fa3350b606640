"""How a language model is trained on instructions, and evaluated by its answers."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from torch import Generator
from transformers import PreTrainedTokenizerBase

from wfl_sim.data.instructions import PromptLengths
from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.alignment.policy import reference_policy
from wfl_sim.learning.alignment.rewards import Reward, alignment_of, judged, judges_of
from wfl_sim.learning.alignment.training import align
from wfl_sim.learning.causal.evaluation import (
    distributions,
    divergence,
    generate_answers,
    perplexity,
    true_rewards,
)
from wfl_sim.learning.causal.prompts import Conversations
from wfl_sim.methods.objectives import DPO, Sparsity
from wfl_sim.methods.phases import Phase
from wfl_sim.randomness import derived_seed


class InstructionTask:
    """Trains and evaluates language models.

    Args:
        tokenizer: of the network.
        phases: of the method; the first that aligns says how words look at words, and who rewards.
        layout: lengths of requests and answers.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, phases: Sequence[Phase], layout: PromptLengths
    ) -> None:
        self.tokenizer = tokenizer
        self.layout = layout
        self.objective = alignment_of(phases)

    def __repr__(self) -> str:
        return f"InstructionTask({self.objective!r})"

    @cached_property
    def judges(self) -> tuple[Reward, ...]:
        """Of helpfulness and safety; none where nobody learns from rewards."""
        if self.objective is None or isinstance(self.objective.algorithm, DPO):
            return ()
        return judges_of(self.objective.rewards, self.layout.tokens)

    def align(
        self,
        adapted: AdaptedModel,
        phase: Phase,
        examples: Conversations,
        rng: np.random.Generator,
        seed: int,
    ) -> list[float]:
        """Take the local steps of one phase in place, and return what each has minimised."""
        draws = Generator().manual_seed(derived_seed(seed, "answers"))
        return align(adapted, phase, examples, self.judges, self.tokenizer, rng, draws)

    def evaluate(self, adapted: AdaptedModel, examples: Conversations) -> dict[str, float]:
        """Return loss and perplexity of given answers, and what the network's own are worth.

        Beside the true rewards (causal/evaluation.py): `kl`, the divergence of an answer from the
        network before tuning, in nat; and where reward models are at work, what they say
        (`scored_helpfulness`, `scored_safety`).
        """
        model = adapted.model.eval()
        sparsity = Sparsity() if self.objective is None else self.objective.attention
        temperature = 1.0 if self.objective is None else self.objective.temperature
        numbers = perplexity(model, examples.texts, sparsity)
        texts = generate_answers(model, self.tokenizer, examples, sparsity, temperature)
        numbers |= true_rewards(self.tokenizer, examples, texts)
        if self.judges:
            given = judged(self.judges, self.tokenizer, examples.examples, texts).mean(0)
            names = ("scored_helpfulness", "scored_safety")
            numbers |= dict(zip(names, given.tolist(), strict=True))
        new = distributions(model, texts, sparsity, temperature)
        with reference_policy(adapted):
            reference = distributions(model, texts, sparsity, temperature)
        numbers["kl"] = divergence(new, reference, texts.answer_mask)
        return numbers
