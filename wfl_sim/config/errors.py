"""Errors of configuration: where a mistake stands, what it is, and which word was meant."""

import difflib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic import ValidationError
    from ruamel.yaml.error import MarkedYAMLError

Location = tuple[str | int, ...]


_LONGEST: Final = 1000
"""Characters of a message: the longest that lists what is known has 600."""


def one_line(text: str) -> str:
    """Return a text as one line for a terminal: printable, and not longer than is read."""
    words = "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
    if len(words) <= _LONGEST:
        return words
    return f"{words[: _LONGEST // 2]} ... {words[-_LONGEST // 2 :]}"


def is_own_code(file: str) -> bool:
    """Return whether a file is one of this package: its warnings are for users, without a path."""
    own = Path(__file__).parents[1]
    return any(map(Path(file).is_relative_to, (own, own.with_name("channel_models"))))


class ScenarioError(ValueError):
    """A scenario cannot be used; the message is one located line."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, which takes an s unless there is one.

    >>> counted(1, "upload"), counted(2000, "upload")
    ('1 upload', '2,000 uploads')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"


def did_you_mean(word: str, known: list[str]) -> str:
    """Return ", did you mean ..." for the nearest known word, or the list of what is known.

    Capitals do not matter: papers write FedIT, scenarios `fedit`.
    """
    by_lower = {each.lower(): each for each in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1)
    if near:
        return f", did you mean {by_lower[near[0]]!r}?"
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
    """The options of a kind are wrong.

    Carries pydantic's error, the class that refused them, and the other kinds of its family.
    """

    def __init__(
        self, error: "ValidationError", cls: type, kinds: Mapping[str, type] = MappingProxyType({})
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.cls = cls
        self.kinds = kinds


def in_json(value: object) -> str:
    """Return what a value is in the words of JSON."""
    if isinstance(value, str):
        return "a string" if value.strip() else "an empty string"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"the number {value}"
    kinds = {dict: "an object", list: "a list", type(None): "null", bool: "a truth value"}
    return kinds.get(type(value), type(value).__name__)


def syntax_advice(error: "MarkedYAMLError") -> tuple[int, str]:
    """Return the line of a mistake of YAML's syntax, from 1 (0: unknown), and what to do there.

    What is not closed is blamed where it opens: the parser sees it lines later.
    """
    problem, context = error.problem or "syntax error", error.context or ""
    line = error.problem_mark.line + 1 if error.problem_mark else 0
    opened = error.context_mark.line + 1 if error.context_mark else line
    if "'\\t'" in problem:
        return line, "a tab cannot stand here, use blanks"
    if problem == "mapping values are not allowed here":
        return line, (
            "a key stands where none can be: check the indentation and the blank behind each ':', "
            "and quote texts with ': '"
        )
    if problem == "but found another document":
        return line, "the file must hold one document: remove the line `---`"
    if problem == "could not find expected ':'":
        return opened, "a key must have ': ' behind it, a colon and a blank"
    if "quoted scalar" in context and "end of stream" in problem:
        return opened, "a quote opens here and is not closed"
    if context.endswith(("a flow mapping", "a flow sequence")):
        bracket = "}" if context.endswith("mapping") else "]"
        return line, f"a comma is missing, or the '{bracket}' of what line {opened} opens"
    if problem.startswith("expected <block end>"):
        return line, (
            f"does not go on what line {opened} begins: items and keys of one level must be "
            "indented alike"
        )
    if problem.endswith("that cannot start any token"):
        return line, f"{problem}: write the text in quotes"
    return line, problem
