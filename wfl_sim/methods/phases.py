"""Phases of a local update: what a device trains, on which objective, for how many steps."""

from dataclasses import dataclass, field
from typing import Literal

from wfl_sim.methods.objectives import Alignment


@dataclass(frozen=True, kw_only=True)
class Classification:
    """Cross entropy between the head's logits and the label.

    On instructions, which have answers in place of labels: between a language model's next word and
    that of the answer (instruction tuning).
    """


Objective = Classification | Alignment


@dataclass(frozen=True, kw_only=True)
class Local:
    """Local optimisation of one phase.

    Each local update draws `steps` batches from the device's own training examples: epochs
    without replacement, reshuffled at each pass. The optimiser starts fresh at every update.
    """

    steps: int = 8
    batch: int = 16
    lr: float = 2e-3
    optimizer: Literal["adamw", "sgd"] = "adamw"
    weight_decay: float = 0.0
    momentum: float = 0.0
    """Momentum of SGD."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.lr > 0:
            raise ValueError(f"lr must be greater than 0, got {self.lr}")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay must not be negative, got {self.weight_decay}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must be in [0, 1), got {self.momentum}")
        if self.momentum and self.optimizer != "sgd":
            raise ValueError("momentum belongs to optimizer: sgd")


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


def one_phase(
    *trains: str, local: Local, objective: Objective | None = None, proximal: float = 0.0
) -> tuple[Phase]:
    """Return the phases of a method that trains all its parts jointly; `trains` names them."""
    objective = objective or Classification()
    return (Phase(trains=trains, local=local, objective=objective, proximal=proximal),)
