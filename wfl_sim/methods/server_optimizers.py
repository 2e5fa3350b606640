"""Server optimisers: how the shared state moves towards the average of the uploads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wfl_sim.config.fields import BelowOne, Bounded, PositiveFloat
from wfl_sim.config.registry import Registry
from wfl_sim.methods.method import SERVER
from wfl_sim.state import State, each, minus, plus, put_under, times, under

MEMORY = f"{SERVER}/optimizer"
Array = NDArray[np.floating[Any]]


class Optimizer(Protocol):
    """How the server moves from the present shared state to the average of the uploads.

    >>> class HalfStep:
    ...     def step(self, shared, mean, memory):
    ...         return plus(shared, minus(mean, shared), 0.5), {}
    >>> HalfStep().step({"x": np.zeros(1)}, {"x": np.ones(1)}, memory={})
    ({'x': array([0.5])}, {})
    """

    def step(self, shared: State, mean: State, memory: State) -> tuple[State, State]:
        """Return the next shared state and what the server remembers.

        Args:
            shared: the present state of what is averaged.
            mean: the average, of the same names.
            memory: what the last step returned; empty before the first.
        """


OPTIMIZERS: Registry[Optimizer] = Registry("optimizer", Optimizer)


@OPTIMIZERS("average")
@dataclass(frozen=True, kw_only=True)
class Average(Bounded):
    """x <- x + lr (mean - x); with lr 1 the average itself (McMahan et al. 2017)."""

    lr: PositiveFloat = 1.0

    def step(self, shared: State, mean: State, memory: State) -> tuple[State, State]:
        """Return the next state; nothing is remembered."""
        return (mean if self.lr == 1 else plus(shared, minus(mean, shared), self.lr)), {}


@OPTIMIZERS("momentum")
@dataclass(frozen=True, kw_only=True)
class Momentum(Bounded):
    """FedAvgM: v <- beta v + (mean - x), x <- x + lr v (Hsu et al. 2019, arXiv 1909.06335)."""

    lr: PositiveFloat = 1.0
    beta: BelowOne = 0.9

    def step(self, shared: State, mean: State, memory: State) -> tuple[State, State]:
        """Return the next state and v."""
        update = minus(mean, shared)
        v = plus(update, memory, self.beta) if memory else update
        return plus(shared, v, self.lr), v


@dataclass(frozen=True, kw_only=True)
class _Adaptive(Bounded):
    """Algorithm 2 of Reddi et al. 2021, arXiv 2003.00295, whose defaults these are but for lr."""

    lr: PositiveFloat = 0.01
    beta1: BelowOne = 0.9
    beta2: BelowOne = 0.99
    tau: PositiveFloat = 1e-3
    """Degree of adaptivity: the smaller, the more adaptive."""

    def step(self, shared: State, mean: State, memory: State) -> tuple[State, State]:
        """m <- b1 m + (1-b1) d, v <- ..., x <- x + lr m / (sqrt(v) + tau); remember m and v."""
        d = minus(mean, shared)
        m, v = under("m", memory), under("v", memory)
        if not memory:
            m, v = times(0.0, d), each(d, lambda array: np.full_like(array, self.tau**2))
        m = plus(times(self.beta1, m), d, 1 - self.beta1)
        v = {name: self._second(v[name], np.square(d[name])) for name in d}
        moved = {n: shared[n] + self.lr * m[n] / (np.sqrt(v[n]) + self.tau) for n in d}
        return moved, {**put_under("m", m), **put_under("v", v)}

    def _second(self, v: Array, square: Array) -> Array:
        """Return the next v of an array, whose d^2 is `square`."""
        raise NotImplementedError


@OPTIMIZERS("adam")
@dataclass(frozen=True, kw_only=True)
class Adam(_Adaptive):
    """FedAdam: v <- b2 v + (1-b2) d^2 (arXiv 2003.00295)."""

    def _second(self, v: Array, square: Array) -> Array:
        return self.beta2 * v + (1 - self.beta2) * square


@OPTIMIZERS("yogi")
@dataclass(frozen=True, kw_only=True)
class Yogi(_Adaptive):
    """FedYogi: v <- v - (1-b2) d^2 sign(v - d^2) (arXiv 2003.00295)."""

    def _second(self, v: Array, square: Array) -> Array:
        return v - (1 - self.beta2) * square * np.sign(v - square)


@OPTIMIZERS("adagrad")
@dataclass(frozen=True, kw_only=True)
class Adagrad(_Adaptive):
    """FedAdagrad: v <- v + d^2 (arXiv 2003.00295)."""

    beta1: BelowOne = 0.0

    def _second(self, v: Array, square: Array) -> Array:
        return v + square
