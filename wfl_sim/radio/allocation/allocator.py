"""The contract of allocators: demands of transfers in, shares of resource blocks out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from channel_models.elementary import LN2, expm1
from channel_models.validation import FloatArray
from wfl_sim.config.registry import Registry
from wfl_sim.radio.channel.rate_curve import RateCurve


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """What is known of n transfers beside the momentary channel.

    It is of the time at which the present plan began, at most 32 fading samples before.
    """

    curve: RateCurve
    """bit/s/Hz at a linear mean SNR, averaged over fading."""
    device: NDArray[np.intp]
    """(n,) numbers of the devices."""
    mean_gain: FloatArray
    """(n,) linear power gains of path loss and shadowing."""
    power: FloatArray
    """(n,) W that each may radiate; on a downlink, those of the cell over its whole band."""
    reach: FloatArray
    """(n,) G in Hz: on b Hz with all power the mean SNR is G / b; infinite on a downlink."""
    most_snr: FloatArray
    """(n,) linear mean SNR of a block at most: by power control, or on a downlink."""
    share: FloatArray
    """(n,) share of the band that a policy has given; NaN where it has given none."""
    battery_level: FloatArray
    """(n,) charge as a share of the capacity; 1 on mains power."""
    compute_left: FloatArray
    """(n,) s of computing that the device still has to do in its round."""
    base_age: NDArray[np.intp]
    """(n,) aggregations since the state from which the device began its round."""
    circuit: FloatArray
    """(n,) W drawn while sending, however little is radiated."""
    amplifier: FloatArray
    """(n,) W drawn beyond that at full power."""


SenderFacts = Callable[[NDArray[np.intp], FloatArray], dict[str, Any]]
"""Returns of devices (n,) that may radiate (n,) W the fields of `Statistics` from `battery_level`
on."""


def unknown_senders(devices: NDArray[np.intp], watts: FloatArray) -> dict[str, Any]:
    """On mains power, with nothing to compute; what is drawn is what is radiated."""
    none = np.zeros(len(devices))
    return {
        "battery_level": none + 1,
        "compute_left": none,
        "base_age": none.astype(np.intp),
        "circuit": none,
        "amplifier": watts.copy(),
    }


@dataclass(frozen=True)
class Demands:
    """The transfers that compete for a carrier at one instant: arrays over n transfers.

    An allocator knows the channel of `csi_delay` before: `efficiency` comes from it.
    """

    bits_left: FloatArray
    """(n,) bits that are still to be sent."""
    efficiency: FloatArray
    """(n, blocks) bit/s/Hz on each resource block if the band were split evenly; in single
    precision where the rate is Shannon's, with or without a gap."""
    average_rate: FloatArray
    """(n,) bit/s, exponentially averaged over the recent past."""
    weight: FloatArray
    """(n,) priority; 1 unless a policy says otherwise."""
    block_bandwidth: float
    """Symbols/s of data on one resource block."""
    memory: float
    """Weight of `average_rate` in the average at the end of the step for which the shares hold."""
    age: FloatArray
    """(n,) s since each transfer began."""
    deadline: FloatArray
    """(n,) s until each should have ended; infinite without a deadline, negative when late."""
    step: int
    """Number of the fading sample for which the shares hold."""
    spreads: bool
    """Whether a transfer's power is spread over the blocks it holds (uplink), or is the same on
    every block (downlink)."""
    least_bandwidth: float = 0.0
    """Hz over which a transfer's power is spread at least, however little it holds: one resource
    block, on which it is for a part of the time."""

    cell: str = ""
    """Name of the cell."""
    direction: str = "uplink"
    """Uplink or downlink."""
    learn: Callable[[], Statistics] | None = None
    """Source of `statistics`."""
    observe: Callable[[], FloatArray] | None = None
    """Source of `snr`."""

    @cached_property
    def statistics(self) -> Statistics | None:
        """What else is known, at the beginning of the plan; None where nothing is."""
        return None if self.learn is None else self.learn()

    @cached_property
    def snr(self) -> FloatArray:
        """(n, blocks) linear SNR that is known, if all of a transfer's power were on the block.

        On a downlink, all of the cell's. Without a source it follows from `efficiency` at an even
        split, by Shannon's formula.
        """
        if self.observe is not None:
            return self.observe()
        held = self.bandwidth / self.block_bandwidth
        held = held / len(self.bits_left) if self.spreads else held
        return np.asarray(held * expm1(self.efficiency * LN2))

    @property
    def bandwidth(self) -> float:
        """Hz of all resource blocks that carry data."""
        return float(self.efficiency.shape[1] * self.block_bandwidth)

    @property
    def reach(self) -> FloatArray:
        """(n,) G in Hz of ``b log2(1 + G/max(b, least_bandwidth))``, by the even split.

        With Shannon's formula on a flat channel ``G = P g / N0``; a gap divides it.
        """
        even = max(self.bandwidth / len(self.bits_left), self.least_bandwidth)
        return np.asarray(even * expm1(self.efficiency.mean(axis=1) * LN2))

    @property
    def usable(self) -> NDArray[np.bool_]:
        """(n,) whether the channel of a transfer carries anything: more than 1e-9 bit/s/Hz."""
        return np.asarray(self.efficiency.mean(axis=1) > 1e-9)

    @property
    def heard(self) -> NDArray[np.bool_]:
        """Former name of `usable`."""
        return self.usable

    def time_left(self, within: float) -> FloatArray:
        """(n,) s until the deadline, or until `within` s after the beginning if that is earlier."""
        return np.minimum(self.deadline, within - self.age)

    def flat(self, share: FloatArray) -> FloatArray:
        """(n, blocks) shares that are the same on every block: `share`, shape (n,)."""
        return np.repeat(share[:, None], self.efficiency.shape[1], axis=1)

    def whole(self, holders: NDArray[np.intp]) -> FloatArray:
        """(n, blocks) shares where each block has one holder: `holders`, shape (blocks,)."""
        shares = np.zeros(self.efficiency.shape)
        shares[holders, np.arange(len(holders))] = 1.0
        return shares

    def some(self, which: NDArray[np.intp], places: NDArray[np.intp]) -> Demands:
        """Return those of some of the transfers, on some of the blocks."""
        if len(which) == len(self.bits_left) and len(places) == self.efficiency.shape[1]:
            return self
        every: dict[str, Any] = {name: getattr(self, name)[which] for name in _OF_TRANSFERS}
        if (known := self.learn) is not None:
            every["learn"] = lambda: _chosen(known(), which)
        if (seen := self.observe) is not None:
            every["observe"] = lambda: seen()[np.ix_(which, places)]
        return replace(self, efficiency=self.efficiency[np.ix_(which, places)], **every)

    def joined(self, begins: NDArray[np.intp], sizes: NDArray[np.intp]) -> Demands:
        """Make the receivers of each transmission one: their mean channel, the most bits left."""
        return replace(
            self,
            bits_left=np.maximum.reduceat(self.bits_left, begins),
            efficiency=np.add.reduceat(self.efficiency, begins, axis=0) / sizes[:, None],
            average_rate=np.add.reduceat(self.average_rate, begins) / sizes,
            weight=self.weight[begins],
            age=self.age[begins],
            deadline=np.minimum.reduceat(self.deadline, begins),
            learn=None,
            observe=None,
        )


_OF_TRANSFERS: Final = ("bits_left", "average_rate", "weight", "age", "deadline")


def _chosen(known: Statistics, which: NDArray[np.intp]) -> Statistics:
    arrays = {each.name: getattr(known, each.name) for each in fields(known)[1:]}
    return Statistics(curve=known.curve, **{name: each[which] for name, each in arrays.items()})


class Allocator(Protocol):
    """A pure function from demands to shares of the resource blocks.

    >>> class FirstCome:  # the whole band to the transfer that began first
    ...     def shares(self, demands: Demands) -> NDArray[np.float64]:
    ...         first = demands.age == demands.age.max()
    ...         return demands.flat(first / first.sum())
    >>> demands = Demands(
    ...     bits_left=np.array([1e6, 2e6]),
    ...     efficiency=np.array([[1.0, 3.0, 2.0], [4.0, 1.0, 1.0]]),
    ...     average_rate=np.array([1e6, 1e6]),
    ...     weight=np.ones(2),
    ...     block_bandwidth=360e3,
    ...     memory=0.95,
    ...     age=np.array([0.5, 2.0]),
    ...     deadline=np.full(2, np.inf),
    ...     step=0,
    ...     spreads=True,
    ... )
    >>> FirstCome().shares(demands).tolist()
    [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
    """

    def shares(self, demands: Demands) -> FloatArray:
        """Return (n, blocks) shares in [0, 1]; the sum over transfers is at most 1 per block."""


@runtime_checkable
class PowerAllocator(Allocator, Protocol):
    """An allocator that also says with how much of its power a transfer is sent, or each block."""

    def shares_and_levels(self, demands: Demands) -> tuple[FloatArray, FloatArray]:
        """Return shares, and levels: parts of the power that may be used.

        Levels (n,), from 0 to 1, are spread evenly over the blocks that a transfer holds. Levels
        (n, blocks) are set on each block for the share of time in which it is held: uplink, the sum
        of share times level is at most 1 for each transfer; downlink, for all transfers together.
        """


@runtime_checkable
class BlockAllocator(Allocator, Protocol):
    """An allocator of whole blocks: the number of its holder is enough for a block."""

    def holders(self, demands: Demands) -> NDArray[np.intp] | None:
        """Return (blocks,) which transfer holds each block; None where only shares can tell."""


def broken_rule(shares: Any, levels: Any, demands: Demands) -> str:
    """Return which rule of the contracts above an answer breaks; empty where it keeps all."""
    expected, most = demands.efficiency.shape, 1 + 1e-6
    if np.shape(shares) != expected:
        return f"`shares` must be of shape (transfers, blocks) {expected}, got {np.shape(shares)}"
    if np.shape(levels) not in (expected, expected[:1]):
        return f"levels must be of shape {expected[:1]} or {expected}, got {np.shape(levels)}"
    shares, levels = np.asarray(shares), np.asarray(levels)
    for name, given in (("`shares`", shares), ("levels", levels)):
        if given.dtype.kind not in "biuf":
            return f"{name} must be numbers, got {given.dtype}"
    if not ((shares >= 0) & (shares <= most)).all():
        return f"`shares` must lie in [0, 1], got {shares.min():.3g} to {shares.max():.3g}"
    if (total := shares.sum(axis=0).max()) > most:
        return f"a block is given {total:.3g} times: shares must add up to at most 1 per block"
    parts = shares * levels if levels.ndim == 2 else levels[:, None]
    used = parts.sum(axis=1).max() if demands.spreads or levels.ndim == 1 else parts.sum()
    if not (levels >= 0).all() or not used <= most:
        return f"levels set {used:.6g} times the power that there is, and must be 0 to 1 in all"
    return ""


ALLOCATORS: Registry[Allocator] = Registry("allocator", Allocator)
