"""Costs of a local step of a split network, on either side of its cut."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import Parameter
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel

from wfl_sim.device_models.workload import StepExchange
from wfl_sim.learning.costs.counting import (
    Flops,
    StepCost,
    Storages,
    count_update,
    footprint_of,
    saved_storages,
)
from wfl_sim.learning.shapes_alone import shapes_alone
from wfl_sim.learning.training import train_only
from wfl_sim.methods.phases import Local

_VALUE_BITS = 32
"""Bits of an activation, of its gradient, and of an integer: a label, a token, a length."""


@dataclass(frozen=True)
class _Below:
    """The forward pass below the cut."""

    flops: float
    hidden: Tensor
    modules: Sequence[nn.Module]
    saved: Storages


def count_split_step(
    model: PreTrainedModel,
    trained: Sequence[Parameter],
    local: Local,
    loss: Callable[[], Tensor],
    known_to_the_server: int,
    blocks: int,
) -> tuple[StepCost, StepExchange]:
    """Return the device's share of a step of the network on a batch, and what crosses the cut.

    Args:
        model: on the meta device, with written-out attention, in the mode of the step.
        trained: parameters that get a gradient, on both sides.
        local: names the optimiser.
        loss: of the batch, of which the network computes everything.
        known_to_the_server: integers that go up with the activations: labels and lengths.
        blocks: transformer blocks of the device.

    Raises:
        ValueError: nothing would be left for the server.
    """
    found = blocks_of(model)
    if blocks >= len(found):
        raise ValueError(
            f"device_blocks must be less than the {len(found)} blocks of the network, got {blocks}"
        )
    whole = count_update(model, trained, local, lambda _: loss().backward()).flops.total
    below, both = _run_cut(model, trained, loss, found[blocks])
    values = below.hidden.numel()
    weights = [
        value
        for module in below.modules
        for value in (*module.parameters(recurse=False), *module.buffers(recurse=False))
    ]
    own = {id(value) for value in weights}
    held = footprint_of(weights, [each for each in trained if id(each) in own], local, below.saved)
    flops = below.flops + (whole - both)
    exchange = StepExchange(
        up_bits=(values + known_to_the_server) * _VALUE_BITS,
        down_bits=values * _VALUE_BITS,
        forward=below.flops / flops,
        server_flops=both - below.flops,
    )
    return StepCost(flops=Flops(flops, 0.0), footprint=held), exchange


def blocks_of(model: PreTrainedModel) -> nn.ModuleList:
    """Return the transformer blocks of a network, lowest first.

    Raises:
        ValueError: none are found, or an encoder and a decoder have some each: a block's number
            alone would not tell on which side of the cut it lies.
    """
    if model.config.is_encoder_decoder:
        raise ValueError(
            f"{model.config.model_type!r} has an encoder and a decoder, and one stack of blocks is "
            "cut: choose another network or method"
        )
    count = model.config.get_text_config().num_hidden_layers
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return module
    raise ValueError(f"no blocks were found in {model.config.model_type!r} to cut between")


def _run_cut(
    model: PreTrainedModel,
    trained: Sequence[Parameter],
    loss: Callable[[], Tensor],
    block: nn.Module,
) -> tuple[_Below, float]:
    """Run a step whose backward pass ends at the input of `block`.

    Returns:
        The part below, and the FLOPs of both parts without the backward pass below.
    """
    entered: list[nn.Module] = []
    below: list[_Below] = []

    def cut(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        hidden: Tensor = args[0] if args else kwargs["hidden_states"]
        flops = float(counter.get_total_flops())
        below.append(_Below(flops, hidden, tuple(entered), dict(saved)))
        received = hidden.detach().requires_grad_()
        if args:
            return (received, *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": received}

    train_only(model, trained)
    handles = [block.register_forward_pre_hook(cut, with_kwargs=True)]
    for module in model.modules():
        handles.append(module.register_forward_pre_hook(lambda each, _: entered.append(each)))
    try:
        counting = FlopCounterMode(display=False)
        with counting as counter, saved_storages() as saved, shapes_alone(model):
            loss().backward()
    finally:
        for handle in handles:
            handle.remove()
    model.zero_grad()
    return below[0], float(counter.get_total_flops())
