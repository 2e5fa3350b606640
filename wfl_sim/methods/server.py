"""The server's side of averaging: optimisers on the average update, and what old uploads count."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

import numpy as np

from wfl_sim.methods.abilities import SERVER, averages
from wfl_sim.methods.aggregation import State, Upload
from wfl_sim.methods.states import each, minus, outside, plus, put_under, times, under
from wfl_sim.protocols import OPTIMIZERS, STALENESS, Optimizer, Staleness
from wfl_sim.registry import From, LocatedError

_MEMORY = f"{SERVER}/optimizer"


@OPTIMIZERS("average")
@dataclass(frozen=True, kw_only=True)
class Average:
    """x <- x + lr (mean - x); with lr 1 the average itself (McMahan et al. 2017)."""

    lr: float = 1.0

    def __post_init__(self) -> None:
        _check(self)

    def step(self, shared: State, mean: State, memory: State) -> tuple[State, State]:
        """Return the next state; nothing is remembered."""
        return (mean if self.lr == 1 else plus(shared, minus(mean, shared), self.lr)), {}


@OPTIMIZERS("momentum")
@dataclass(frozen=True, kw_only=True)
class Momentum:
    """FedAvgM: v <- beta v + (mean - x), x <- x + lr v (Hsu et al. 2019, arXiv 1909.06335)."""

    lr: float = 1.0
    beta: float = 0.9

    def __post_init__(self) -> None:
        _check(self)

    def step(self, shared: State, mean: State, memory: State) -> tuple[State, State]:
        """Return the next state and v."""
        update = minus(mean, shared)
        v = plus(update, memory, self.beta) if memory else update
        return plus(shared, v, self.lr), v


@dataclass(frozen=True, kw_only=True)
class _Adaptive:
    """Algorithm 2 of Reddi et al. 2021, arXiv 2003.00295, whose defaults these are but for lr."""

    lr: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.99
    tau: float = 1e-3
    """how adaptive: the smaller, the more"""

    def __post_init__(self) -> None:
        _check(self)

    def step(self, shared: State, mean: State, memory: State) -> tuple[State, State]:
        """m <- b1 m + (1-b1) d, v <- ..., x <- x + lr m / (sqrt(v) + tau); remember m and v."""
        d = minus(mean, shared)
        m, v = under("m", memory), under("v", memory)
        if not memory:
            m, v = times(0.0, d), each(d, lambda array: np.full_like(array, self.tau**2))
        m = plus(times(self.beta1, m), d, 1 - self.beta1)
        v = self._second({name: (v[name], np.square(d[name])) for name in d})
        moved = {n: shared[n] + self.lr * m[n] / (np.sqrt(v[n]) + self.tau) for n in d}
        return moved, {**put_under("m", m), **put_under("v", v)}

    def _second(self, pairs: Mapping[str, tuple[Any, Any]]) -> State:
        raise NotImplementedError


@OPTIMIZERS("adam")
@dataclass(frozen=True, kw_only=True)
class Adam(_Adaptive):
    """FedAdam: v <- b2 v + (1-b2) d^2 (arXiv 2003.00295)."""

    def _second(self, pairs: Mapping[str, tuple[Any, Any]]) -> State:
        b = self.beta2
        return {name: b * v + (1 - b) * square for name, (v, square) in pairs.items()}


@OPTIMIZERS("yogi")
@dataclass(frozen=True, kw_only=True)
class Yogi(_Adaptive):
    """FedYogi: v <- v - (1-b2) d^2 sign(v - d^2) (arXiv 2003.00295)."""

    def _second(self, pairs: Mapping[str, tuple[Any, Any]]) -> State:
        return {
            name: v - (1 - self.beta2) * square * np.sign(v - square)
            for name, (v, square) in pairs.items()
        }


@OPTIMIZERS("adagrad")
@dataclass(frozen=True, kw_only=True)
class Adagrad(_Adaptive):
    """FedAdagrad: v <- v + d^2 (arXiv 2003.00295)."""

    beta1: float = 0.0

    def _second(self, pairs: Mapping[str, tuple[Any, Any]]) -> State:
        return {name: v + square for name, (v, square) in pairs.items()}


@STALENESS("delta")
@dataclass(frozen=True, kw_only=True)
class Delta:
    """FedBuff: the change that a device made, times (1 + staleness)^-exponent (arXiv 2106.06639).

    The upload of a device that started from the present state is taken as it is.
    """

    exponent: float = 0.5
    needs_base = True

    def __post_init__(self) -> None:
        _check(self)

    def present(self, shared: State, upload: Upload) -> Upload:
        """x + s (x_k - base_k)."""
        if not upload.staleness:
            return upload
        scale = (1 + upload.staleness) ** -self.exponent
        change = minus(upload.state, upload.base)
        return replace(upload, state=plus({n: shared[n] for n in change}, change, scale))


@STALENESS("mixing")
@dataclass(frozen=True, kw_only=True)
class Mixing:
    """FedAsync: x + a (x_k - x), a = alpha (1 + staleness)^-exponent (arXiv 1903.03934)."""

    alpha: float = 0.6
    exponent: float = 0.5
    needs_base = False

    def __post_init__(self) -> None:
        _check(self)
        if not 0 < self.alpha <= 1:
            raise ValueError(f"alpha must lie in (0, 1], got {self.alpha}")

    def present(self, shared: State, upload: Upload) -> Upload:
        """(1 - a) x + a x_k."""
        a = self.alpha * (1 + upload.staleness) ** -self.exponent
        now = {name: shared[name] for name in upload.state}
        return replace(upload, state=plus(now, minus(upload.state, now), a))


@dataclass(frozen=True, kw_only=True)
class ServerRule:
    """What the server makes of the uploads, beside the method's own aggregation."""

    optimizer: Annotated[Optimizer, From(OPTIMIZERS)] = field(default_factory=Average)
    staleness: Annotated[Staleness, From(STALENESS)] = field(default_factory=Delta)
    weights: Literal["examples", "equal"] = "examples"
    """of uploads: the numbers of their devices' training examples, or one each (FedBuff)"""

    @property
    def rule(self) -> "ServerRule":
        """This alone, of whatever else a server is."""
        return ServerRule(optimizer=self.optimizer, staleness=self.staleness, weights=self.weights)

    def check(self, method: Any) -> None:
        """Refuse what would do nothing, or harm, to the aggregate of a method that is no average.

        Raises:
            LocatedError: an optimiser or a rule of staleness other than the default.
        """
        if averages(method):
            return
        given = {"optimizer": self.optimizer != Average(), "staleness": self.staleness != Delta()}
        for key in (key for key, other in given.items() if other):
            name = type(method).__name__
            message = f"needs a method that averages uploads, which {name} does not"
            raise LocatedError(message, "server", key)

    def asks_base(self, method: Any, staleness: int) -> bool:
        """Return whether the state that a device had received is needed to aggregate its upload."""
        return not averages(method) or (staleness > 0 and self.staleness.needs_base)

    def step(self, shared: State, mean: State) -> State:
        """Return the next shared state with the optimiser's memory."""
        memory = under(_MEMORY, shared)
        if self.optimizer == Average():
            return mean
        present = {name: shared[name] for name in mean}
        moved, memory = self.optimizer.step(present, mean, memory)
        return {**moved, **put_under(_MEMORY, memory)}

    def without_memory(self, shared: State) -> State:
        """Return a shared state without the optimiser's memory."""
        return outside(_MEMORY, shared)

    def memory_of(self, shared: State) -> State:
        """Return the optimiser's memory with its names in the shared state."""
        return put_under(_MEMORY, under(_MEMORY, shared))


def _check(rule: Any) -> None:
    if hasattr(rule, "lr") and not rule.lr > 0:
        raise ValueError(f"lr must be greater than 0, got {rule.lr}")
    for name in ("beta", "beta1", "beta2"):
        if not 0 <= getattr(rule, name, 0) < 1:
            raise ValueError(f"{name} must be in [0, 1), got {getattr(rule, name)}")
    if getattr(rule, "tau", 1) <= 0:
        raise ValueError(f"tau must be greater than 0, got {rule.tau}")
    if getattr(rule, "exponent", 0) < 0:
        raise ValueError(f"exponent must not be negative, got {rule.exponent}")
