"""Errors of configuration: where a mistake stands, what it is, and which word was meant."""

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic import ValidationError

Location = tuple[str | int, ...]


_LONGEST: Final = 1000
"""Characters of a message: the longest that lists what is known has 600."""


def one_line(text: str) -> str:
    """Return a text as one line for a terminal: printable, and not longer than is read."""
    words = "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
    if len(words) <= _LONGEST:
        return words
    return f"{words[: _LONGEST // 2]} ... {words[-_LONGEST // 2 :]}"


class ScenarioError(ValueError):
    """A scenario cannot be used; the message is one located line."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def did_you_mean(word: str, known: list[str]) -> str:
    """Return ", did you mean ..." for the nearest known word, or the list of what is known."""
    near = difflib.get_close_matches(word, known, n=1)
    if near:
        return f", did you mean {near[0]!r}?"
    return f" (known: {', '.join(sorted(known))})" if known else ""


class LocatedError(ValueError):
    """A value contradicts another; `path` is the key to blame, below the object that raises."""

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message, *path)  # SimPy makes errors of processes anew of their arguments
        self.path = path

    def __str__(self) -> str:
        return str(self.args[0])


@contextmanager
def located(*path: str | int) -> Iterator[None]:
    """Put `path` in front of the key that a `LocatedError` raised in this context blames.

    >>> with located("devices", 0):
    ...     raise LocatedError("must be at least 1, got 0", "count")
    Traceback (most recent call last):
    wfl_sim.config.errors.LocatedError: must be at least 1, got 0
    """
    try:
        yield
    except LocatedError as error:
        raise LocatedError(str(error), *path, *error.path) from None


class KindError(ValueError):
    """A kind cannot be found."""


class NestedError(ValueError):
    """The options of a kind are wrong; carries pydantic's error and the class that refused them."""

    def __init__(self, error: "ValidationError", cls: type) -> None:
        super().__init__(str(error))
        self.error = error
        self.cls = cls


def in_json(value: object) -> str:
    """Return what a value is in the words of JSON."""
    if isinstance(value, str):
        return "a string" if value.strip() else "an empty string"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"the number {value}"
    kinds = {dict: "an object", list: "a list", type(None): "null", bool: "a truth value"}
    return kinds.get(type(value), type(value).__name__)
