"""What kinds answer when they are called: refused in one line where it cannot be what is meant."""

import reprlib
from collections.abc import Mapping, Sequence
from math import inf, nan
from numbers import Integral
from typing import Any, Self

import numpy as np

from channel_models.validation import FloatArray
from wfl_sim.config.errors import LocatedError


class AnswerError(LocatedError):
    """A kind has answered what its contract does not allow; `kind` stands in the scenario."""

    def __init__(self, kind: object, message: str) -> None:
        super().__init__(message)
        self.args = kind, message  # errors of processes are made anew of these
        self.kind = kind

    def __str__(self) -> str:
        return str(self.args[1])

    @classmethod
    def of(cls, kind: object, member: str, rule: str, answer: object) -> Self:
        """Return the error of a member that must return something else: `rule` says what."""
        said = " ".join(reprlib.repr(answer).split())
        return cls(kind, f"{type(kind).__name__}.{member} must return {rule}, got {said}")


def one_number(
    kind: object, member: str, answer: Any, *, least: float = -inf, most: float = inf
) -> float:
    """Return an answer as a float.

    Raises:
        AnswerError: it is no finite number from `least` to `most`.
    """
    return float(numbers(kind, member, answer, (), least=least, most=most))


def numbers(
    kind: object,
    member: str,
    answer: Any,
    shape: Sequence[int],
    *,
    least: float = -inf,
    most: float = inf,
    broadcast: bool = True,
) -> FloatArray:
    """Return an answer as an array of a shape, to which it is broadcast where that is allowed.

    Raises:
        AnswerError: it is no array of finite numbers from `least` to `most`, or of another shape.
    """
    try:
        given = np.asarray(None if np.iscomplexobj(answer) else answer, dtype=np.float64)
        same = given.shape == tuple(shape)
        found = given if same else np.broadcast_to(given, tuple(shape))
    except (TypeError, ValueError):
        same, found = False, np.array(nan)
    if (
        (same or broadcast)
        and np.isfinite(found).all()
        and (found >= least).all()
        and (found <= most).all()
    ):
        return found
    bounds = f" from {least:g} to {most:g}" if most < inf else f" of at least {least:g}"
    bounds = bounds if least > -inf else ""
    what = f"finite numbers{bounds} of shape {tuple(shape)}" if shape else f"a number{bounds}"
    raise AnswerError.of(kind, member, what, answer)


def state(
    kind: object, member: str, answer: Any, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> Mapping[str, Any]:
    """Return an answer that is a state, of these names and shapes if they are given.

    Raises:
        AnswerError: it is none, or of others; the first difference is named.
    """
    named = _named(kind, member, answer)
    for name, array in named.items():
        if not _numeric(array):
            raise AnswerError.of(kind, member, f"an array of numbers as {name!r}", array)
    if shapes is not None:
        found = {name: getattr(array, "shape", "no array") for name, array in named.items()}
        for name in sorted({*shapes, *found}):
            if (asked := shapes.get(name)) != (got := found.get(name)):
                rule = f"{name!r} of shape {asked}" if asked is not None else f"no {name!r}"
                said = f"must return {rule}, got {'nothing' if got is None else got}"
                raise AnswerError(kind, f"{type(kind).__name__}.{member} {said}")
    return named


def shapes(kind: object, member: str, answer: Any) -> Mapping[str, tuple[int, ...]]:
    """Return an answer that maps names to shapes.

    Raises:
        AnswerError: it does not.
    """
    named = _named(kind, member, answer)
    for name, shape in named.items():
        if not (isinstance(shape, tuple | list) and all(isinstance(n, Integral) for n in shape)):
            raise AnswerError.of(kind, member, f"a tuple of sizes as {name!r}", shape)
    return named


def _named(kind: object, member: str, answer: Any) -> Mapping[str, Any]:
    if not (isinstance(answer, Mapping) and all(isinstance(name, str) for name in answer)):
        raise AnswerError.of(kind, member, "a mapping of names", answer)
    return answer


def _numeric(value: Any) -> bool:
    try:
        return np.asarray(value).dtype.kind in "biuf"
    except ValueError:
        return False
