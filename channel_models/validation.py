"""Argument checks: every message names the argument, the rule and the value.

`Validated` serves the frozen dataclasses; the ``check_*`` functions serve array arguments.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import ArrayLike, NDArray

from channel_models.units import Unit

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Count:
    """Annotation of a whole number of something: the least of them."""

    minimum: int

    def parse(self, value: Any) -> int:
        """``value`` as an int; ValueError, without the field's name, otherwise."""
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
            raise ValueError(f"must be an integer, got {value!r}")
        if value < self.minimum:
            raise ValueError(f"must be at least {self.minimum}, got {value}")
        return int(value)


PositiveInteger = Annotated[int, Count(1)]


@cache
def _rules(cls: type[Any]) -> dict[str, Callable[[Any], Any]]:
    hints = get_type_hints(cls, include_extras=True)
    rules = {field.name: _rule(hints[field.name]) for field in fields(cls)}
    return {name: rule for name, rule in rules.items() if rule is not None}


def _rule(hint: Any) -> Callable[[Any], Any] | None:
    origin = get_origin(hint)
    if origin is Annotated:
        for note in get_args(hint)[1:]:
            if isinstance(note, (Unit, Count)):
                return note.parse
    if origin is Literal:
        return _one_of(get_args(hint))
    if origin in (Union, UnionType) and type(None) in get_args(hint):
        inner = [_rule(part) for part in get_args(hint) if part is not type(None)]
        if len(inner) == 1 and inner[0] is not None:
            return _optional(inner[0])
    if origin is Mapping and (rule := _rule(get_args(hint)[1])) is not None:
        return _values(rule)
    if hint is bool:
        return _boolean
    return None


def _one_of(allowed: tuple[Any, ...]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(map(repr, allowed))}, got {value!r}")
        return value

    return check


def _values(rule: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ValueError(f"must be a mapping, got {value!r}")
        return {key: rule(each) for key, each in value.items()}

    return check


def _optional(rule: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else rule(value)


def _boolean(value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"must be true or false, got {value!r}")
    return bool(value)


class Validated:
    """A frozen dataclass whose fields follow their annotations.

    Units are read once, in place; bounds, whole numbers, literals and truth values are checked.

    Raises:
        ValueError: ``<field> must be ..., got <value>``.
    """

    def __post_init__(self) -> None:
        kind: Any = type(self)
        for name, rule in _rules(kind).items():
            value = getattr(self, name)
            try:
                settled = rule(value)
            except ValueError as error:
                joint = ":" if str(error).startswith(("'", '"')) else ""
                raise ValueError(f"{name}{joint} {error}") from None
            if settled is not value:
                object.__setattr__(self, name, settled)


def check_positive_integer(name: str, value: Any, minimum: int = 1) -> int:
    """``value`` as an int of at least ``minimum``; ValueError otherwise."""
    try:
        return Count(minimum).parse(value)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


def check_array(
    name: str,
    values: ArrayLike,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    exclusive: bool = False,
    unit: str = "",
    rule: str = "",
    single: bool = False,
) -> FloatArray:
    """``values`` as a float array without NaN and within the bounds.

    With ``exclusive`` the minimum itself is refused; ``rule`` ends the rule in the message; with
    ``single`` an array in single precision stays so. Raises ValueError naming the first bad value.
    """
    try:
        kept = single and isinstance(values, np.ndarray) and values.dtype == np.float32
        array = np.asarray(values, dtype=np.float32 if kept else float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be real numbers, got {values!r}") from None
    if array.size and _within(array, minimum, maximum, exclusive):
        return array
    suffix = f" {unit}" if unit else ""
    if np.isnan(array).any():
        raise ValueError(f"{name} must be a number{' of ' + unit if unit else ''}, got NaN")
    if minimum is not None:
        bad = array <= minimum if exclusive else array < minimum
        if bad.any():
            word = "greater than" if exclusive else "at least"
            raise ValueError(
                f"{name} must be {word} {minimum:g}{suffix}{rule}, "
                f"got {array[bad].flat[0]:g}{suffix}"
            )
    if maximum is not None and (array > maximum).any():
        raise ValueError(
            f"{name} must be at most {maximum:g}{suffix}{rule}, "
            f"got {array[array > maximum].flat[0]:g}{suffix}"
        )
    return array


def check_distance(distance: ArrayLike, minimum: float, model: str) -> FloatArray:
    """Horizontal distances in m; below ``minimum``, at zero and at infinity ValueError."""
    d2 = check_array("distance", distance, minimum=0.0, exclusive=True, unit="m")
    d2 = check_array("distance", d2, minimum=minimum, unit="m", rule=f" for {model}")
    if not np.isfinite(d2).all():
        raise ValueError("distance must be finite, got inf")
    return d2


def check_frequency(frequency: ArrayLike, minimum: float, maximum: float) -> FloatArray:
    """Carrier frequencies in Hz within a model's range; ValueError otherwise."""
    f = check_array("frequency", frequency, minimum=0.0, exclusive=True, unit="Hz")
    return check_array("frequency", f, minimum=minimum, maximum=maximum, unit="Hz")


def check_height(
    name: str,
    height: ArrayLike,
    minimum: float = 0.0,
    maximum: float | None = None,
    exclusive: bool = False,
) -> FloatArray:
    """Antenna heights in m within a model's range; ValueError otherwise."""
    return check_array(
        name, height, minimum=minimum, maximum=maximum, exclusive=exclusive, unit="m"
    )


def _within(
    array: FloatArray, minimum: float | None, maximum: float | None, exclusive: bool
) -> bool:
    """Whether all values are within the bounds, in few passes; any comparison with NaN fails."""
    least = array.min()
    if minimum is None:
        low = not np.isnan(least)
    else:
        low = bool(least > minimum if exclusive else least >= minimum)
    return low and (maximum is None or bool(array.max() <= maximum))


def check_finite(name: str, values: ArrayLike) -> FloatArray:
    """``values`` as a float array without NaN or infinity; ValueError otherwise."""
    array = check_array(name, values)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {array[~np.isfinite(array)].flat[0]}")
    return array


def check_points(name: str, values: ArrayLike) -> FloatArray:
    """``values`` as finite coordinates of shape (..., 2); ValueError otherwise."""
    array = check_finite(name, values)
    if array.ndim == 0 or array.shape[-1] != 2:
        raise ValueError(f"{name} must have shape (..., 2), got {array.shape}")
    return array
