"""Work of a local update, and its cost on a device at any frequency of the processor."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from channel_models.elementary import cubed


@dataclass(frozen=True)
class Batches:
    """Local steps with batches of one shape."""

    steps: int
    size: int
    """Number of texts in a batch."""
    tokens: int
    """Number of tokens of a text, padding included."""


@dataclass(frozen=True)
class StepExchange:
    """What is exchanged with the server in every local step.

    At the cut of a split network activations and their gradients; requests and documents where
    documents are retrieved.
    """

    up_bits: int
    """Bits of the activations, and of what the server needs beside them; or of requests."""
    down_bits: int
    """Bits of the gradients of the activations, or of documents."""
    forward: float
    """Share of the device's FLOPs that comes before the bits go up."""
    server_flops: float
    """FLOPs of a step at the server."""


@dataclass(frozen=True)
class Writing:
    """The part of a local update in which a network writes its answers, word after word."""

    flops: float = 0.0
    traffic: float = 0.0
    """Bytes moved between memory and processor, at least: all weights for every word."""
    frozen_traffic: float = 0.0
    """Those of them that read weights without a gradient, all in float32."""

    def times(self, count: int) -> Writing:
        """Return that of so many times as much."""
        return Writing(count * self.flops, count * self.traffic, count * self.frozen_traffic)


@dataclass(frozen=True)
class Workload:
    """What one local update of one device costs, before any hardware is named.

    It comes from the shapes of the model, its parts, the batch and the codec, never from values.
    """

    upload_bits: int
    """Bits of one encoded upload; 0 only for a method that shares nothing."""
    download_bits: int
    """Bits of the encoded shared state."""
    update_flops: float
    """FLOPs of all local steps of all phases."""
    steps: int
    """Number of optimiser steps in one local update."""
    aggregate_flops: float
    """FLOPs at the server for each upload that is averaged."""
    memory: float
    """Largest footprint of a local step in bytes, all in float32."""
    frozen: float = 0.0
    """Bytes of `memory` that hold weights without a gradient in any phase."""
    traffic: float = 0.0
    """Least bytes that all local steps move between memory and processor; 0 if unknown."""
    frozen_traffic: float = 0.0
    """Bytes of `traffic` that read weights without a gradient, all in float32."""
    writing: Writing = Writing()
    """The part of these FLOPs and bytes that writes answers before anything is learned."""
    model: str = ""
    """Name of the model in tables of measurements."""
    method: str = ""
    """Name of the method there."""
    batches: tuple[Batches, ...] = ()
    """Batches of each phase; none for a synthetic model."""
    upload_values: int = 0
    """Number of values in an upload."""
    exchange: StepExchange | None = None
    """Exchange of every step with a server that holds the upper part of the network. The other
    fields then describe the device's part alone."""
    unicast: bool = False
    """Whether every device gets a download of its own, which no broadcast can serve."""
    own_download_bits: int = 0
    """Bits of a download for its device alone: a broadcast carries those of every receiver."""
    state_bits: int = 0
    """Bits of an upload in float32 and without masks: states between edge servers and cloud."""


@dataclass(frozen=True, kw_only=True)
class UpdateCost:
    """Seconds and watts of a local update as functions of the frequency.

    An update writes answers, if it does, and then learns: two stages, each on a roofline of which
    only the arithmetic follows the clock. With the frequency as a share x of the highest, the time
    is the sum of ``max(arithmetic / x, traffic)`` over stages, and ``overhead``; the power beyond
    idle is ``static + dynamic x^3`` (P = P_static + kappa f^3).
    """

    arithmetic: float
    """Seconds of arithmetic at the highest frequency."""
    traffic: float = 0.0
    """Seconds of memory traffic."""
    writing: tuple[float, float] = (0.0, 0.0)
    """The part of both in which answers are written."""
    overhead: float = 0.0
    """Seconds of launches and data loading."""
    static: float
    """Power in W beyond idle that does not depend on the frequency."""
    dynamic: float = 0.0
    """Power in W that grows with the cube of the frequency, at the highest."""

    def stretched(self, factor: float) -> UpdateCost:
        """Return the cost where all takes `factor` times as long, at the same power."""
        times = {
            name: factor * getattr(self, name) for name in ("arithmetic", "traffic", "overhead")
        }
        arithmetic, traffic = self.writing
        return replace(self, **times, writing=(factor * arithmetic, factor * traffic))

    def seconds(self, share: float = 1.0) -> float:
        """Return the time at a share of the highest frequency, in s."""
        bound = [max(arithmetic / share, traffic) for arithmetic, traffic in self._stages]
        return sum(bound) + self.overhead

    def slowest(self, seconds: float) -> float:
        """Return the least share of the highest frequency that takes no longer; inf if none.

        It may be above 1, as if the clock could be faster.
        """
        for _, high, arithmetic, fixed in self.pieces():
            if seconds > fixed and arithmetic / (seconds - fixed) <= high:
                return arithmetic / (seconds - fixed)
        return math.inf

    def pieces(self) -> Iterator[tuple[float, float, float, float]]:
        """Yield ranges of the share x in which the time is a / x + b: lowest, highest, a, b in s.

        The last ends where memory bounds all stages, so that a faster clock changes nothing.
        """
        bends = [(a / b if b else math.inf, a, b) for a, b in self._stages]
        low = 0.0
        for high in sorted({bend for bend, a, _ in bends if a}):
            arithmetic = sum(a for bend, a, _ in bends if bend >= high)
            traffic = sum(b for bend, _, b in bends if bend < high)
            yield low, high, arithmetic, traffic + self.overhead
            low = high

    def power(self, share: float = 1.0) -> float:
        """Return the W drawn beyond idle at a share of the highest frequency."""
        return self.static + self.dynamic * float(cubed(share))

    def joules(self, share: float = 1.0) -> float:
        """Return the J drawn beyond idle at a share of the highest frequency."""
        return self.power(share) * self.seconds(share)

    @property
    def _stages(self) -> tuple[tuple[float, float], tuple[float, float]]:
        arithmetic, traffic = self.writing
        return self.writing, (self.arithmetic - arithmetic, self.traffic - traffic)
