"""One phase of local training: batches, steps, and the optimiser."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import nullcontext
from itertools import islice
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import Parameter
from transformers import PreTrainedModel

from wfl_sim.learning.objectives import loss_of, terms_of
from wfl_sim.learning.phase_requests import DivergedError
from wfl_sim.learning.prefix_cache import PrefixCache
from wfl_sim.learning.tokenized import Batchable, TokenizedTexts
from wfl_sim.learning.torch_settings import in_precision
from wfl_sim.methods.phases import Local, Phase
from wfl_sim.state import State

_WINDOW: Final = 8
"""Batches among which examples are sorted by length."""


GradientTerms = Callable[[], None]
"""Adds terms to the gradients in place."""


def train(
    model: PreTrainedModel,
    trained: Sequence[Parameter],
    phase: Phase,
    examples: Batchable,
    rng: np.random.Generator,
    prefix: PrefixCache | None = None,
    add_terms: GradientTerms | None = None,
    forward: Any = None,
) -> list[float]:
    """Take the local steps of one phase in place, and return the loss of each.

    Args:
        model: the network with its parts.
        trained: parameters that learn; all others keep their values and get no gradient.
        phase: objective and local optimisation.
        examples: the device's training examples.
        rng: draws the order of examples.
        prefix: keeps the outputs of the layers below all parts.
        add_terms: adds to the gradient of each step.
        forward: computes what `model` computes, with its parameters; the model itself unless given.

    Raises:
        ValueError: there are no examples.
        DivergedError: the loss is no longer finite.
    """
    if not model.training:
        model.train()
    train_only(model, trained)
    local, net = phase.local, forward or model
    order = list(batches(examples, local, rng))
    optimizer = Optimizer(trained, local, len(order))
    loss_function, precision, losses = loss_of(phase.objective), in_precision(model), []
    with nullcontext() if prefix is None else prefix.over(examples) as begin_above:
        for indices in order:
            batch = examples.take(indices)
            sum_of_losses: Any = 0.0
            for rows, piece, share in pieces(indices, batch, phase):
                if begin_above is not None:
                    begin_above(rows, piece)
                with precision:
                    loss = loss_function(net, piece)
                if piece is not batch:
                    loss = share * loss
                loss.backward()
                sum_of_losses = loss.detach() + sum_of_losses
            if add_terms is not None:
                add_terms()
            optimizer.step()
            losses.append(sum_of_losses)
    return finite(torch.stack(losses).tolist(), local)


def pieces(
    indices: Tensor, batch: Batchable, phase: Phase
) -> Iterator[tuple[Tensor, Batchable, float]]:
    """Yield what passes the network at a time: rows, examples, and their share of the loss.

    All pieces are as wide as the batch, and their losses add up to that of the batch.
    """
    size = phase.local.micro_batch
    if not 0 < size < len(batch):
        yield indices, batch, 1.0
        return
    whole = terms_of(phase.objective, batch)
    for rows, piece in zip(indices.split(size), batch.split(size), strict=True):
        yield rows, piece, terms_of(phase.objective, piece) / whole


def train_only(model: nn.Module, trained: Iterable[Parameter]) -> None:
    """Let some parameters have gradients, and no others."""
    model.requires_grad_(False)
    for parameter in trained:
        parameter.requires_grad_(True)


def finite(losses: list[float], local: Local) -> list[float]:
    """Return the losses of the local steps.

    Raises:
        DivergedError: one of them is not finite.
    """
    if not np.isfinite(losses).all():
        step = int(np.argmin(np.isfinite(losses)))
        raise DivergedError(losses[step], step + 1, local.lr)
    return losses


def batches(examples: Sized, local: Local, rng: np.random.Generator) -> Iterator[Tensor]:
    """Yield the examples of each step, (batch,) int64: reshuffled passes, one after the other.

    Every batch has exactly `local.batch` of them. A pass that ends inside a batch is followed by
    the next one, so a shard smaller than the batch is seen more than once in it. Where texts of
    like length go together, those of eight consecutive batches are sorted by length, and the order
    of these batches is drawn again.

    Raises:
        ValueError: there are no examples.
    """
    size, needed = len(examples), local.steps * local.batch
    if not size:
        raise ValueError("nothing to train on: the shard is empty")
    passes = -(-needed // size)
    drawn = np.concatenate([rng.permutation(size) for _ in range(passes)])[:needed]
    if not isinstance(examples, TokenizedTexts) or examples.padding != "bucketed":
        yield from torch.from_numpy(drawn).split(local.batch)
        return
    lengths = examples.lengths()
    for window in np.split(drawn, range(_WINDOW * local.batch, needed, _WINDOW * local.batch)):
        alike = window[np.argsort(lengths[window], kind="stable")].reshape(-1, local.batch)
        yield from torch.from_numpy(rng.permutation(alike))


class Optimizer:
    """Takes the steps of a phase, each with the gradient clipped and at its own learning rate."""

    def __init__(self, trained: Sequence[Tensor], local: Local, steps: int) -> None:
        self._trained = trained
        self._clip = local.clip_norm
        self._rates = iter(local.rates(steps) or ())
        self._optimizer = optimizer_of(trained, local)

    def step(self) -> None:
        """Take one step, and forget the gradient."""
        if self._clip:
            torch.nn.utils.clip_grad_norm_(self._trained, self._clip)
        take_step(self._optimizer, self._rates)


def take_step(optimizer: torch.optim.Optimizer, rates: Iterator[float]) -> None:
    """Take a step at the next of the learning rates, if there is one, and forget the gradient."""
    for rate in islice(rates, 1):
        for group in optimizer.param_groups:
            group["lr"] = rate
    optimizer.step()
    optimizer.zero_grad()


def optimizer_of(trained: Sequence[Tensor], local: Local) -> torch.optim.Optimizer:
    """Return a fresh optimiser; one fused kernel updates all parameters."""
    if local.optimizer == "adamw":
        return torch.optim.AdamW(
            trained,
            lr=local.lr,
            betas=local.betas,
            eps=local.eps,
            weight_decay=local.weight_decay,
            fused=True,
        )
    return torch.optim.SGD(
        trained,
        lr=local.lr,
        momentum=local.momentum,
        weight_decay=local.weight_decay,
        fused=True,
    )


def gradient_terms(
    parameters: Mapping[str, Parameter],
    trained: Sequence[Parameter],
    proximal: float,
    anchor: State,
    correction: State,
) -> GradientTerms:
    """Return what adds ``mu (w - w0)`` and a correction to the gradient of each parameter.

    Args:
        parameters: all parameters, by name.
        trained: the parameters that the phase trains.
        proximal: mu.
        anchor: w0, by name.
        correction: added to the gradient, by name; parameters that it lacks get none.
    """
    learns = {id(parameter) for parameter in trained}
    names = [name for name, parameter in parameters.items() if id(parameter) in learns]
    pulls = {name: _tensor(anchor[name], parameters[name]) for name in names if proximal}
    pushes = {n: _tensor(correction[n], parameters[n]) for n in names if n in correction}

    def add_terms() -> None:
        with torch.no_grad():
            for name, origin in pulls.items():
                gradient_of(parameters[name]).add_(parameters[name] - origin, alpha=proximal)
            for name, push in pushes.items():
                gradient_of(parameters[name]).add_(push)

    return add_terms


def _tensor(array: object, like: Parameter) -> Tensor:
    return torch.tensor(np.asarray(array), dtype=like.dtype, device=like.device)


def gradient_of(parameter: Tensor) -> Tensor:
    """Return the gradient of a parameter, zero where it has none yet."""
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad
