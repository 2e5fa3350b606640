"""Costs of one local step, counted on shapes: FLOPs, memory at its peak, and memory traffic."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import Parameter
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel

from wfl_sim.device_models.workload import Writing
from wfl_sim.learning.costs.live_memory import peak_memory
from wfl_sim.learning.objectives import loss_of
from wfl_sim.learning.shapes_alone import shapes_alone
from wfl_sim.learning.tokenized import dummy_batch
from wfl_sim.learning.torch_settings import checkpointed
from wfl_sim.learning.training import train_only
from wfl_sim.methods.phases import Local, Phase

Storages = dict[int, torch.UntypedStorage]
"""Distinct storages by their address."""

_ATTENTION = {torch.ops.aten.bmm, torch.ops.aten.baddbmm}


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Memory of a local step, in byte."""

    frozen: float
    """Weights and buffers without a gradient."""
    rounded: float = 0.0
    """Those of them that are held in a byte or less."""
    trained: float
    """Weights with a gradient."""
    moments: float
    """State of the optimiser."""
    activations: float
    """Tensors kept for the backward pass."""
    live: float
    """Tensors alive at the peak beside weights, moments and copies: those kept for the backward
    pass, gradients, and what layers compute with."""
    copies: float = 0.0
    """Copies of trained weights: the reference of a policy, what a penalty pulls to."""
    passes: float = 1.0
    """Passes whose gradients a step adds up; the last may be less than one."""
    reads: int = 2
    """How often a pass reads the weights: forward, backward, and where layers are computed anew."""
    anew: float = 0.0
    """Tensors computed anew in the backward pass, beyond the layer that is held at a time."""

    @property
    def held(self) -> float:
        """Memory at the peak, which is in a pass, or where the optimiser has all gradients."""
        held = self.frozen + self.trained + self.moments + self.copies
        return held + max(self.live, self.trained)

    @property
    def plain(self) -> float:
        """Frozen weights that are held in more than a byte."""
        return self.frozen - self.rounded

    @property
    def frozen_moved(self) -> float:
        """What `moved` has of the plain frozen weights."""
        return self.reads * math.ceil(self.passes) * self.plain

    @property
    def moved(self) -> float:
        """Least traffic of a step between memory and processor.

        Forward and backward read all weights once each and write and read the activations; trained
        weights have their gradient written and read, and are themselves, with the moments, read and
        written by the optimiser. Caches that hold more, and kernels that move more, are left out.
        """
        weights, whole = self.frozen + self.trained, math.ceil(self.passes)
        optimiser = (2 + 2 * whole) * self.trained + 2 * self.moments
        activations = 2 * self.passes * (self.activations + self.anew)
        return self.reads * whole * weights + activations + optimiser


@dataclass(frozen=True)
class Flops:
    """FLOPs of some work."""

    total: float
    attention: float
    """Part of `total` in the products of queries, keys and values."""

    def with_attention(self, share: float) -> float:
        """Return the FLOPs where attention keeps this share of the pairs of tokens."""
        return self.total - (1 - share) * self.attention


@dataclass(frozen=True, kw_only=True)
class PhaseCost:
    """Cost of all local steps of a phase."""

    flops: float
    steps: int
    """Steps of the optimiser."""
    footprint: Footprint
    traffic: float
    """Bytes moved between memory and processor, at least."""
    frozen_traffic: float
    """Those of them that read frozen weights, but for weights held in a byte or less."""
    writing: Writing = Writing()
    """The part of it in which a network writes answers."""


@dataclass(frozen=True, kw_only=True)
class StepCost:
    """Cost of one local step."""

    flops: Flops
    footprint: Footprint

    def times(self, steps: int) -> PhaseCost:
        """Return the cost of equal steps."""
        return PhaseCost(
            flops=steps * self.flops.total,
            steps=steps,
            footprint=self.footprint,
            traffic=steps * self.footprint.moved,
            frozen_traffic=steps * self.footprint.frozen_moved,
        )


def count_step(
    model: PreTrainedModel, trained: Sequence[Parameter], phase: Phase, tokens: int
) -> StepCost:
    """Count a classifier's step on a batch of `phase.local.batch` texts of `tokens` tokens.

    Args:
        model: on the meta device, with written-out attention.
        trained: parameters that get a gradient.
        phase: its objective and batch.
        tokens: length of a text.
    """
    model.train()
    loss = loss_of(phase.objective)

    def update(rows: int) -> None:
        loss(model, dummy_batch(rows, tokens, model.device)).backward()

    return count_update(model, trained, phase.local, update)


def count_update(
    model: PreTrainedModel,
    trained: Sequence[Parameter],
    local: Local,
    update: Callable[[int], object],
) -> StepCost:
    """Count the passes of a step by one of `local.at_once` examples; no gradient is left.

    A last pass of fewer is counted by itself: some work, as on the norms of DoRA, is that of a
    pass, whatever its examples.

    Activations are the distinct storages that autograd saves in a forward pass with written-out
    attention; a fused attention kernel needs less.
    """
    train_only(model, trained)
    rows = local.at_once
    whole, rest = divmod(local.batch, rows)
    with saved_storages() as saved:
        once = count_flops(model, lambda: update(rows))
    last = count_flops(model, lambda: update(rest)) if rest else Flops(0.0, 0.0)
    flops = Flops(whole * once.total + last.total, whole * once.attention + last.attention)
    weights, passes = [*model.parameters(), *model.buffers()], local.batch / rows
    live = peak_memory(model, lambda: [update(rows) for _ in range(min(math.ceil(passes), 2))])
    footprint = footprint_of(weights, trained, local, saved)
    footprint = replace(footprint, live=live, passes=passes)
    if layers := [each for each in model.modules() if checkpointed(each)]:
        sizes = _saved_by(layers, weights, lambda: count_flops(model, lambda: update(rows)))
        largest = max(sizes)
        footprint = replace(
            footprint,
            activations=footprint.activations + largest,
            reads=3,
            anew=sum(sizes) - largest,
        )
    return StepCost(flops=flops, footprint=footprint)


def _saved_by(
    layers: Sequence[nn.Module], weights: Sequence[Tensor], run: Callable[[], object]
) -> list[float]:
    """Return the bytes that each checkpointed layer saves where it is not, beside its inputs."""
    before: list[Storages] = []
    sizes: list[float] = []

    def enter(_: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = [each for each in (*args, *kwargs.values()) if isinstance(each, Tensor)]
        before.append({**saved, **storages([*weights, *given])})

    def leave(*_: object) -> None:
        known = before.pop()
        sizes.append(size_of({place: each for place, each in saved.items() if place not in known}))

    with saved_storages() as saved, ExitStack() as restored:
        for layer in layers:
            entering = layer.register_forward_pre_hook(enter, with_kwargs=True)
            for handle in (entering, layer.register_forward_hook(leave)):
                restored.callback(handle.remove)
            restored.callback(setattr, layer, "gradient_checkpointing", True)
            setattr(layer, "gradient_checkpointing", False)  # noqa: B010
        run()
    return sizes


def count_flops(model: PreTrainedModel, work: Callable[[], object]) -> Flops:
    """Count the FLOPs of some work, after which no gradient is left."""
    with FlopCounterMode(display=False) as counter, shapes_alone(model):
        work()
    model.zero_grad()
    # Below the backbone alone: linear layers on the last states may be batched products, too.
    backbone = f"{type(model).__name__}.{model.base_model_prefix}"
    counts = counter.get_flop_counts().get(backbone, {})
    attention = sum(counts.get(operation, 0) for operation in _ATTENTION)
    return Flops(float(counter.get_total_flops()), float(attention))


@contextmanager
def saved_storages() -> Iterator[Storages]:
    """Yield what autograd has saved for the backward pass so far, weights included."""
    saved: Storages = {}

    def save(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage()._cdata] = tensor.untyped_storage()
        return tensor

    with saved_tensors_hooks(save, lambda tensor: tensor):
        yield saved


def footprint_of(
    weights: Sequence[Tensor], trained: Iterable[Parameter], local: Local, saved: Storages
) -> Footprint:
    """Return the memory of a step, in whose forward pass autograd has saved some storages.

    What layers compute with is left out of what is alive.
    """
    held = storages(weights)
    learned = sum(parameter.nbytes for parameter in trained)
    activations = {address: each for address, each in saved.items() if address not in held}
    return Footprint(
        frozen=size_of(held) - learned,
        rounded=size_of(storages(each for each in weights if each.element_size() == 1)),
        trained=float(learned),
        moments=float(moments(local) * learned),
        activations=size_of(activations),
        live=size_of(activations) + learned,
    )


def storages(tensors: Iterable[Tensor]) -> Storages:
    """Return the distinct storages of tensors."""
    return {each.untyped_storage()._cdata: each.untyped_storage() for each in tensors}


def size_of(held: Storages) -> float:
    """Return the size of storages, in byte."""
    return float(sum(storage.nbytes() for storage in held.values()))


def moments(local: Local) -> int:
    """Return how many tensors of a parameter's size the optimiser keeps."""
    if local.optimizer == "adamw":
        return 2
    return 1 if local.momentum else 0
