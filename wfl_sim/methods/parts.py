"""Parts: the trainable pieces that a method adds to a frozen base model.

These are descriptions; `wfl_sim.learning.parts` turns them into torch modules.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class LoRA:
    """Low-rank update dW = (alpha / rank) B A of linear layers (Hu et al. 2021, arXiv 2106.09685).

    `targets` are suffixes of module names; empty means the query and value projections of the
    architecture, as PEFT knows them. `alpha` of 0 stands for twice the rank.
    """

    rank: int = 8
    alpha: float = 0.0
    dropout: float = 0.0
    targets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"rank must be at least 1, got {self.rank}")
        if self.alpha < 0:
            raise ValueError(f"alpha must not be negative, got {self.alpha}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """Bottleneck adapter (Houlsby et al. 2019, arXiv 1902.00751).

    x + W_up f(W_down x) after the attention and after the feed-forward block of each layer, or
    only after the feed-forward block ("pfeiffer", Pfeiffer et al. 2021, arXiv 2005.00247). W_up
    starts at zero, so a fresh adapter is the identity.
    """

    bottleneck: int = 16
    placement: Literal["houlsby", "pfeiffer"] = "houlsby"
    activation: Literal["relu", "gelu"] = "gelu"

    def __post_init__(self) -> None:
        if self.bottleneck < 1:
            raise ValueError(f"bottleneck must be at least 1, got {self.bottleneck}")


@dataclass(frozen=True, kw_only=True)
class Head:
    """The task head: all that the pretrained network puts on top of its backbone."""


@dataclass(frozen=True, kw_only=True)
class LastLayers:
    """The weights of the last `layers` blocks of the backbone, from their pretrained values on."""

    layers: int = 2

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise ValueError(f"layers must be at least 1, got {self.layers}")


@dataclass(frozen=True, kw_only=True)
class Offset:
    """What is added to the weights of the last `layers` blocks: one's own distance from the
    others'.

    It starts at zero.
    """

    layers: int = 2

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise ValueError(f"layers must be at least 1, got {self.layers}")


@dataclass(frozen=True, kw_only=True)
class Critic:
    """A linear value head on the last hidden state of a language model: `values` expected
    rewards."""

    values: int = 1


PartConfig = LoRA | Adapter | Head | LastLayers | Offset | Critic


@dataclass(frozen=True, kw_only=True)
class Part:
    """One named piece of a method: what it is, and whether it is sent or stays private."""

    name: str
    config: PartConfig
    shared: bool
