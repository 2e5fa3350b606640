"""Rewards of answers: by two reward models, or by the rules of the generated requests."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig

from wfl_sim.config.answers import numbers
from wfl_sim.config.errors import LocatedError
from wfl_sim.data.instruct_rules import score_answer
from wfl_sim.learning.base_models.model_loading import (
    load_model,
    load_tokenizer,
    loaded,
    most_tokens,
)
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.causal.prompts import format_prompt, start_of
from wfl_sim.methods.objectives import DPO, PREFERENCES, RULES, Alignment, Reward, Rewards
from wfl_sim.methods.phases import Phase


@dataclass(frozen=True)
class RuleReward:
    """A true score of `instruct_rules`: helpfulness or safety."""

    name: str

    def rewards(
        self, requests: Sequence[str], answers: Sequence[str], given: Sequence[str]
    ) -> list[float]:
        """Return the score of each answer."""
        pairs = zip(requests, answers, strict=True)
        return [float(getattr(score_answer(x, y), self.name)) for x, y in pairs]


class ModelReward:
    """A reward model: a sequence classifier that reads request and answer.

    Args:
        model: reward model to load.
        tokens: length of request and answer together; a longer request loses its beginning.
    """

    def __init__(self, model: Pretrained, tokens: int) -> None:
        self.name, self.tokens = model.pretrained, tokens
        self.tokenizer = load_tokenizer(model)
        outputs = outputs_of(model)
        pad = int(self.tokenizer.pad_token_id)
        self.network = load_model(model, outputs, pad, headed=True)

    def rewards(
        self, requests: Sequence[str], answers: Sequence[str], given: Sequence[str]
    ) -> Tensor:
        """Return the score of each answer; of several outputs the last, after log-softmax.

        A network with a chat template reads the conversation, an encoder the pair of request and
        answer with its special tokens, and any other the prompt of the policy with the answer.

        Raises:
            LocatedError: a score is not finite.
        """
        read = self._pairs(requests, answers) if self._encodes else self._texts(requests, answers)
        with torch.no_grad():
            scores: Tensor = self.network(**read).logits
        scores = scores[:, 0] if scores.shape[1] == 1 else scores.log_softmax(-1)[:, -1]
        if not scores.isfinite().all():
            message = f"{self.name!r} gives scores that are not finite: look at its weights"
            raise LocatedError(message, "method", "rewards")
        return scores

    @property
    def _encodes(self) -> bool:
        tokenizer = self.tokenizer
        return tokenizer.chat_template is None and tokenizer.cls_token_id is not None

    def _pairs(self, requests: Sequence[str], answers: Sequence[str]) -> dict[str, Tensor]:
        self.tokenizer.truncation_side = "left"
        encoded = self.tokenizer(
            [*requests],
            [*answers],
            padding="max_length",
            truncation="longest_first",
            max_length=self.tokens,
            return_tensors="pt",
        )
        return dict(encoded)

    def _texts(self, requests: Sequence[str], answers: Sequence[str]) -> dict[str, Tensor]:
        tokenizer = self.tokenizer
        ids = torch.full((len(requests), self.tokens), int(tokenizer.pad_token_id))
        mask = torch.zeros_like(ids)
        for row, (request, answer) in enumerate(zip(requests, answers, strict=True)):
            start, end = start_of(tokenizer), list[int]()
            if tokenizer.chat_template is None:
                texts = [format_prompt(tokenizer, request), answer]
                end = [] if tokenizer.eos_token_id is None else [int(tokenizer.eos_token_id)]
            else:
                turns = [("user", request), ("assistant", answer)]
                messages = [{"role": role, "content": content} for role, content in turns]
                texts = [str(tokenizer.apply_chat_template(messages, tokenize=False)).strip()]
            read = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
            words = [*(word for each in read for word in each), *end]
            words = [*start, *words[len(start) - self.tokens :]]
            ids[row, : len(words)] = torch.tensor(words)
            mask[row, : len(words)] = 1
        return {"input_ids": ids, "attention_mask": mask}


def rewards_of(rewards: Rewards, tokens: int) -> tuple[Reward | None, Reward | None]:
    """Return the rewards of helpfulness and of safety; None for one that each device learns."""

    def reward(name: str, source: str | Reward) -> Reward | None:
        if not isinstance(source, str):
            return source
        if source == PREFERENCES:
            return None
        if source == RULES:
            return RuleReward(name)
        return ModelReward(Pretrained(pretrained=source), tokens)

    return reward("helpfulness", rewards.helpfulness), reward("safety", rewards.safety)


def scores_of(
    reward: Reward, requests: Sequence[str], answers: Sequence[str], given: Sequence[str]
) -> Tensor:
    """Return the reward of each answer, (n,) float32.

    Raises:
        AnswerError: it gives other than a finite number for each.
    """
    found = reward.rewards(requests, answers, given)
    each = numbers(reward, "rewards", found, (len(answers),), broadcast=False)
    return torch.tensor(each, dtype=torch.float32)


def reward_models_of(phases: Sequence[Phase]) -> list[tuple[Pretrained, int]]:
    """Return the rewards that are networks, with their numbers of outputs.

    Raises:
        ValueError: one cannot be read.
        FileNotFoundError: one is not there.
    """
    objective = alignment_of(phases)
    if objective is None or isinstance(objective.algorithm, DPO):
        return []
    models = [Pretrained(pretrained=name) for name in objective.rewards.models]
    return [(model, outputs_of(model)) for model in models]


def alignment_of(phases: Sequence[Phase]) -> Alignment | None:
    """Return the first objective that aligns."""
    found = (phase.objective for phase in phases if isinstance(phase.objective, Alignment))
    return next(found, None)


def most_tokens_of(model: Pretrained) -> int | None:
    """Return the longest text that a reward model reads, in tokens; None for no limit.

    Raises:
        ValueError: it cannot be read, or is no sequence classifier.
        FileNotFoundError: it is not there.
    """
    return most_tokens(_config(model))


def outputs_of(model: Pretrained) -> int:
    """Return how many outputs a reward model has, by its configuration."""
    return int(_config(model).num_labels)


def _config(model: Pretrained) -> Any:
    config = loaded(model, AutoConfig.from_pretrained)
    built = list(config.architectures or ())
    if not any(name.endswith("ForSequenceClassification") for name in built):
        # Its head would be drawn at random, and so would be its scores.
        raise ValueError(
            f"{model.pretrained!r} is a {built[0] if built else config.model_type!r}, which gives "
            "no scores: a reward model is a sequence classifier, such as builtin:helpfulness"
        )
    return config
