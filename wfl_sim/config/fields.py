"""Annotations of the fields of a scenario: bounds, paths and shorthands."""

import operator
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args, get_type_hints

from annotated_types import Ge, Gt, Le, Lt

from wfl_sim.config.documents import resolve_path

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

PositiveInt = Annotated[int, Ge(1)]
NonNegativeInt = Annotated[int, Ge(0)]
Seed = Annotated[int, Ge(0), Le(2**63 - 1)]
PositiveFloat = Annotated[float, Gt(0)]
NonNegativeFloat = Annotated[float, Ge(0)]
BelowOne = Annotated[float, Ge(0), Lt(1)]
Share = Annotated[float, Ge(0), Le(1)]
PositiveShare = Annotated[float, Gt(0), Le(1)]
ProperShare = Annotated[float, Gt(0), Lt(1)]

_BOUNDS: Final[Mapping[str, tuple[Callable[[Any, Any], bool], str]]] = {
    "ge": (operator.ge, "be at least"),
    "gt": (operator.gt, "be greater than"),
    "le": (operator.le, "be at most"),
    "lt": (operator.lt, "be less than"),
}
"""By the name that `annotated_types` and pydantic have for them."""


def must(bound: str, value: float) -> str:
    """Return a bound in words: `must("gt", 0)` is "must be greater than 0"."""
    if (bound, value) == ("ge", 0):
        return "must not be negative"
    return f"must {_BOUNDS[bound][1]} {int(value) if value == int(value) else value}"


class Bounded:
    """A dataclass whose fields, and the items of those that are tuples, keep their bounds.

    In a scenario file pydantic sees to it; here, where an object is made in Python.

    Raises:
        ValueError: with the name of the field.
    """

    def __post_init__(self) -> None:
        kind: Any = type(self)
        for name, bound, limit in _bounds_of(kind):
            value = getattr(self, name)
            if value is None and name in _optional(kind):
                continue
            for each in value if isinstance(value, tuple | list) else (value,):
                if each is None or not _BOUNDS[bound][0](each, limit):
                    raise ValueError(f"{name} {must(bound, limit)}, got {each}")


@cache
def _bounds_of(cls: type[Any]) -> tuple[tuple[str, str, float], ...]:
    hints = get_type_hints(cls, include_extras=True)
    return tuple(
        (field.name, bound, getattr(mark, bound))
        for field in fields(cls)
        for mark in marks(hints.get(field.name))
        for bound in _BOUNDS
        if isinstance(mark, Ge | Gt | Le | Lt) and hasattr(mark, bound)
    )


@cache
def _optional(cls: type[Any]) -> frozenset[str]:
    hints = get_type_hints(cls, include_extras=True)
    return frozenset(name for name, hint in hints.items() if _takes_none(hint))


def _takes_none(hint: Any) -> bool:
    return hint is NoneType or any(map(_takes_none, get_args(hint)))


def marks(hint: Any) -> Iterator[Any]:
    """Yield the metadata of a field's annotation, also those of items and below ``| None``."""
    for part in (hint, *get_args(hint)):
        yield from getattr(part, "__metadata__", ())


CACHED = "cached:"


def model_cache() -> Path:
    """Return the user's folder of fetched models, whether it is there or not."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "wfl_sim" / "models"


@dataclass(frozen=True)
class FilePath:
    """Annotation of a text field that names a file or folder: it becomes an absolute path.

    ``path: Annotated[str, FilePath()]``. A relative path starts from the scenario file that
    holds it. With `or_name` the text may also be a name of another kind, such as a Hub id: it is
    left alone unless such a folder is there or it looks like a path; with `files`, endings of
    names, it may be a file, too, and must be one where it has such an ending. `cached:NAME` is what
    `wfl-sim models add NAME` has fetched, and `cached:NAME/FILE` a file of it.
    """

    or_name: bool = False
    files: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> "CoreSchema":
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(
            self._found, core_schema.str_schema(), json_schema_input_schema=core_schema.str_schema()
        )

    def _found(self, text: Any) -> Any:
        if not isinstance(text, str) or (self.or_name and not text.strip()):
            return text
        if text.startswith(CACHED):
            name = text.removeprefix(CACHED)
            path, text = model_cache() / name, str(model_cache() / name)
            if not path.exists():
                name = name.partition("/")[0]
                raise ValueError(
                    f"no such file or folder {path}: `wfl-sim models add {name}` fetches it"
                )
        path = resolve_path(text)
        try:
            return self._checked(text, path)
        except OSError as error:
            raise ValueError(f"{error.strerror}: {path}") from None

    def _checked(self, text: str, path: Path) -> str:
        may_be_file = self.files and (path.is_file() or text.endswith(self.files))
        if not self.or_name or may_be_file:
            if not text.strip():
                raise ValueError("must name a file, got an empty text")
            if not path.is_file():
                what = "is a folder, not a file" if path.is_dir() else "no such file"
                raise ValueError(f"{what}: {path}")
            return str(path)
        if path.is_dir():
            return str(path)
        if text.startswith((".", "/", "~")):
            raise ValueError(f"no such folder: {path}")
        return str(text)


@dataclass(frozen=True)
class Shorthand:
    """Annotation of a dataclass field: a bare value is taken as the dataclass's field `name`."""

    name: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> "CoreSchema":
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(self._spelt_out, handler(source))

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        return {"anyOf": [{"type": ["number", "string"]}, handler(core)]}

    def _spelt_out(self, value: Any) -> Any:
        if value is None or isinstance(value, (Mapping, list)) or is_dataclass(value):
            return with_bare_as(self.name, value)
        return {self.name: value}


class Bare(str):
    """A text that is short for a mapping, in which it stands under `kind` until the field is known.

    Keys that are laid over ``battery: 20 Wh``, as by ``--set battery.initial=0.5``, make one.
    """

    __slots__ = ()


def with_bare_as(name: str, value: Any) -> Any:
    """Return a mapping in which a `Bare` text has the key that it is short for, if none has."""
    if not isinstance(value, Mapping) or not isinstance(value.get("kind"), Bare):
        return value
    rest = {key: item for key, item in value.items() if key != "kind"}
    return {name: str(value["kind"]), **rest}
