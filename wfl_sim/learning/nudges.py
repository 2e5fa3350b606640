"""Nudges: what a method adds to the gradient of every local step, beside that of the loss."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import Parameter

from wfl_sim.methods.aggregation import State

Nudge = Callable[[], None]
"""adds to the gradients in place"""


def nudge_of(
    parameters: Mapping[str, Parameter],
    trained: Sequence[Parameter],
    proximal: float,
    anchor: State,
    correction: State,
) -> Nudge:
    """Return what adds ``mu (w - w0)`` and a correction to the gradient of each parameter.

    Args:
        parameters: all, by name.
        trained: those that learn.
        proximal: mu.
        anchor: w0, by name.
        correction: by name; parameters that it lacks get none.
    """
    learns = {id(parameter) for parameter in trained}
    names = [name for name, parameter in parameters.items() if id(parameter) in learns]
    pulls = {name: _tensor(anchor[name], parameters[name]) for name in names if proximal}
    pushes = {n: _tensor(correction[n], parameters[n]) for n in names if n in correction}

    def nudge() -> None:
        with torch.no_grad():
            for name, origin in pulls.items():
                _gradient(parameters[name]).add_(parameters[name] - origin, alpha=proximal)
            for name, push in pushes.items():
                _gradient(parameters[name]).add_(push)

    return nudge


def _tensor(array: object, like: Parameter) -> Tensor:
    return torch.tensor(np.asarray(array), dtype=like.dtype, device=like.device)


def _gradient(parameter: Parameter) -> Tensor:
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad
