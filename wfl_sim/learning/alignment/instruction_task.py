"""Training and evaluation of a language model that answers instructions."""

from collections.abc import Sequence
from contextlib import nullcontext
from functools import cached_property

import numpy as np
from torch import Generator
from transformers import PreTrainedTokenizerBase

from wfl_sim.data.instructions import Instructions, PromptLengths
from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.alignment.policy import OnePolicy, reference_policy
from wfl_sim.learning.alignment.preference_head import preference_head
from wfl_sim.learning.alignment.rewards import Reward, alignment_of, answer_rewards, rewards_of
from wfl_sim.learning.alignment.training import AlignmentInputs, align, optimizer_steps
from wfl_sim.learning.causal.evaluation import (
    Around,
    generate_answers,
    mean_divergence,
    perplexity,
    true_rewards,
)
from wfl_sim.learning.causal.prompts import Conversations, decode_answers
from wfl_sim.methods.objectives import DPO, Sparsity
from wfl_sim.methods.phases import Phase
from wfl_sim.randomness import derived_seed


class InstructionTask:
    """Trains and evaluates language models.

    Args:
        tokenizer: tokenizer of the network.
        phases: phases of the method; the first that aligns tells attention and rewards.
        layout: lengths of requests and answers.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, phases: Sequence[Phase], layout: PromptLengths
    ) -> None:
        self.tokenizer = tokenizer
        self.layout = layout
        self.objective = alignment_of(phases)
        self._heads: dict[str, Reward] = {}

    def __repr__(self) -> str:
        return f"InstructionTask({self.objective!r})"

    @cached_property
    def rewards(self) -> tuple[Reward | None, ...]:
        """Rewards of helpfulness and safety; none where no phase learns from rewards.

        In place of one that each device learns from its own pairs there is None.
        """
        if self.objective is None or isinstance(self.objective.algorithm, DPO):
            return ()
        return rewards_of(self.objective.rewards, self.layout.tokens)

    def align(
        self,
        adapted: AdaptedModel,
        phase: Phase,
        examples: Conversations,
        rng: np.random.Generator,
        seed: int,
    ) -> list[float]:
        """Take the local steps of one phase in place, and return what each has minimised."""
        policy = OnePolicy(adapted, phase, optimizer_steps(phase))
        inputs = self.inputs(adapted, phase, examples, rng, seed)
        return align(policy, phase, [inputs], self.tokenizer)[0]

    def inputs(
        self,
        adapted: AdaptedModel,
        phase: Phase,
        examples: Conversations,
        rng: np.random.Generator,
        seed: int,
    ) -> AlignmentInputs:
        """Return what a device brings along for a phase."""
        return AlignmentInputs(
            examples=examples,
            rewards=[each or self._head(adapted, examples.examples) for each in self.rewards],
            local=phase.local,
            rng=rng,
            draws=Generator().manual_seed(derived_seed(seed, "answers")),
        )

    def _head(self, adapted: AdaptedModel, examples: Instructions) -> Reward:
        """Return what a device's pairs teach, which is learned once in a process."""
        key = examples.fingerprint()
        if key not in self._heads:
            self._heads[key] = preference_head(adapted, self.tokenizer, examples)
        return self._heads[key]

    def answers(
        self, adapted: AdaptedModel, examples: Conversations, around: Around = nullcontext
    ) -> list[str]:
        """Return what the network answers to each request."""
        sparsity = Sparsity() if self.objective is None else self.objective.attention
        temperature = 1.0 if self.objective is None else self.objective.temperature
        model = adapted.model.eval()
        texts = generate_answers(model, self.tokenizer, examples, sparsity, temperature, around)
        return decode_answers(self.tokenizer, texts)

    def evaluate(
        self, adapted: AdaptedModel, examples: Conversations, around: Around = nullcontext
    ) -> dict[str, float]:
        """Return loss and perplexity of given answers, and rewards of the network's own.

        Beside the true rewards (causal/evaluation.py): `kl`, the divergence of an answer from the
        network before tuning, in nat; and the scores of reward models, where there are some
        (`scored_helpfulness`, `scored_safety`).
        """
        model = adapted.model.eval()
        sparsity = Sparsity() if self.objective is None else self.objective.attention
        temperature = 1.0 if self.objective is None else self.objective.temperature
        numbers = perplexity(model, examples.texts, sparsity, around)
        texts = generate_answers(model, self.tokenizer, examples, sparsity, temperature, around)
        numbers |= true_rewards(self.tokenizer, examples, texts)
        if adapted.judge is not None:
            answers = decode_answers(self.tokenizer, texts)
            numbers |= adapted.judge.of_texts(examples.examples.answers, answers)
        for name, reward in zip(("helpfulness", "safety"), self.rewards, strict=False):
            if reward is not None:
                scores = answer_rewards([reward], self.tokenizer, examples.examples, texts)
                numbers[f"scored_{name}"] = float(scores.mean())
        numbers["kl"] = mean_divergence(
            model, texts, sparsity, temperature, lambda: reference_policy(adapted), around
        )
        return numbers
