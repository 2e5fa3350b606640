"""Objectives of alignment: rewards of a language model, and PPO, GRPO or DPO on them.

These are descriptions, without torch; `wfl_sim.learning.alignment` carries them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Final, Literal, Protocol, runtime_checkable

from annotated_types import Ge
from numpy.typing import ArrayLike

from wfl_sim.config.fields import (
    Bounded,
    FilePath,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    PositiveShare,
    Share,
)
from wfl_sim.config.registry import From, Registry
from wfl_sim.methods.parts import Critic, Part


class Algorithm(Protocol):
    """How a language model learns from rewards: a subclass of `PPO`, `GRPO` or `DPO`.

    >>> @dataclass(frozen=True, kw_only=True)
    ... class PairedGRPO(GRPO):
    ...     group: int = 2
    >>> Alignment(algorithm=PairedGRPO(kl=0.1)).algorithm.answers
    2
    """


ALGORITHMS: Registry[Algorithm] = Registry("algorithm")


Temperature = Annotated[float, Ge(1e-3)]
"""Softmax temperature at which answers are sampled. At the least one the likeliest word is always
taken; below it scores over the temperature would leave the range of float32."""

RULES: Final = "rules"
"""In place of a reward model: score by the rules of generated requests."""


PREFERENCES: Final = "preferences"
"""In place of a reward model: a linear head that each device learns from its own pairs."""


@ALGORITHMS("ppo")
@dataclass(frozen=True, kw_only=True)
class PPO(Bounded):
    """Proximal policy optimisation: clipped surrogate, value head, GAE (arXiv 1707.06347).

    Each step draws a batch of requests, writes an answer to each, and learns from them in `epochs`
    passes of `minibatches` optimiser steps. The reward comes with the last token; every token costs
    `kl` times log pi - log pi_ref (D. Ziegler et al., Fine-tuning language models from human
    preferences, arXiv 1909.08593, equation 2). With a `target_kl`, in nat per answer, the
    coefficient adapts after each step of a local update as in their section 2.2, by the factor 1 +
    `adapt` clip(KL / target - 1, -0.2, 0.2).
    """

    clip: PositiveFloat = 0.2
    kl: NonNegativeFloat = 0.05
    target_kl: PositiveFloat | None = None
    adapt: NonNegativeFloat = 0.1
    """Gain of the adaptation of `kl`."""
    discount: Share = 1.0
    trace: Share = 0.95
    """Lambda of generalised advantage estimation (arXiv 1506.02438)."""
    value_weight: NonNegativeFloat = 0.1
    epochs: PositiveInt = 2
    minibatches: PositiveInt = 2

    @property
    def answers(self) -> int:
        """Number of answers written to each request."""
        return 1


@ALGORITHMS("grpo")
@dataclass(frozen=True, kw_only=True)
class GRPO(Bounded):
    """Group-relative policy optimisation: no value head (arXiv 2402.03300).

    `group` answers to each request; an answer's advantage is its reward's distance from the mean of
    the group, over the group's standard deviation. The KL divergence from the reference is a term
    of the loss, estimated by exp(d) - d - 1 with d = log pi_ref - log pi (their equation 4).
    Surrogate and divergence are means over all tokens of a minibatch, so a long answer counts more
    than a short one (as in DAPO, arXiv 2503.14476, section 3.3); their equation 3 takes the mean
    of each answer first.
    """

    group: Annotated[int, Ge(2)] = 4
    clip: PositiveFloat = 0.2
    kl: NonNegativeFloat = 0.05
    epochs: PositiveInt = 1
    minibatches: PositiveInt = 2

    @property
    def answers(self) -> int:
        """Number of answers written to each request."""
        return self.group


@ALGORITHMS("dpo")
@dataclass(frozen=True, kw_only=True)
class DPO(Bounded):
    """Direct preference optimisation on pairs: no rewards, nothing written (arXiv 2305.18290)."""

    beta: PositiveFloat = 0.1


@runtime_checkable
class Reward(Protocol):
    """A reward of written answers.

    For example, one that prefers short answers:

    >>> @dataclass(frozen=True)
    ... class Brevity:
    ...     def rewards(self, requests, answers, given):
    ...         return [1 / (1 + len(answer.split())) for answer in answers]
    >>> Brevity().rewards(["what is 2 plus 3 ?"] * 2, ["5 .", "it is 5 ."], ["5 ."] * 2)
    [0.3333333333333333, 0.2]
    """

    def rewards(
        self, requests: Sequence[str], answers: Sequence[str], given: Sequence[str]
    ) -> ArrayLike:
        """Return a finite number for each answer, (n,).

        Args:
            requests: what was asked; earlier turns stand before it as paragraphs.
            answers: what the network has written.
            given: the answers in the data.
        """


REWARDS: Registry[Reward] = Registry("reward", Reward)

Source = Annotated[str | Reward, FilePath(or_name=True), From(REWARDS, or_text=True)]
"""A reward model, `rules`, `preferences`, or a kind of reward."""


@dataclass(frozen=True, kw_only=True)
class Rewards:
    """Two rewards of an answer: reward models (`builtin:`, folder or Hub id), `rules` of generated
    requests, `preferences` (a head on the network, learned on the device from its own pairs), or
    kinds of reward, which compute it in Python.

    A reward model is a sequence classifier of one output; of several the last is taken.
    """

    helpfulness: Source = "builtin:helpfulness"
    safety: Source = "builtin:safety"

    @property
    def models(self) -> tuple[str, ...]:
        """The reward models that are networks."""
        both = [each for each in (self.helpfulness, self.safety) if isinstance(each, str)]
        return tuple(name for name in both if name not in (RULES, PREFERENCES))

    def uses(self, name: str) -> bool:
        """Return whether one of them is `rules`, or `preferences`."""
        return name in (self.helpfulness, self.safety)


@dataclass(frozen=True, kw_only=True)
class Sparsity(Bounded):
    """Sparse self-attention: which of the words before it a word looks at.

    `local`: the nearest. `strided`: the nearest, and beyond them every fourth (R. Child et al.,
    Generating long sequences with sparse transformers, arXiv 1904.10509, section 4.2). The window
    is the smallest that keeps at least the share `ratio` of all pairs of a word and one not after
    it; 1 keeps all.
    """

    ratio: PositiveShare = 1.0
    pattern: Literal["local", "strided"] = "strided"


@dataclass(frozen=True, kw_only=True)
class Alignment(Bounded):
    """Expected reward a r_help + (1 - a) r_safe, near to the reference and to other devices."""

    algorithm: Annotated[Algorithm, From(ALGORITHMS)] = field(default_factory=PPO)
    rewards: Rewards = field(default_factory=Rewards)
    weight: Share | None = None
    """a; None for the preference of the device that holds the data."""
    combine: Literal["linear", "mgda", "pcgrad", "hypergradient"] = "linear"
    """Rewards are added before learning, or the gradients of both combined into one direction; the
    last needs a part `RewardWeights`."""
    weight_rate: NonNegativeFloat = 0.0
    """Step of the logits of learned weights."""
    distance: NonNegativeFloat = 0.0
    """b of the penalty b |w - w_global|^2 on shared parameters, and on offsets from them."""
    attention: Sparsity = field(default_factory=Sparsity)
    temperature: Temperature = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.algorithm, PPO | GRPO | DPO):
            raise ValueError(f"algorithm must be ppo, grpo or dpo, got {self.algorithm!r}")
        if self.combine != "linear" and isinstance(self.algorithm, DPO):
            raise ValueError("combine: pairs of DPO carry one preference, so it must be linear")

    @classmethod
    def of(cls, method: Any) -> Alignment:
        """Return the objective of a method whose fields have the names of these fields."""
        own = {each.name for each in fields(method)}
        return cls(**{f.name: getattr(method, f.name) for f in fields(cls) if f.name in own})


def critic_of(algorithm: Algorithm, values: int = 1) -> tuple[Part, ...]:
    """Return the private critic, with so many values, of an algorithm that needs one."""
    needs_one = isinstance(algorithm, PPO)
    return (Part(name="critic", config=Critic(values=values)),) if needs_one else ()
