"""A language model with its parts: its training by alignment, its answers, and their quality."""

from collections.abc import Sequence
from contextlib import nullcontext
from functools import cached_property
from typing import Any

from torch import Generator
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from wfl_sim.data.examples import Instructions, PromptLengths
from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.alignment.policy import OnePolicy, reference_policy
from wfl_sim.learning.alignment.preference_head import preference_head
from wfl_sim.learning.alignment.rewards import alignment_of, rewards_of, scores_of
from wfl_sim.learning.alignment.training import AlignmentInputs, align
from wfl_sim.learning.causal import evaluation
from wfl_sim.learning.causal.prompts import Conversations, PromptBatch, decode_answers
from wfl_sim.learning.mixing import Weights
from wfl_sim.learning.torch_settings import deterministic
from wfl_sim.methods.objectives import DPO, Alignment, Reward, Sparsity
from wfl_sim.methods.parts import Part
from wfl_sim.methods.phases import Answering, Phase
from wfl_sim.randomness import derived_seed, stream


class LanguageModel(AdaptedModel):
    """A language model that answers instructions, and its parts.

    Args:
        model, parts, threads: as of `AdaptedModel`.
        tokenizer: of the network.
        phases: of the method; the first that aligns tells attention, temperature and rewards.
        layout: lengths of requests and answers.
        options: further ones of `AdaptedModel`.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        parts: Sequence[Part],
        threads: int | None = None,
        *,
        tokenizer: PreTrainedTokenizerBase,
        phases: Sequence[Phase],
        layout: PromptLengths,
        **options: Any,
    ) -> None:
        super().__init__(model, parts, threads, **options)
        self.tokenizer = tokenizer
        self._layout = layout
        self._objective = alignment_of(phases)
        self._attention = self._objective.attention if self._objective else Sparsity()
        self._temperature = self._objective.temperature if self._objective else 1.0
        self._heads: dict[str, Reward] = {}

    @cached_property
    def rewards(self) -> tuple[Reward | None, ...]:
        """Rewards of helpfulness and safety; none where no phase learns from rewards.

        In place of one that each device learns from its own pairs there is None.
        """
        if self._objective is None or isinstance(self._objective.algorithm, DPO):
            return ()
        return rewards_of(self._objective.rewards, self._layout.tokens)

    def train_phase(
        self, number: int, phase: Phase, examples: Conversations, seed: int, **options: Any
    ) -> list[float]:
        """Run one phase in place: of alignment, of answering alone, or as of any network.

        Returns:
            What each step has minimised; the loss of given answers where nothing is learned.
        """
        if isinstance(phase.objective, Answering):
            return [self.loss(examples)]
        if not isinstance(phase.objective, Alignment):
            return super().train_phase(number, phase, examples, seed, **options)
        dropout = derived_seed(seed, "dropout", number)
        with self.muted(phase), deterministic(seed=dropout, threads=self.threads):
            policy = OnePolicy(self, phase, phase.optimizer_steps)
            inputs = self.inputs(number, phase, examples, seed)
            return align(policy, phase, [inputs], self.tokenizer)[0]

    def inputs(
        self, number: int, phase: Phase, examples: Conversations, seed: int
    ) -> AlignmentInputs:
        """Return what a device brings along for a phase; see `train_phase`."""
        draws = derived_seed(derived_seed(seed, number), "answers")
        return AlignmentInputs(
            examples=examples,
            rewards=[each or self._head(examples.examples) for each in self.rewards],
            local=phase.local,
            rng=stream(seed, "batches", number),
            draws=Generator().manual_seed(draws),
        )

    def answers(self, examples: Conversations, weights: Weights | None = None) -> list[str]:
        """Return what the network answers to each request with its present values."""
        with self.evaluating(weights) as around:
            return decode_answers(self.tokenizer, self._generated(examples, around))

    def loss(self, examples: Conversations) -> float:
        """Return the loss of given answers; the network writes none."""
        with self.evaluating(None):
            return self._perplexity(examples, nullcontext)["loss"]

    def evaluate(self, examples: Conversations, weights: Weights | None = None) -> dict[str, float]:
        """Return loss and perplexity of given answers, and rewards of the network's own.

        Beside the true rewards (causal/evaluation.py): `kl`, the divergence of an answer from the
        network before tuning, in nat; and the scores of reward models, where there are some
        (`scored_helpfulness`, `scored_safety`).
        """
        with self.evaluating(weights) as around:
            numbers = self._perplexity(examples, around)
            texts = self._generated(examples, around)
            numbers |= evaluation.true_rewards(self.tokenizer, examples, texts)
            answers, given = decode_answers(self.tokenizer, texts), examples.examples.answers
            if self.judge is not None:
                numbers |= self.judge.of_texts(given, answers)
            for name, reward in zip(("helpfulness", "safety"), self.rewards, strict=False):
                if reward is not None:
                    scores = scores_of(reward, examples.examples.requests, answers, given)
                    numbers[f"scored_{name}"] = float(scores.mean())
            numbers["kl"] = evaluation.mean_divergence(
                self.model,
                texts,
                self._attention,
                self._temperature,
                lambda: reference_policy(self),
                around,
            )
        return numbers

    def _perplexity(self, examples: Conversations, around: evaluation.Around) -> dict[str, float]:
        return evaluation.perplexity(self.model.eval(), examples.texts, self._attention, around)

    def _generated(self, examples: Conversations, around: evaluation.Around) -> PromptBatch:
        return evaluation.generate_answers(
            self.model.eval(), self.tokenizer, examples, self._attention, self._temperature, around
        )

    def _head(self, examples: Instructions) -> Reward:
        """Return what a device's pairs teach, which is learned once in a process."""
        key = examples.fingerprint()
        if key not in self._heads:
            self._heads[key] = preference_head(self, self.tokenizer, examples)
        return self._heads[key]
