"""Phases of a local update: what a device trains, on which objective, for how many steps."""

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from wfl_sim.config.contracts import check_dataclass
from wfl_sim.config.fields import (
    BelowOne,
    Bounded,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)
from wfl_sim.methods.objectives import GRPO, PPO, Alignment


@dataclass(frozen=True, kw_only=True)
class Classification:
    """Cross entropy between the head's logits and the label.

    On instructions, which have answers in place of labels: between a language model's next word and
    that of the answer (instruction tuning).
    """


@dataclass(frozen=True, kw_only=True)
class NextWord:
    """Cross entropy of each word of a text, requests included, given those before: pre-training."""


@dataclass(frozen=True, kw_only=True)
class Answering:
    """Nothing is learned: the device writes answers, to requests with documents before them."""

    documents: int = 0
    """Documents that the server retrieves for each request."""


Objective = Classification | NextWord | Answering | Alignment
Schedule = Literal["constant", "linear", "cosine"]
"""How a learning rate falls after its warm-up; names and rules are those of transformers."""


@dataclass(frozen=True, kw_only=True)
class Local(Bounded):
    """Local optimisation of one phase.

    Each local update draws `steps` batches from the device's own training examples: epochs
    without replacement, reshuffled at each pass. The optimiser starts fresh at every update.
    """

    steps: PositiveInt = 8
    epochs: NonNegativeInt = 0
    """Passes over the device's examples in place of `steps`: ceil(examples / batch) steps each."""
    batch: PositiveInt = 16
    micro_batch: NonNegativeInt = 0
    """Examples that pass the network at a time; a step adds up their gradients. 0: all of it."""
    lr: PositiveFloat = 2e-3
    lr_scheduler_type: Schedule = "constant"
    """How `lr` falls within a local update, to 0 at its end."""
    warmup_steps: NonNegativeInt = 0
    """Steps in which `lr` rises from 0; the first step is taken at 0, as in transformers."""
    round_scheduler_type: Schedule = "constant"
    """How `lr` falls from round to round, towards 0 after `decay_rounds`."""
    warmup_rounds: NonNegativeInt = 0
    """Rounds in which `lr` rises: round r (from 0) has (r + 1) / `warmup_rounds` of it."""
    decay_rounds: NonNegativeInt = 0
    """Rounds that `round_scheduler_type` takes; later ones keep the rate of the last of them."""
    clip_norm: NonNegativeFloat = 0.0
    """Largest Euclidean norm of the gradient of a step; 0: any."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    weight_decay: NonNegativeFloat = 0.0
    betas: tuple[BelowOne, BelowOne] = (0.9, 0.999)
    """Decay of AdamW's averages of gradients and of their squares."""
    eps: PositiveFloat = 1e-8
    """AdamW adds it to the root of the second average."""
    momentum: BelowOne = 0.0
    """Momentum of SGD."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.micro_batch > self.batch:
            raise ValueError(
                f"micro_batch must be at most batch, {self.batch}, got {self.micro_batch}"
            )
        if (self.round_scheduler_type != "constant") != (self.decay_rounds > self.warmup_rounds):
            raise ValueError(
                "decay_rounds must be more than warmup_rounds with round_scheduler_type: linear "
                "or cosine, and belongs to them"
            )
        for name, default in (("betas", (0.9, 0.999)), ("eps", 1e-8)):
            if self.optimizer != "adamw" and getattr(self, name) != default:
                raise ValueError(f"{name} belongs to optimizer: adamw")
        if self.momentum and self.optimizer != "sgd":
            raise ValueError("momentum belongs to optimizer: sgd")

    @property
    def at_once(self) -> int:
        """Examples that pass the network at a time."""
        return self.micro_batch or self.batch

    def of(self, examples: int, number: int = 0) -> "Local":
        """Return what a device with so many examples does in a round: its steps, and its rate."""
        if not self.epochs and (self.round_scheduler_type, self.warmup_rounds) == ("constant", 0):
            return self
        at = number + 1 if number < self.warmup_rounds else number
        if self.decay_rounds:
            at = min(at, self.decay_rounds - 1)
        share = _share(self.round_scheduler_type, at, self.warmup_rounds, self.decay_rounds)
        steps = self.epochs * -(-examples // self.batch) or self.steps
        whole = replace(self, round_scheduler_type="constant", warmup_rounds=0, decay_rounds=0)
        return replace(whole, steps=steps, epochs=0, lr=self.lr * share)

    def rates(self, steps: int) -> tuple[float, ...] | None:
        """Return the learning rate of each step of an optimiser; None where all are `lr`."""
        if (self.lr_scheduler_type, self.warmup_steps) == ("constant", 0):
            return None
        kind, rise = self.lr_scheduler_type, self.warmup_steps
        return tuple(self.lr * _share(kind, at, rise, steps) for at in range(steps))


def _share(kind: Schedule, at: int, rise: int, whole: int) -> float:
    """Return the share of the rate after `at` of `whole` steps, of which `rise` warm up."""
    if at < rise:
        return at / rise
    done = (at - rise) / max(1, whole - rise)
    if kind == "linear":
        return max(0.0, 1 - done)
    return max(0.0, (1 + math.cos(math.pi * done)) / 2) if kind == "cosine" else 1.0


@dataclass(frozen=True, kw_only=True)
class Phase:
    """The named parts that learn together, the objective, and the local optimisation."""

    trains: tuple[str, ...]
    """Names of parts, or of one factor of a LoRA: `lora.B`."""
    local: Local
    objective: Objective = field(default_factory=Classification)
    proximal: float = 0.0
    """mu of the term ``(mu / 2) |w - w0|^2`` over what the phase trains. w0 is the start of the
    local update unless the method says otherwise (FedProx, arXiv 1812.06127)."""
    mutes: tuple[str, ...] = ()
    """LoRAs that contribute nothing while this phase trains."""

    def __post_init__(self) -> None:
        check_dataclass("the objective of a phase", type(self.objective))
        for name in ("trains", "mutes"):
            if isinstance(given := getattr(self, name), str):
                raise ValueError(f"{name} of a phase must be a tuple of names, got {given!r}")
        if not isinstance(self.local, Local):
            raise ValueError(f"local of a phase must be a Local, got {self.local!r}")

    @property
    def optimizer_steps(self) -> int:
        """Steps of the optimiser in the local steps; PPO and GRPO take several in each."""
        algorithm = self.objective.algorithm if isinstance(self.objective, Alignment) else None
        if not isinstance(algorithm, PPO | GRPO):
            return self.local.steps
        return self.local.steps * algorithm.epochs * algorithm.minibatches

    def of(self, examples: int, number: int = 0) -> "Phase":
        """Return the phase of a device with so many examples in round `number`, from 0 on."""
        local = self.local.of(examples, number)
        return self if local is self.local else replace(self, local=local)


def one_phase(
    *trains: str, local: Local, objective: Objective | None = None, proximal: float = 0.0
) -> tuple[Phase]:
    """Return the phases of a method that trains all its parts jointly; `trains` names them."""
    objective = objective or Classification()
    return (Phase(trains=trains, local=local, objective=objective, proximal=proximal),)
