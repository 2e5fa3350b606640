"""The cut of a split network: what a local step costs on either side of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import Parameter
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel

from wfl_sim.learning.costs.counting import Footprint, moments, step_flops
from wfl_sim.learning.objectives import loss_of
from wfl_sim.learning.tokenized import dummy_batch
from wfl_sim.methods.phases import Phase

_BITS_OF_A_VALUE = 32
_BITS_BESIDE = 64
"""of a text: its label and its length, an integer of 32 bit each"""


@dataclass(frozen=True, kw_only=True)
class SplitStepCost:
    """One local step of a split network."""

    forward: float
    """FLOP on the device before the activations are sent"""
    backward: float
    """FLOP on the device when the gradients have come"""
    server: float
    """FLOP at the server"""
    up_bits: int
    down_bits: int
    footprint: Footprint
    """of the device"""


def cut_step(
    model: PreTrainedModel,
    trained: Sequence[Parameter],
    phase: Phase,
    tokens: int,
    blocks: int,
) -> SplitStepCost:
    """Count a step on a batch of `phase.local.batch` texts of `tokens` tokens.

    Args:
        model: on the meta device, with written-out attention.
        trained: parameters that get a gradient, on both sides.
        phase: its objective and batch.
        tokens: length of a text.
        blocks: transformer blocks of the device.

    Raises:
        ValueError: nothing would be left for the server.
    """
    whole = step_flops(model, trained, phase, tokens)
    at = blocks_of(model)
    if blocks >= len(at):
        raise ValueError(
            f"device_blocks must be less than the {len(at)} blocks of the network, got {blocks}"
        )
    forward, above, width = _above(model, trained, phase, tokens, at[blocks])
    values = phase.local.batch * tokens * width
    return SplitStepCost(
        forward=forward,
        backward=whole - forward - above,
        server=above,
        up_bits=values * _BITS_OF_A_VALUE + phase.local.batch * _BITS_BESIDE,
        down_bits=values * _BITS_OF_A_VALUE,
        footprint=_below(model, trained, phase, tokens, at[blocks]),
    )


def blocks_of(model: PreTrainedModel) -> nn.ModuleList:
    """Return the transformer blocks of a network, lowest first."""
    count = model.config.get_text_config().num_hidden_layers
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return module
    raise ValueError(f"no blocks were found in {model.config.model_type!r} to cut between")


def _above(
    model: PreTrainedModel,
    trained: Sequence[Parameter],
    phase: Phase,
    tokens: int,
    block: nn.Module,
) -> tuple[float, float, int]:
    """Return FLOPs below `block`, forward, and above, both ways, and the width of its input."""
    found: dict[str, float] = {}

    def cut(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        found["below"] = float(counter.get_total_flops())
        hidden, received = _received(args, kwargs)
        found["width"] = hidden.shape[-1]
        return received

    _choose(model, trained)
    handle = block.register_forward_pre_hook(cut, with_kwargs=True)
    try:
        with FlopCounterMode(display=False) as counter:
            batch = dummy_batch(phase.local.batch, tokens, model.device)
            loss_of(phase.objective)(model, batch).backward()
    finally:
        handle.remove()
    for parameter in trained:
        parameter.grad = None
    above = float(counter.get_total_flops()) - found["below"]
    return found["below"], above, int(found["width"])


def _received(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Tensor, Any]:
    """Return the activations, and the arguments with them as the server receives them."""
    hidden: Tensor = args[0] if args else kwargs["hidden_states"]
    leaf = hidden.detach().requires_grad_()
    if args:
        return hidden, ((leaf, *args[1:]), kwargs)
    return hidden, (args, {**kwargs, "hidden_states": leaf})


class _ReachedError(Exception):
    """The forward pass has come to the cut."""


def _below(
    model: PreTrainedModel,
    trained: Sequence[Parameter],
    phase: Phase,
    tokens: int,
    block: nn.Module,
) -> Footprint:
    """Return what the device holds: the weights that run before `block`, and what they keep."""
    entered: list[nn.Module] = []
    saved: dict[int, torch.UntypedStorage] = {}

    def enter(module: nn.Module, args: Any) -> None:
        if module is block:
            raise _ReachedError
        entered.append(module)

    def keep(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage()._cdata] = tensor.untyped_storage()
        return tensor

    _choose(model, trained)
    handles = [module.register_forward_pre_hook(enter) for module in model.modules()]
    try:
        with saved_tensors_hooks(keep, lambda tensor: tensor):
            batch = dummy_batch(phase.local.batch, tokens, model.device)
            loss_of(phase.objective)(model, batch)
    except _ReachedError:
        pass
    finally:
        for handle in handles:
            handle.remove()
    own = [t for m in entered for t in (*m.parameters(recurse=False), *m.buffers(recurse=False))]
    weights = {t.untyped_storage()._cdata: t.untyped_storage() for t in own}
    ours = {id(t) for t in own}
    learned = sum(p.numel() * p.element_size() for p in trained if id(p) in ours)
    return Footprint(
        frozen=float(sum(storage.nbytes() for storage in weights.values()) - learned),
        trained=float(learned),
        moments=float(moments(phase.local) * learned),
        activations=float(sum(s.nbytes() for key, s in saved.items() if key not in weights)),
    )


def _choose(model: PreTrainedModel, trained: Sequence[Parameter]) -> None:
    model.requires_grad_(False).train()
    for parameter in trained:
        parameter.requires_grad_(True)
