"""Jitter: random factors of mean one on the time of a local update."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from channel_models.elementary import exp, log1p, rounded
from channel_models.units import Fraction, PositiveNumber
from wfl_sim.config.registry import Registry


class Jitter(Protocol):
    """How the time of a local update varies: a factor of mean one, drawn for each update.

    >>> class Uniform:
    ...     def draw(self, rng):
    ...         return rng.uniform(0.5, 1.5)
    ...
    ...     def cdf(self, factor):
    ...         return min(max(factor - 0.5, 0.0), 1.0)
    >>> 0.5 <= Uniform().draw(np.random.default_rng(1)) <= 1.5
    True
    >>> Uniform().cdf(0.75)
    0.25
    """

    def draw(self, rng: np.random.Generator) -> float:
        """Return a positive factor."""

    def cdf(self, factor: float) -> float:
        """Return the probability that a factor is at most this one."""


JITTERS: Registry[Jitter] = Registry("jitter", Jitter)


@JITTERS("none")
@dataclass(frozen=True)
class Constant:
    """Every update takes its nominal time."""

    def draw(self, rng: np.random.Generator) -> float:
        """Return 1."""
        return 1.0

    def cdf(self, factor: float) -> float:
        """Return 0 below 1, and 1 from there on."""
        return float(factor >= 1)


@JITTERS("lognormal")
@dataclass(frozen=True, kw_only=True)
class LogNormal:
    """The product of many small delays; `cv` is standard deviation over mean."""

    cv: PositiveNumber

    def draw(self, rng: np.random.Generator) -> float:
        """Return exp(N(-s^2/2, s^2)) with s^2 = ln(1 + cv^2)."""
        sigma = self._sigma
        return float(exp(sigma * rng.standard_normal() - 0.5 * sigma * sigma))

    def cdf(self, factor: float) -> float:
        """Return the probability of at most this factor."""
        if factor <= 0:
            return 0.0
        normal = (math.log(factor) + 0.5 * self._sigma**2) / self._sigma
        return 0.5 * math.erfc(-normal / math.sqrt(2))

    @property
    def _sigma(self) -> float:
        return math.sqrt(float(log1p(self.cv * self.cv)))


@JITTERS("gamma")
@dataclass(frozen=True, kw_only=True)
class Gamma:
    """Gamma of mean one; `cv` is standard deviation over mean."""

    cv: PositiveNumber

    def draw(self, rng: np.random.Generator) -> float:
        """Return Gamma(shape 1/cv^2, scale cv^2)."""
        square = self.cv * self.cv
        drawn = rng.gamma(1 / square, square)
        # A shape below one takes a power of the C library, whose last bit is the processor's.
        return float(rounded(drawn) if square > 1 else drawn)

    def cdf(self, factor: float) -> float:
        """Return the probability of at most this factor."""
        from scipy.special import gammainc

        return float(gammainc(self.cv**-2, max(factor, 0.0) / self.cv**2))


@JITTERS("shifted-exponential")
@dataclass(frozen=True, kw_only=True)
class ShiftedExponential:
    """The usual model of stragglers: 1 - cv at least, and an exponential tail of mean cv."""

    cv: Fraction

    def draw(self, rng: np.random.Generator) -> float:
        """Return 1 - cv + Exp(cv)."""
        return 1 - self.cv + float(rng.exponential(self.cv))

    def cdf(self, factor: float) -> float:
        """Return the probability of at most this factor."""
        if self.cv == 0:
            return float(factor >= 1)
        return 1 - math.exp(-max(factor - 1 + self.cv, 0.0) / self.cv)
