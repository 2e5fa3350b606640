"""States (named arrays) and their arithmetic: entry by entry, by the names of the first."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

State = Mapping[str, NDArray[np.floating]]
"""Named arrays. A name is ``part/parameter``, so the name of an array gives its part."""


def plus(a: State, b: State, scale: float = 1.0) -> State:
    """Return a + scale b."""
    return {name: array + np.asarray(scale, array.dtype) * b[name] for name, array in a.items()}


def minus(a: State, b: State) -> State:
    """Return a - b."""
    return {name: array - b[name] for name, array in a.items()}


def times(scale: float, a: State) -> State:
    """Return scale a."""
    return {name: np.asarray(scale, array.dtype) * array for name, array in a.items()}


def each(a: State, function: Callable[[NDArray[np.floating]], NDArray[np.floating]]) -> State:
    """Return a state in which `function` was applied to each array."""
    return {name: function(array) for name, array in a.items()}


def under(prefix: str, a: State) -> State:
    """Return the entries below ``prefix/``, without it."""
    start = f"{prefix}/"
    return {n.removeprefix(start): array for n, array in a.items() if n.startswith(start)}


def put_under(prefix: str, a: State) -> State:
    """Return the entries renamed to ``prefix/name``."""
    return {f"{prefix}/{name}": array for name, array in a.items()}


def outside(prefix: str, a: State) -> State:
    """Return the entries that are not below ``prefix/``."""
    return {name: array for name, array in a.items() if not name.startswith(f"{prefix}/")}


def of_parts(a: State, *parts: str) -> State:
    """Return the parameters of some parts."""
    starts = tuple(f"{part}/" for part in parts)
    return {name: array for name, array in a.items() if name.startswith(starts)}


def shapes_of(state: State) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a state."""
    return {name: array.shape for name, array in state.items()}


def is_finite(state: State) -> bool:
    """Return whether no value is NaN or infinite."""
    return all(np.isfinite(array).all() for array in state.values())


def check_same(
    expected: dict[str, tuple[int, ...]], got: dict[str, tuple[int, ...]], what: str
) -> None:
    """Raise ValueError, naming the first difference, unless names and shapes are equal."""
    if expected == got:
        return
    for name in sorted({*expected, *got}):
        if expected.get(name) != got.get(name):
            raise ValueError(
                f"{what}: {name!r} must have shape {expected.get(name, 'none at all')}, "
                f"got {got.get(name, 'nothing')}"
            )
