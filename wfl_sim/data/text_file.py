"""UTF-8 text files: their path from the scenario file, their errors, and JSON lines."""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Final, TextIO

from wfl_sim.config.errors import in_json
from wfl_sim.config.fields import FilePath

_ARRAY: Final = re.compile(r"\s*\[\s*\{")
_NEXT: Final = re.compile(r"\s*,\s*")
_SIGNS: Final = MappingProxyType(
    {
        b"\x1f\x8b": "a gzip file: unpack it",
        b"PK": "a zip file or a spreadsheet: unpack it, or save it as CSV",
        b"PAR1": "a Parquet file: write it as CSV or JSON lines",
        b"ARROW1": "an Arrow file: write it as CSV or JSON lines",
        b"\xff\xfe": "UTF-16: save the file as UTF-8",
    }
)
"""How files begin that are given in place of texts."""


class Source(ABC):
    """Where examples come from."""

    @property
    @abstractmethod
    def source(self) -> str:
        """The name of the source, for error messages."""


@dataclass(frozen=True, kw_only=True)
class TextFile(Source):
    """A UTF-8 file.

    Attributes:
        path: the file; a relative path starts from the scenario file.
    """

    path: Annotated[str, FilePath()]

    @property
    def source(self) -> str:
        """The file, for error messages."""
        return self.path

    @contextmanager
    def opened(self, newline: str | None = None) -> Iterator[TextIO]:
        """Open the file; raise FileNotFoundError or ValueError, in one line, if this fails."""
        try:
            with open(self.path, encoding="utf-8-sig", newline=newline) as file:
                yield file
        except FileNotFoundError:
            raise FileNotFoundError(f"no such file: {self.path}") from None
        except OSError as error:
            raise ValueError(f"{self.path}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ValueError(f"{self.path}:{_undecodable(self.path)}") from None

    def json_lines(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield `path:line` and the JSON object of each line that is not blank."""
        with self.opened() as file:
            for line, text in enumerate(file, 1):
                if text.strip():
                    yield f"{self.path}:{line}", _object(text, f"{self.path}:{line}")

    def json_records(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield `path:line` and each JSON object, of an array of objects or of lines."""
        with self.opened() as file:
            text = file.read()
        if not _ARRAY.match(text):
            yield from self.json_lines()
            return
        _parsed(text, self.path)
        decoder, line, seen = json.JSONDecoder(object_pairs_hook=_once), 1, 0
        place = text.index("{")
        while place >= 0:
            line, seen = line + text.count("\n", seen, place), place
            try:
                value, end = decoder.raw_decode(text, place)
            except ValueError as error:
                raise ValueError(f"{self.path}:{line}: {error}") from None
            if not isinstance(value, dict):
                raise ValueError(f"{self.path}:{line}: {_expected(value)}")
            yield f"{self.path}:{line}", value
            following = _NEXT.match(text, end)
            place = following.end() if following else -1


def check_apart(test: str | None, learned: str) -> None:
    """Raise ValueError where the official test set is what is learned from."""
    if test == learned:
        raise ValueError(f"test must be other examples than those to learn from, got {test!r}")


def scalar(record: Mapping[str, object], key: str, source: str) -> str:
    """Return a string, an integer or a truth value of a record as a text."""
    value = record.get(key)
    if not isinstance(value, str | int) or not str(value).strip():
        found = in_json(value) if key in record else "nothing"
        raise ValueError(
            f"{source}: {key!r} must be a string, an integer or a truth value, found {found}"
        )
    return json.dumps(value) if isinstance(value, bool) else str(value).strip()


def _undecodable(path: str) -> str:
    """Return the number of the first line that is no UTF-8, and what the file may be instead."""
    good = 0
    with open(path, "rb") as file:
        start = file.peek(4)
        with suppress(UnicodeDecodeError):
            for line in file:
                line.decode()
                good += 1
    kinds = (f" but {kind}" for sign, kind in _SIGNS.items() if start.startswith(sign))
    return f"{good + 1}: not UTF-8 text{next(kinds, ': save the file as UTF-8')}"


def _object(text: str, source: str) -> dict[str, Any]:
    record = _parsed(text, source, _once)
    if not isinstance(record, dict):
        raise ValueError(f"{source}: {_expected(record)}")
    return record


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; ValueError where a key is given twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"{twice!r} is given twice in one record: keep one")
    return found


def _parsed(
    text: str, source: str, made: Callable[[list[tuple[str, Any]]], object] | None = None
) -> Any:
    """Return what a text in JSON holds; `made` makes objects of their keys and values."""
    try:
        value = json.loads(text, object_pairs_hook=made)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except json.JSONDecodeError as error:
        at = f"{source}:{error.lineno}" if "\n" in text.strip() else source
        raise ValueError(f"{at}: not JSON: {error.msg} at column {error.colno}") from None
    except UnicodeEncodeError:
        raise ValueError(f"{source}: no text: half a surrogate pair, as of a cut emoji") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{source}: cannot be read: {error}") from None


def _expected(value: object) -> str:
    return f"expected a JSON object, found {in_json(value)}"
