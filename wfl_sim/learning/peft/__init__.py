"""Parts in torch: how each kind of part is put into a frozen network, and where it starts."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Protocol

import torch
from torch import Generator, Tensor
from torch.nn import Parameter
from transformers import PreTrainedModel

from wfl_sim.learning.peft import adapter, critic, full, head, last_layers, lora, offset, router
from wfl_sim.learning.peft.lora import activate
from wfl_sim.methods.parts import (
    Adapter,
    Critic,
    Full,
    Head,
    LastLayers,
    LoRA,
    Offset,
    Part,
    Router,
)
from wfl_sim.randomness import derived_seed

__all__ = ["activate", "attach", "reset"]


class PartKind(Protocol):
    """One kind of part: a module of this package."""

    def attach(self, model: PreTrainedModel, part: Part) -> dict[str, Parameter]:
        """Put the part into the network and return its parameters by their name in the part.

        Raises ValueError when the network has no place for it.
        """

    def start(self, model: PreTrainedModel, name: str, value: Tensor, rng: Generator) -> None:
        """Write the initial value of one parameter in place."""


# The backbone's own weights have their plain names before anything is put into it; PEFT replaces
# the layers it adapts, so LoRA comes before what hooks on to layers.
_KINDS: Final[Mapping[type, PartKind]] = MappingProxyType(
    {
        Full: full,
        LoRA: lora,
        Router: router,
        Adapter: adapter,
        Head: head,
        LastLayers: last_layers,
        Offset: offset,
        Critic: critic,
    }
)


def attach(model: PreTrainedModel, parts: Sequence[Part]) -> dict[str, Parameter]:
    """Put all parts into a network, and return their parameters by the names of a state.

    Nothing is trainable afterwards; who trains a part says so. The order of the parts does not
    matter.

    Raises:
        ValueError: two parts of one name, a kind without a torch side, or no place for a part.
    """
    names = [part.name for part in parts]
    for name in names:
        if names.count(name) > 1 or not name.replace("-", "").replace("_", "").isalnum():
            raise ValueError(f"a part needs a name of its own, of letters and digits, got {name!r}")
    order = list(_KINDS)
    found: dict[str, dict[str, Parameter]] = {}
    with torch.device(model.device), torch.random.fork_rng(devices=[]):
        for part in sorted(parts, key=lambda part: order.index(type(_known(part).config))):
            found[part.name] = _KINDS[type(part.config)].attach(model, part)
    # All modules in one mode, so that the network's own tells that of all.
    model.requires_grad_(False).eval()
    for own in found.values():
        for value in own.values():
            value.data = value.data.float()
    return {f"{part}/{name}": value for part in names for name, value in found[part].items()}


def reset(
    model: PreTrainedModel, part: Part, parameters: Mapping[str, Parameter], seed: int
) -> None:
    """Write the initial values of one part in place; each parameter has a seed of its own."""
    kind = _KINDS[type(part.config)]
    with torch.no_grad():
        for full_name, value in parameters.items():
            owner, _, name = full_name.partition("/")
            if owner == part.name:
                rng = Generator().manual_seed(derived_seed(seed, "part", part.name, name))
                # On the host, whose random numbers are the same wherever the network lies.
                drawn = torch.empty_like(value, device="cpu")
                kind.start(model, name, drawn, rng)
                value.copy_(drawn)


def _known(part: Part) -> Part:
    if type(part.config) not in _KINDS:
        raise ValueError(f"part {part.name!r}: no torch side for {type(part.config).__name__}")
    return part
