"""The trainable parts that a method adds to a frozen base model.

These are descriptions; `wfl_sim.learning.peft` turns them into torch modules.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from wfl_sim.config.contracts import check_dataclass
from wfl_sim.config.fields import BelowOne, NonNegativeFloat, PositiveInt

Shapes = Mapping[str, tuple[int, ...]]
"""Names of parameters, ``part/parameter``, and their shapes."""

Role = Literal["shared", "private", "known"]
"""A parameter is sent, stays on its device, or is the same everywhere without being sent."""


@dataclass(frozen=True, kw_only=True)
class LoRA:
    """Low-rank update dW = (alpha / rank) B A of linear layers (Hu et al. 2021, arXiv 2106.09685).

    `targets` are suffixes of module names, or `all-linear`; empty means the query and value
    projections of the architecture, as PEFT knows them. `alpha` of 0 stands for twice the rank.
    """

    rank: PositiveInt = 8
    alpha: NonNegativeFloat = 0.0
    dropout: BelowOne = 0.0
    targets: tuple[str, ...] | Literal["all-linear"] = ()

    @property
    def scale(self) -> float:
        """Factor of B A x: alpha over the rank."""
        return (self.alpha or 2 * self.rank) / self.rank


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """Bottleneck adapter (Houlsby et al. 2019, arXiv 1902.00751).

    x + W_up f(W_down x) after the attention and after the feed-forward block of each layer, or
    only after the feed-forward block ("pfeiffer", Pfeiffer et al. 2021, arXiv 2005.00247). W_up
    starts at zero, so a fresh adapter is the identity.
    """

    bottleneck: PositiveInt = 16
    placement: Literal["houlsby", "pfeiffer"] = "houlsby"
    activation: Literal["relu", "gelu"] = "gelu"


@dataclass(frozen=True, kw_only=True)
class Head:
    """The task head: all that the pretrained network puts on top of its backbone."""


@dataclass(frozen=True, kw_only=True)
class LastLayers:
    """The weights of the last `layers` blocks of the backbone, from their pretrained values on."""

    layers: PositiveInt = 2


@dataclass(frozen=True, kw_only=True)
class Offset:
    """An addend to the weights of the last `layers` blocks: the device's deviation from the rest.

    It starts at zero.
    """

    layers: PositiveInt = 2


@dataclass(frozen=True, kw_only=True)
class Critic:
    """A linear value head on the last hidden state of a language model.

    It estimates `values` expected rewards.
    """

    values: int = 1


@dataclass(frozen=True, kw_only=True)
class RewardWeights:
    """What the weights of two rewards have learned, and the mean first reward of the last answers.

    No layer reads them; alignment writes them. They start at zero.
    """


@dataclass(frozen=True, kw_only=True)
class Full:
    """Weights of the pretrained network itself: full fine-tuning.

    Every weight outside the head of a classifier, embeddings included; with `adapted` those
    matrices alone that a LoRA with these `targets` adapts.
    """

    adapted: bool = False
    targets: tuple[str, ...] | Literal["all-linear"] = ()


@dataclass(frozen=True, kw_only=True)
class Router:
    """In each adapted layer softmax(G x) weighs, token by token, the LoRAs of some parts.

    G starts at zero, so that all weigh the same.
    """

    over: tuple[str, ...]
    """Names of the parts."""


@dataclass(frozen=True, kw_only=True)
class Tuner:
    """What a type of PEFT that adapts layers trains (`dora`, `ia3`, `vera`, ...), or the biases of
    the network (`bitfit`, E. Ben Zaken et al. 2022, arXiv 2106.10199).

    It begins as PEFT makes it, from one seed whatever that of the run.
    """

    type: str = "ia3"
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Fields of PEFT's configuration of this type, such as `r`; PEFT's defaults without them."""


PartConfig = (
    LoRA | Tuner | Adapter | Head | Full | Router | LastLayers | Offset | Critic | RewardWeights
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One named piece of a method: what it is, and whether it is sent or stays private."""

    name: str
    config: PartConfig
    shared: bool | Literal["A", "B"] = False
    """Whether the part is sent; of a LoRA perhaps one factor alone, while the other is private."""
    known: bool | Literal["A"] = False
    """Whether the part is the same on all devices without being sent: drawn from one seed (the
    factor A of FFA-LoRA), or computed from what was sent (the merged weights of FLoRA)."""
    by_device: bool = False
    """Whether the `rank` of a group of devices replaces that of this LoRA."""

    def __post_init__(self) -> None:
        check_dataclass(f"the config of part {self.name!r}", type(self.config))

    def role(self, parameter: str) -> Role:
        """Return the role of one of its parameters, by name."""
        factor = "A" if ".lora_A." in parameter else "B" if ".lora_B." in parameter else ""
        if self.shared is True or (self.shared and self.shared == factor):
            return "shared"
        if self.known is True or (self.known and self.known == factor):
            return "known"
        return "private"

    def of_rank(self, rank: int | None) -> "Part":
        """Return the part as it is on a device of a group with a rank of its own.

        The scale alpha / rank stays, so that products BA of different ranks can be added.
        """
        if rank is None or not self.by_device or not isinstance(self.config, LoRA):
            return self
        alpha = self.config.alpha * rank / self.config.rank
        return replace(self, config=replace(self.config, rank=rank, alpha=alpha))


def lora_and_head(
    lora: LoRA,
    *,
    shared: bool | Literal["A", "B"] = True,
    known: bool | Literal["A"] = False,
    by_device: bool = False,
    head: bool = True,
) -> tuple[Part, Part]:
    """Return the parts "lora" and "head" of a method that adapts by LoRA.

    With `head` the head is sent, too; the other arguments are those of `Part`.
    """
    adapter = Part(name="lora", config=lora, shared=shared, known=known, by_device=by_device)
    return adapter, Part(name="head", config=Head(), shared=head)


def with_role(
    parts: Mapping[str, Part], shapes: Shapes, *roles: Role
) -> dict[str, tuple[int, ...]]:
    """Return the names, and shapes, of the parameters that have one of the roles."""
    return {n: shape for n, shape in shapes.items() if parts[owner(n)].role(n) in roles}


def owner(name: str) -> str:
    """Return the part that a parameter belongs to."""
    return name.partition("/")[0]
