"""Tasks: learning as pure functions, identified by their inputs.

The network simulation makes tasks and passes their keys on; a task is executed when its result is
asked for. A key is a hash of the task's fields, in which an incoming state is named by the key of
the task that produces it. Runs, and scenarios of a sweep, that have the same task share its result.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

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

    incoming: ClassVar[tuple[StateRef, ...]] = ()


@dataclass(frozen=True, kw_only=True)
class InitialPrivate:
    """The private parts of one device before training. Output: "private"."""

    recipe: str
    device: int
    """Index of the device; -1 for the untrained private parts of the global evaluation."""
    seed: int

    incoming: ClassVar[tuple[StateRef, ...]] = ()


@dataclass(frozen=True, kw_only=True)
class LocalUpdate:
    """All local phases of one device. Outputs: "upload" (encoded and decoded) and "private".

    Of a learner that remembers uploads there is "unacknowledged", too: the private state where the
    server does not use the upload.
    """

    recipe: str
    device: int
    shard: str
    """Fingerprint of the device's training examples."""
    seed: int
    """Seed of batch order and dropout."""
    shared: StateRef
    private: StateRef
    round: int = 0
    """Number of the round, which learning rates may follow."""

    @property
    def incoming(self) -> tuple[StateRef, ...]:
        """The shared state as sent by the server, and the device's own private state."""
        return (self.shared, self.private)


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """Aggregation of uploads at a server. Output: "shared".

    The tuples have one item for each upload, in ascending order of device.
    """

    recipe: str
    shared: StateRef
    """Present shared state, which the result replaces."""
    uploads: tuple[StateRef, ...]
    weights: tuple[float, ...]
    devices: tuple[int, ...]
    """Index of the device; -1 for an upload that is itself an aggregate."""
    bases: tuple[StateRef, ...]
    """Shared state that the device started from."""
    staleness: tuple[int, ...]
    """Number of aggregations between `bases` and `shared`."""
    edge: bool = False
    """Whether an edge server averages; it has no server optimiser."""
    noise: float = 0.0
    """Standard deviation of the error of over-the-air aggregation on each value of the average, as
    a share of the largest root mean square among the updates."""
    seed: int = 0
    """Seed of `noise`."""

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

    Output: values only (accuracy, loss). In the global evaluation `device` is -1 and `private` is
    the untrained private state.
    """

    recipe: str
    device: int
    shard: str
    """Fingerprint of the held-out examples."""
    shared: StateRef
    private: StateRef

    @property
    def incoming(self) -> tuple[StateRef, ...]:
        """The shared state and the private state."""
        return (self.shared, self.private)


Task = InitialShared | InitialPrivate | LocalUpdate | Aggregate | Evaluate


@dataclass(frozen=True)
class Result:
    """What a task has produced: states by output name, and numbers by metric name."""

    states: Mapping[str, State] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)


def key_of(task: Task, mode: str = "exact") -> str:
    """Return the provenance key of a task: 32 hexadecimal digits.

    Args:
        task: the task.
        mode: of its executor; results of a mode other than `exact` have keys of their own.
    """
    other = {} if mode == "exact" else {"mode": mode}
    fields = {"task": type(task).__name__, **vars(task), **other}
    text = json.dumps(fields, sort_keys=True, default=vars)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def title(task: Task) -> str:
    """Return the name of a task for messages."""
    device = getattr(task, "device", -1)
    return type(task).__name__ + (f" of device {device}" if device >= 0 else "")
