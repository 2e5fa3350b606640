"""Job: one local update on one device, at any frequency of its processor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Batches:
    """Local steps of one shape."""

    steps: int
    size: int
    """texts"""
    tokens: int
    """of a text, padding included"""


@dataclass(frozen=True)
class SplitExchange:
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
    exchange: SplitExchange | None = None
    """of every step, where the server holds the upper part of the network; all else here is then of
    the device's part alone"""
    unicast: bool = False
    """whether every device gets a download of its own, which no broadcast can serve"""


@dataclass(frozen=True, kw_only=True)
class UpdateCost:
    """Seconds and watts of a local update as functions of the frequency.

    With the frequency as a share x of the highest, the time is
    ``max(arithmetic / x, traffic) + overhead``, a roofline of which only the arithmetic follows the
    clock, and the power beyond idle is ``static + dynamic x^3`` (P = P_static + kappa f^3).
    """

    arithmetic: float
    """s at the highest frequency"""
    traffic: float = 0.0
    """s that the memory needs at least"""
    overhead: float = 0.0
    """s of launches and data loading"""
    static: float
    """W"""
    dynamic: float = 0.0
    """W at the highest frequency"""

    def seconds(self, share: float = 1.0) -> float:
        """Return the time at a share of the highest frequency, in s."""
        return max(self.arithmetic / share, self.traffic) + self.overhead

    def power(self, share: float = 1.0) -> float:
        """Return the W drawn beyond idle at a share of the highest frequency."""
        return self.static + self.dynamic * share**3

    def joules(self, share: float = 1.0) -> float:
        """Return the J drawn beyond idle at a share of the highest frequency."""
        return self.power(share) * self.seconds(share)
