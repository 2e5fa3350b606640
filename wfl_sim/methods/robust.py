"""Robust aggregation: what replaces the mean where some uploads may be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated, Protocol

import numpy as np
from annotated_types import Ge, Lt
from numpy.typing import NDArray

from wfl_sim.config.answers import numbers
from wfl_sim.config.fields import Bounded, NonNegativeInt, PositiveInt
from wfl_sim.config.registry import Registry
from wfl_sim.methods.aggregation import Upload
from wfl_sim.state import State


class Robust(Protocol):
    """Combines the uploads of a round in place of their mean; their weights do not count.

    Uploads with a value that is NaN or infinite are left out before.

    >>> class First:
    ...     def combine(self, rows):
    ...         return rows[0]
    >>> robust_aggregate(First(), [Upload({"lora/a": np.float32([2])}, weight=1.0)])
    {'lora/a': array([2.], dtype=float32)}
    """

    def combine(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the aggregate (values,) of uploads (devices, values)."""


ROBUST: Registry[Robust] = Registry("robust", Robust)


@ROBUST("median")
@dataclass(frozen=True)
class Median:
    """Coordinate-wise median (D. Yin et al. 2018, arXiv 1803.01498, definition 1)."""

    def combine(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the median of each value."""
        return np.asarray(np.median(rows, axis=0))


@ROBUST("trimmed-mean")
@dataclass(frozen=True, kw_only=True)
class TrimmedMean(Bounded):
    """Mean of each value without its smallest and largest (arXiv 1803.01498, definition 2)."""

    share: Annotated[float, Ge(0), Lt(0.5)] = 0.1
    """Share of the uploads that is left out at each end, rounded down."""

    def combine(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean of what is left of each value."""
        out = int(round(self.share * len(rows), 6))  # 0.29 times 100 is less than 29
        return np.asarray(np.sort(rows, axis=0)[out : len(rows) - out].mean(axis=0))


@ROBUST("krum")
@dataclass(frozen=True, kw_only=True)
class Krum(Bounded):
    """The upload that is nearest to its neighbours (P. Blanchard et al., NeurIPS 2017).

    Of n uploads, each is judged by the sum of its squared distances to the n - `wrong` - 2 nearest
    others, at least one; the mean of the `take` best is the aggregate (multi-Krum).
    """

    wrong: NonNegativeInt = 1
    """Number of uploads that may be wrong; the theorem needs 2 `wrong` + 2 < n."""
    take: PositiveInt = 1
    """Number of uploads whose mean is the aggregate."""

    def combine(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean of the best."""
        squares = np.zeros((len(rows), len(rows)))
        for one, other in combinations(range(len(rows)), 2):
            apart = np.sum((rows[one] - rows[other]) ** 2)
            squares[one, other] = squares[other, one] = apart
        near = max(1, len(rows) - self.wrong - 2)
        # The first of each sorted row is the distance to itself.
        scores = np.sort(squares, axis=1)[:, 1 : 1 + near].sum(axis=1)
        best = np.sort(np.argsort(scores, kind="stable")[: self.take])
        return np.asarray(rows[best].mean(axis=0))


def robust_aggregate(rule: Robust, uploads: Sequence[Upload]) -> State:
    """Return the aggregate of uploads, over all their values together."""
    first = uploads[0].state
    rows = np.stack(
        [
            np.concatenate([np.ravel(u.state[name]).astype(np.float64) for name in first])
            for u in uploads
        ]
    )
    combined = numbers(rule, "combine", rule.combine(rows), rows.shape[1:], broadcast=False)
    parts = np.split(combined, np.cumsum([a.size for a in first.values()])[:-1])
    return {
        name: part.reshape(array.shape).astype(array.dtype)
        for (name, array), part in zip(first.items(), parts, strict=True)
    }
