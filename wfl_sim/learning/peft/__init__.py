"""Parameter-efficient parts in torch: added to a frozen network, and initialised."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import Generator, Tensor, nn
from torch.nn import Parameter
from transformers import PreTrainedModel

from wfl_sim.learning.peft.adapter import attach_adapter, initialize_adapter
from wfl_sim.learning.peft.base_weights import (
    attach_full,
    attach_last_layers,
    attach_offset,
    initialize_full,
    initialize_last_layers,
)
from wfl_sim.learning.peft.heads import (
    attach_critic,
    attach_head,
    attach_reward_weights,
    initialize_head,
)
from wfl_sim.learning.peft.lora import attach_lora, attach_router, initialize_lora, muted
from wfl_sim.learning.peft.tuner import attach_tuner
from wfl_sim.methods import parts as kinds
from wfl_sim.methods.parts import Part
from wfl_sim.randomness import derived_seed

__all__ = ["attach", "muted", "reset"]


Attach = Callable[[PreTrainedModel, Part], dict[str, Parameter]]
"""Puts a part into a network, and returns its parameters by their name in the part.

Raises ValueError when the network has no place for the part.
"""
Initialize = Callable[[PreTrainedModel, str, Tensor, Generator], None]
"""Writes the initial value of one parameter of a part, given by name and tensor, in place."""


def _zero(model: PreTrainedModel, name: str, value: Tensor, rng: Generator) -> None:
    nn.init.zeros_(value)


# The backbone's own weights have their plain names before anything is put into it; PEFT replaces
# the layers it adapts, so LoRA comes before parts with hooks on layers.
_KINDS: Final[Mapping[type, tuple[Attach, Initialize]]] = MappingProxyType(
    {
        kinds.Full: (attach_full, initialize_full),
        kinds.LoRA: (attach_lora, initialize_lora),
        kinds.Tuner: (attach_tuner, initialize_full),
        kinds.Router: (attach_router, _zero),
        kinds.Adapter: (attach_adapter, initialize_adapter),
        kinds.Head: (attach_head, initialize_head),
        kinds.LastLayers: (attach_last_layers, initialize_last_layers),
        kinds.Offset: (attach_offset, _zero),
        kinds.Critic: (attach_critic, _zero),
        kinds.RewardWeights: (attach_reward_weights, _zero),
    }
)


def attach(model: PreTrainedModel, parts: Sequence[Part]) -> dict[str, Parameter]:
    """Put all parts into a network, and return their parameters by the names of a state.

    Nothing is trainable afterwards. The order of the parts does not matter.

    Raises:
        ValueError: two parts of one name, a kind without a torch side, or no place for a part.
    """
    names = [part.name for part in parts]
    for name in names:
        if names.count(name) > 1 or not name.replace("-", "").replace("_", "").isalnum():
            raise ValueError(f"a part needs a name of its own, of letters and digits, got {name!r}")
    order = [*_KINDS, *{type(part.config) for part in parts if type(part.config) not in _KINDS}]
    found: dict[str, dict[str, Parameter]] = {}
    with torch.device(model.device), torch.random.fork_rng(devices=[]):
        for part in sorted(parts, key=lambda part: order.index(type(part.config))):
            attach_part, _ = _torch_side(part)
            found[part.name] = attach_part(model, part)
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
    _, initialize = _torch_side(part)
    with torch.no_grad():
        for full_name, value in parameters.items():
            owner, _, name = full_name.partition("/")
            if owner == part.name:
                rng = Generator().manual_seed(derived_seed(seed, "part", part.name, name))
                # On the host, whose random numbers are the same wherever the network lies.
                drawn = torch.empty_like(value, device="cpu")
                initialize(model, name, drawn, rng)
                value.copy_(drawn)


def _torch_side(part: Part) -> tuple[Attach, Initialize]:
    """Return how a part is put in: of the kinds above, or of a class that brings it."""
    config: Any = part.config
    if type(config) in _KINDS:
        return _KINDS[type(config)]
    if callable(getattr(config, "attach", None)) and callable(getattr(config, "initialize", None)):
        return lambda model, part: config.attach(model, part.name), config.initialize
    raise ValueError(
        f"part {part.name!r}: no torch side for {type(config).__name__}: give it the methods "
        "attach(model, name) and initialize(model, name, value, rng)"
    )
