"""Tasks: learning as pure functions, named by what goes into them.

The event engine builds tasks and passes their keys around; nothing is trained until a result is
demanded. A key is a hash of the task's own fields, in which incoming states are named by the keys
that produced them: two runs, or two scenarios of a sweep, that ask the same get the same key.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from wfl_sim.state import State


@dataclass(frozen=True)
class StateRef:
    """One state that a task produces: the task's key and the name of its output."""

    key: str
    output: str


@dataclass(frozen=True, kw_only=True)
class InitialShared:
    """The shared parts before training. Output: "shared"."""

    recipe: str
    seed: int

    @property
    def incoming(self) -> tuple[StateRef, ...]:
        """Nothing comes in."""
        return ()


@dataclass(frozen=True, kw_only=True)
class InitialPrivate:
    """The private parts of one device before training. Output: "private"."""

    recipe: str
    device: int
    """-1 for the untrained private parts that the global evaluation uses"""
    seed: int

    @property
    def incoming(self) -> tuple[StateRef, ...]:
        """Nothing comes in."""
        return ()


@dataclass(frozen=True, kw_only=True)
class LocalUpdate:
    """All local phases of one device. Outputs: "upload" (encoded and decoded) and "private"."""

    recipe: str
    device: int
    shard: str
    """fingerprint of the device's training examples"""
    seed: int
    """of batch order and dropout"""
    shared: StateRef
    private: StateRef

    @property
    def incoming(self) -> tuple[StateRef, ...]:
        """The shared state as sent by the server, and the device's own private state."""
        return (self.shared, self.private)


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """The server's combination of uploads. Output: "shared".

    Of each upload, in ascending order of device: the tuples below run in parallel.
    """

    recipe: str
    shared: StateRef
    """the present state, which the result replaces"""
    uploads: tuple[StateRef, ...]
    weights: tuple[float, ...]
    devices: tuple[int, ...]
    """-1 for an upload that is itself an aggregate"""
    bases: tuple[StateRef, ...]
    """the shared state that the device started from"""
    staleness: tuple[int, ...]
    """versions between `bases` and `shared`"""
    edge: bool = False
    """whether a server below the server averages: no server optimiser there"""
    noise: float = 0.0
    """standard deviation of the error on each value of the average, as a share of the largest root
    mean square among the updates: aggregation over the air"""
    seed: int = 0
    """of `noise`"""

    @property
    def incoming(self) -> tuple[StateRef, ...]:
        """The present shared state, the uploads, then bases other than the present state, once."""
        return (self.shared, *self.uploads, *self.older)

    @property
    def older(self) -> tuple[StateRef, ...]:
        """The bases other than the present state, each once."""
        return tuple(dict.fromkeys(base for base in self.bases if base != self.shared))


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Quality of a shared state with one device's private state on held-out examples.

    Output: values only (accuracy, loss). For the global scope `device` is -1 and `private` is the
    untrained private state.
    """

    recipe: str
    device: int
    shard: str
    """fingerprint of the held-out examples"""
    shared: StateRef
    private: StateRef

    @property
    def incoming(self) -> tuple[StateRef, ...]:
        """The shared state and the private state."""
        return (self.shared, self.private)


Task = InitialShared | InitialPrivate | LocalUpdate | Aggregate | Evaluate


@dataclass(frozen=True)
class Result:
    """What a task produced: states by output name, and numbers by metric name."""

    states: Mapping[str, State] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)


def key_of(task: Task, mode: str = "exact") -> str:
    """Return the provenance key of a task: 32 hexadecimal digits.

    Args:
        task: what is to be executed.
        mode: how; results that are not `exact` have keys of their own.
    """
    how = {} if mode == "exact" else {"mode": mode}
    named = {"task": type(task).__name__, **vars(task), **how}
    text = json.dumps(named, sort_keys=True, default=vars)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def title(task: Task) -> str:
    """Return what to call a task in a message."""
    device = getattr(task, "device", -1)
    return type(task).__name__ + (f" of device {device}" if device >= 0 else "")
