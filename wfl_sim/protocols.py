"""The contracts between the rooms, and the registries of what may stand behind them.

Contracts of the propagation models (path loss, shadowing, fading, rate maps) are in
`channel_models.protocols`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

import channel_models as cm
from wfl_sim.registry import Registry

if TYPE_CHECKING:
    import simpy

    from wfl_sim.entities.device import Device
    from wfl_sim.execution.store import Store
    from wfl_sim.execution.task import Evaluate, LocalUpdate, Result, Task
    from wfl_sim.federation import Federation
    from wfl_sim.learning.data.examples import Shards
    from wfl_sim.methods.aggregation import State, Upload
    from wfl_sim.methods.parts import Part
    from wfl_sim.methods.phases import Phase
    from wfl_sim.radio.mobility.track import Region, Track
    from wfl_sim.scenario import Scenario


@runtime_checkable
class Method(Protocol):
    """What is learned, what is sent, what stays private, and how uploads are combined.

    A method may be able to do more: `wfl_sim.methods.abilities` lists what.
    """

    @property
    def parts(self) -> tuple[Part, ...]:
        """The trainable pieces, each shared or private; names are unique."""

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The local phases in the order in which a device runs them."""

    def aggregate(self, shared: State, uploads: Sequence[Upload]) -> State:
        """Return the next shared state.

        Args:
            shared: the present state; what the devices started from, unless rounds overlap.
            uploads: in ascending order of device; every state has the names of `shared`, unless
                the method has an uplink of its own.
        """


class Optimizer(Protocol):
    """How the server moves from the present shared state to the average of the uploads."""

    def step(self, shared: State, mean: State, memory: State) -> tuple[State, State]:
        """Return the next shared state and what the server remembers.

        Args:
            shared: the present state of what is averaged.
            mean: the average, of the same names.
            memory: what the last step returned; empty before the first.
        """


class Staleness(Protocol):
    """What an upload counts that was trained on an older shared state."""

    needs_base: bool
    """whether `present` looks at what the device had received"""

    def present(self, shared: State, upload: Upload) -> Upload:
        """Return the upload as if it had been trained on the present state `shared`."""


@dataclass(frozen=True)
class Batches:
    """Local steps of one shape."""

    steps: int
    size: int
    """texts"""
    tokens: int
    """of a text, padding included"""


@dataclass(frozen=True)
class Exchange:
    """What crosses the cut of a split network in every local step."""

    up_bits: int
    """of activations, and what the server needs beside them to go on"""
    down_bits: int
    """of the gradients of the activations"""
    forward: float
    """share of the device's FLOPs that comes before the activations are sent"""
    server_flops: float
    """FLOP of a step at the server"""


@dataclass(frozen=True)
class Workload:
    """What one local update of one device costs, before any hardware is named.

    It comes from the shapes of the model, its parts, the batch and the codec, never from values.
    """

    upload_bits: int
    """bit, of one encoded upload; 0 only for a method that shares nothing"""
    download_bits: int
    """bit, of the encoded shared state"""
    update_flops: float
    """FLOP of all local steps of all phases"""
    steps: int
    """optimiser steps in one local update"""
    aggregate_flops: float
    """FLOP at the server for each upload that is averaged"""
    memory: float
    """byte, the largest footprint of a local step, all in float32"""
    frozen: float = 0.0
    """byte of `memory` that are weights without a gradient in any phase"""
    traffic: float = 0.0
    """byte that all local steps move between memory and processor at least; 0 where not known"""
    model: str = ""
    """how tables of measurements call the model"""
    batches: tuple[Batches, ...] = ()
    """of each phase; none for a synthetic model"""
    upload_values: int = 0
    """numbers in an upload"""
    exchange: Exchange | None = None
    """of every step, where the server holds the upper part of the network; all else here is then of
    the device's part alone"""
    unicast: bool = False
    """whether every device gets a download of its own, which no broadcast can serve"""


class Learner(Protocol):
    """The door to the learning room: what a local update costs, and its real execution."""

    @property
    def sends_news(self) -> bool:
        """Whether a download depends on what the device has got before."""

    @property
    def keeps(self) -> bool:
        """Whether a device remembers anything from one local update to the next."""

    @property
    def recipe(self) -> str:
        """Fingerprint of all that decides a result but shard, seed and incoming states.

        Code, base model, method, tokenisation, codecs.
        """

    def workload(self, device: int) -> Workload:
        """Return the costs of one local update of a device, from shapes alone."""

    @property
    def varies(self) -> bool:
        """Whether the local updates of one device differ in their costs."""

    def drawn_workload(self, device: int, seed: int) -> Workload:
        """Return the costs of the local update with a seed; at most those of `workload`."""

    def download_bits(self, device: int, news: Sequence[Sequence[int]]) -> int:
        """Return the bits of a download, from shapes alone.

        Args:
            device: the receiver.
            news: of each aggregation since its last download, or since the beginning, the devices
                whose uploads were in it.
        """

    def run(self, task: Task, inputs: Sequence[Mapping[str, State]]) -> Result:
        """Execute a task; `inputs` are the states of its incoming results, in task order."""


@runtime_checkable
class GroupLearner(Learner, Protocol):
    """A learner that can train or evaluate several devices in one pass."""

    def shares(self, task: Task) -> bool:
        """Return whether a task is one for `run_group`."""

    def run_group(
        self,
        tasks: Sequence[LocalUpdate] | Sequence[Evaluate],
        inputs: Sequence[Sequence[Mapping[str, State]]],
    ) -> Sequence[Result]:
        """Execute local updates, or evaluations, of one recipe together.

        Shards, seeds, ranks and numbers of steps may differ. What cannot go together is the
        learner's to run apart.

        Args:
            tasks: at least one.
            inputs: for each task what `run` would be given.

        Returns:
            What `run` would return for each, within the tolerance of floating-point sums.
        """


@dataclass(frozen=True)
class Outlook:
    """What else there is to do when an executor is given tasks."""

    ready: int
    """tasks that are ready beside those that are given"""
    left: int
    """tasks that are not done, those that are given included"""


class Session(Protocol):
    """An executor at work: takes tasks whose inputs are stored, and stores their results."""

    @property
    def room(self) -> int:
        """How many more tasks it takes at this moment."""

    def submit(self, tasks: Mapping[str, Task], outlook: Outlook) -> None:
        """Take tasks by key, at most `room`; their inputs are in the store."""

    def finished(self) -> Sequence[str]:
        """Wait until some of what was taken is done, and return the keys: the store has them.

        Raises:
            GoneError: an input is no longer in the store.
            Exception: whatever a task has raised.
        """

    def report(self) -> Mapping[str, Any]:
        """Return what the manifest says: "executor", the kind, and what else matters."""


class Executor(Protocol):
    """Where and how tasks are executed. It decides how long a run takes, not what comes out."""

    @property
    def mode(self) -> str:
        """ "exact" for the bits of `inline`; another word enters the keys of all results."""

    def session(self, learner: Learner, store: Store) -> AbstractContextManager[Session]:
        """Return what executes tasks until the context ends."""


@dataclass(frozen=True)
class Demands:
    """The transfers that compete for a carrier at one instant: arrays over n transfers.

    An allocator sees the past only: `efficiency` comes from channel state that is already known.
    """

    bits_left: NDArray[np.float64]
    """(n,) bit"""
    efficiency: NDArray[np.float64]
    """(n, blocks) bit/s/Hz on each resource block were the band split evenly; in single precision
    where the rate is Shannon's, with or without a gap"""
    average_rate: NDArray[np.float64]
    """(n,) bit/s, exponentially averaged over the recent past"""
    weight: NDArray[np.float64]
    """(n,) priority; 1 unless a policy says otherwise"""
    block_bandwidth: float
    """Hz of one resource block that carry data"""
    memory: float
    """weight of `average_rate` in the average at the end of the step for which the shares hold"""
    age: NDArray[np.float64]
    """(n,) s since each transfer began"""
    deadline: NDArray[np.float64]
    """(n,) s until each should have ended; infinite without a deadline, negative when late"""
    step: int
    """number of the fading sample for which the shares hold"""
    spreads: bool
    """whether a transfer's power is spread over what it holds (uplink), or is the same on every
    block (downlink)"""

    @property
    def bandwidth(self) -> float:
        """Hz of all resource blocks that carry data."""
        return float(self.efficiency.shape[1] * self.block_bandwidth)

    @property
    def reach(self) -> NDArray[np.float64]:
        """(n,) G in Hz of ``b log2(1 + G/b)``, which meets the mean efficiency at an even split.

        With Shannon's formula on a flat channel ``G = P g / N0``; a gap divides it.
        """
        even = self.bandwidth / len(self.bits_left)
        return np.asarray(even * np.expm1(self.efficiency.mean(axis=1) * np.log(2)))

    @property
    def heard(self) -> NDArray[np.bool_]:
        """(n,) whether a transfer gets anything through: more than 1e-9 bit/s/Hz."""
        return np.asarray(self.efficiency.mean(axis=1) > 1e-9)

    def time_left(self, within: float) -> NDArray[np.float64]:
        """(n,) s until the deadline, which is at most `within` after the beginning."""
        return np.minimum(self.deadline, within - self.age)

    def flat(self, share: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, blocks) shares, of which every block has the same: `share`, shape (n,)."""
        return np.repeat(share[:, None], self.efficiency.shape[1], axis=1)

    def whole(self, holders: NDArray[np.intp]) -> NDArray[np.float64]:
        """(n, blocks) shares, of which each block has one holder: `holders`, shape (blocks,)."""
        shares = np.zeros(self.efficiency.shape)
        shares[holders, np.arange(len(holders))] = 1.0
        return shares


class Allocator(Protocol):
    """A pure function from demands to shares of the resource blocks."""

    def shares(self, demands: Demands) -> NDArray[np.float64]:
        """Return (n, blocks) shares in [0, 1]; the sum over transfers is at most 1 per block."""


@runtime_checkable
class PowerAllocator(Allocator, Protocol):
    """An allocator that also says with how much of its power a transfer is sent."""

    def shares_and_levels(
        self, demands: Demands
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return shares, and levels (n,) in [0, 1]."""


@runtime_checkable
class BlockAllocator(Allocator, Protocol):
    """An allocator that gives whole blocks, which it can say in fewer words."""

    def holders(self, demands: Demands) -> NDArray[np.intp] | None:
        """Return (blocks,) which transfer holds each block; None where only shares can tell."""


@runtime_checkable
class TransportRate(cm.RateMap, Protocol):
    """A rate map that knows what one modulation and coding scheme over several blocks delivers."""

    def transport_efficiency(
        self,
        known: NDArray[np.float64],
        sinr: NDArray[np.float64],
        weight: NDArray[np.float64],
        first: NDArray[np.intp],
    ) -> NDArray[np.float64]:
        """Return bit/s/Hz (n,) of schemes chosen on `known` linear SINR, under the true `sinr`.

        All three are (entries,): those of the i-th begin at ``first[i]``, and count by `weight`.
        """


class Loss(Protocol):
    """Whether an update that was sent is lost as a whole."""

    def probability(self, sinr_db: float) -> float:
        """Return the probability, given the mean SINR in dB over the upload."""


class Antenna(Protocol):
    """The pattern of a base station's antenna, as in `channel_models`."""

    def gain_db(self, azimuth: ArrayLike, zenith: ArrayLike) -> Any:
        """Return the gain in dBi towards azimuths (from east) and zenith angles in rad."""


class Mobility(Protocol):
    """How the devices of a group move."""

    @property
    def moves(self) -> bool:
        """Whether they do."""

    @property
    def pace(self) -> float | None:
        """The m/s that set the Doppler shift; None for those that the scenario gives."""

    def check(self, count: int) -> None:
        """Raise LocatedError where so many devices cannot be moved."""

    def track(self, member: int, region: Region | None, rng: np.random.Generator) -> Track:
        """Return where a device is over time.

        Args:
            member: number of the device within its group.
            region: where the group may move; None where places are given.
            rng: the device's own stream.
        """


class Selector(Protocol):
    """Who takes part in a round."""

    def select(
        self, devices: Sequence[Device], count: int, rng: np.random.Generator
    ) -> Sequence[Device]:
        """Return at most `count` distinct devices, in ascending order of index."""


class Rounds(Protocol):
    """Who waits for whom: a SimPy process that drives the federation to its end."""

    def check(self, devices: int) -> None:
        """Raise LocatedError where the policy cannot work with so many devices."""

    def run(self, federation: Federation) -> Generator[simpy.Event, Any, None]:
        """Yield events until the last round is over."""


@runtime_checkable
class Choosy(Protocol):
    """A rounds policy that does not go with everything else in a scenario."""

    def check_scenario(self, scenario: Scenario) -> None:
        """Raise LocatedError where it cannot work."""


class Availability(Protocol):
    """When a device of a group can be reached."""

    def intervals(self, member: int, rng: np.random.Generator) -> Iterator[tuple[float, float]]:
        """Yield the intervals (start, end) in s in which a device is there, in ascending order.

        Intervals neither touch nor overlap; the last may end at infinity, and there may be no last.

        Args:
            member: number of the device within its group.
            rng: the device's own stream.
        """


class Jitter(Protocol):
    """How the time of a local update varies: a factor of mean one, drawn for each."""

    def draw(self, rng: np.random.Generator) -> float:
        """Return a positive factor."""

    def cdf(self, factor: float) -> float:
        """Return the probability of at most this factor."""


class Data(Protocol):
    """Labelled examples, divided over devices."""

    @property
    def tokens(self) -> int:
        """Length to which texts are cut or padded."""

    def shards(self, devices: int, seed: int) -> Shards:
        """Return train and test examples of each device and the pooled held-out set."""


class Algorithm(Protocol):
    """How a language model learns from rewards, see `wfl_sim.methods.alignment`."""


class Codec(Protocol):
    """How a state becomes bits on the air, and back.

    A codec may have three more attributes, each false where it lacks it. `relative`: what it
    encodes is the change since the state that the receiver knows, which is added again at the other
    end; only for uploads. `feedback`: the sender keeps what a payload has lost and adds it to the
    next one (Seide et al. 2014; Karimireddy et al. 2019, arXiv:1901.09847). `lossless`: a float32
    state arrives bit for bit.
    """

    def encode(self, state: State) -> bytes:
        """Return the payload."""

    def decode(self, payload: bytes) -> State:
        """Return the state that the receiver gets, with the dtypes of the original."""

    def bits(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """Return the bits of the payload of a float32 state with these shapes."""


METHODS: Registry[Method] = Registry("method", Method)
ALGORITHMS: Registry[Algorithm] = Registry("algorithm")
OPTIMIZERS: Registry[Optimizer] = Registry("optimizer", Optimizer)
STALENESS: Registry[Staleness] = Registry("staleness", Staleness)
ALLOCATORS: Registry[Allocator] = Registry("allocator", Allocator)
LOSSES: Registry[Loss] = Registry("loss", Loss)
LAYOUTS: Registry[Any] = Registry("layout", "wfl_sim.layouts.Layout")
AREAS: Registry[Any] = Registry("area", "wfl_sim.areas.Area")
MOBILITIES: Registry[Mobility] = Registry("mobility", Mobility)
ANTENNAS: Registry[Antenna] = Registry("antenna", Antenna)
SELECTORS: Registry[Selector] = Registry("selector", Selector)
ROUNDS: Registry[Rounds] = Registry("rounds", Rounds)
AVAILABILITIES: Registry[Availability] = Registry("availability", Availability)
STATIONS: Registry[Any] = Registry("station", "wfl_sim.infrastructure.Station")
GOVERNORS: Registry[Any] = Registry("frequency", "wfl_sim.compute.frequency.Governor")
JITTERS: Registry[Jitter] = Registry("jitter", Jitter)
DATA: Registry[Data] = Registry("data", Data)
PARTITIONS: Registry[Any] = Registry("partition", "wfl_sim.learning.data.partition.Partition")
CODECS: Registry[Codec] = Registry("codec", Codec)
MODELS: Registry[Any] = Registry("model")
EXECUTORS: Registry[Executor] = Registry("executor", Executor)
PATHLOSSES: Registry[cm.PathLoss] = Registry("pathloss", cm.PathLoss)
SHADOWINGS: Registry[cm.Shadowing] = Registry("shadowing", cm.Shadowing)
FADINGS: Registry[cm.Fading] = Registry("fading", cm.Fading)
RATES: Registry[cm.RateMap] = Registry("rate", cm.RateMap)
