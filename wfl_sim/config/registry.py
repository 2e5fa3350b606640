"""Kinds by name: how the word after ``kind:`` finds its class, and how a mapping becomes one.

A kind comes from a decorator in Python, from a user's file (``./mine.py:Mine``, which runs that
file and is therefore allowed only within `plugins_allowed`), or from an entry point of an installed
package in the group ``wfl_sim.<family>``.
"""

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from wfl_sim.config.contracts import check_contract, check_dataclass
from wfl_sim.config.documents import SourcedStr, resolve_path, shown
from wfl_sim.config.errors import KindError, LocatedError, NestedError, did_you_mean
from wfl_sim.config.plugin_code import _brief, _plugins_allowed, plugin
from wfl_sim.config.validation import validate

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

T = TypeVar("T")


class Registry(Generic[T]):
    """The classes of one family ("method", "allocator", ...), by the name that scenarios use.

    >>> ALARMS = Registry("alarm")
    >>> @ALARMS("bell")
    ... @dataclass(frozen=True)
    ... class Bell:
    ...     volume: int = 3
    >>> ALARMS.find("bell")(volume=5)
    Bell(volume=5)
    >>> ALARMS.find("bel")
    Traceback (most recent call last):
    ValueError: unknown alarm 'bel', did you mean 'bell'?

    Args:
        family: name of the family.
        contract: the protocol that every class must satisfy; none unless given.
    """

    def __init__(self, family: str, contract: type = object) -> None:
        self.family = family
        self.contract = contract
        self._complete: set[type] = set()
        self._kinds: dict[str, type[T]] = {}
        self._from_files: dict[type[T], str] = {}

    def __repr__(self) -> str:
        return f"Registry({self.family!r}: {', '.join(sorted(self._kinds))})"

    def __call__(self, name: str) -> Callable[[type[T]], type[T]]:
        """Return the decorator that adds a frozen dataclass under `name`."""

        self._check_name(name)  # a class: the decorator without its brackets

        def register(cls: type[T]) -> type[T]:
            self.add(name, cls)
            return cls

        return register

    def add(self, name: str, cls: type[T]) -> None:
        """Register `cls` under `name`; it replaces itself, and a class of a cell another one.

        Raises:
            ValueError: the name is taken or none, or the class is not a frozen dataclass.
        """
        self._check_name(name)
        check_dataclass(f"{self.family} {name!r}", cls)
        old = self._kinds.get(name, cls)
        if _identity(old) != _identity(cls) and {old.__module__, cls.__module__} != {"__main__"}:
            raise ValueError(f"{self.family} {name!r} is already registered: choose another name")
        self._kinds[name] = cls

    def _check_name(self, name: Any) -> None:
        if not (isinstance(name, str) and re.fullmatch(r"\w[\w.+-]*", name)):
            what = "a text of letters, digits and -, as in @FAMILY('mine')"
            raise ValueError(f"the name of a kind of {self.family} must be {what}, got {name!r}")

    def find(self, name: str) -> type[T]:
        """Return the class of a kind.

        Raises:
            ValueError: no such kind (with the nearest name), a file is named and may not be run, or
                the class lacks what the contract asks for.
        """
        cls = self._found(name)
        self.check(name, cls)
        return cls

    def check(self, name: str, cls: type) -> None:
        """Raise ValueError if a class lacks what the contract asks for."""
        if cls not in self._complete:
            check_contract(f"{self.family} {name!r}", cls, self.contract)
            self._complete.add(cls)

    def _found(self, name: str) -> type[T]:
        if ".py:" in name:
            return self._from_file(name)
        if name in self._kinds:
            return self._kinds[name]
        installed = self._installed()
        if name in installed:
            self.add(name, self._loaded(installed[name]))
            return self._kinds[name]
        if name.endswith(".py"):
            raise ValueError(f"names a file: add the class in it, such as {name}:Mine")
        raise ValueError(
            f"unknown {self.family} {name!r}{did_you_mean(name, [*self._kinds, *installed])}"
        )

    def kinds(self) -> Mapping[str, type[T]]:
        """Return every registered and installed kind, sorted by name.

        An installed one that cannot be had is left out, with a warning.
        """
        for name, point in self._installed().items():
            try:
                hidden = _identity(self.find(name)) != _identity(self._loaded(point))
            except ValueError as error:
                warnings.warn(str(error), stacklevel=2)
                continue
            if hidden:
                what = f"{point.value} has the name of another kind, which hides it"
                text = f"{self.family} {name!r}: {what}: its author must choose another"
                warnings.warn(text, stacklevel=2)
        return dict(sorted(self._kinds.items()))

    def name_of(self, component: object) -> str:
        """Return the name by which `find` finds the class of `component`."""
        # The file goes first: another process knows no name that a decorator in it has registered.
        if type(component) in self._from_files:
            return self._from_files[type(component)]  # type: ignore[index]
        for name, cls in self._kinds.items():
            if _identity(type(component)) == _identity(cls):
                return name
        raise ValueError(f"{type(component).__name__} is not a registered {self.family}")

    def label(self, component: object) -> str:
        """Return how messages name a component: its kind, or its class where it has none."""
        try:
            return self.name_of(component).rpartition("/")[2]
        except ValueError:
            return type(component).__name__

    def _installed(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=f"wfl_sim.{self.family}")}

    def _loaded(self, point: EntryPoint) -> Any:
        try:
            return point.load()
        except Exception as error:
            package = point.dist.name if point.dist else "a package"
            raise ValueError(
                f"{self.family} {point.name!r} of {package} failed when imported: {_brief(error)}"
            ) from error

    def _from_file(self, name: str) -> type[T]:
        if not _plugins_allowed.get():
            raise ValueError(
                f"{str(name)!r} would run a Python file: give --allow-plugins if you trust it"
            )
        path, _, attribute = name.rpartition(":")
        file = resolve_path(SourcedStr(path, name.folder) if isinstance(name, SourcedStr) else path)
        if not file.is_file():
            raise ValueError(f"no such file: {file}")
        module = plugin(file.resolve())
        cls = getattr(module, attribute, None)
        if cls is None:
            raise ValueError(f"{file.name} defines no {attribute!r}")
        check_dataclass(f"{self.family} {attribute!r}", cls)
        if cls.__module__ == module.__name__ or cls not in self._kinds.values():
            self._from_files[cls] = f"{file.resolve()}:{attribute}"
        return cls  # type: ignore[no-any-return]


def _identity(cls: type) -> tuple[str, str]:
    return cls.__module__, cls.__qualname__


@dataclass(frozen=True)
class From:
    """Annotation of a dataclass field whose value is looked up in a registry.

    ``Annotated[Allocator, From(ALLOCATORS)]`` accepts an instance, a bare name, or a mapping with
    the key ``kind`` and the options of that kind; ``default`` is the kind of a mapping that names
    none. With ``or_text`` a text that names no kind is what the annotation before this one makes of
    it.
    """

    registry: Registry[Any]
    default: str | None = None
    or_text: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> "CoreSchema":
        from pydantic_core import core_schema

        if self.or_text:
            return core_schema.no_info_wrap_validator_function(self._or_text, handler(source))
        return core_schema.no_info_plain_validator_function(self._build)

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        # scenario/json_schema.py replaces this mark by a reference to the family.
        family = {"x-family": self.registry.family}
        return {"anyOf": [family, {"type": "string"}]} if self.or_text else family

    def _or_text(self, value: Any, text: Callable[[Any], Any]) -> Any:
        names_kind = isinstance(value, str) and (".py" in value or value in self.registry.kinds())
        return self._build(value) if names_kind or not isinstance(value, str) else text(value)

    def _build(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._made(value, {})
        if not isinstance(value, Mapping):
            if is_dataclass(value) and not isinstance(value, type):
                check_dataclass(type(value).__name__, type(value))
                self.registry.check(type(value).__name__, type(value))
                return value
            raise ValueError(
                f"must be {self._choice()} or a mapping with `kind`, got {shown(value)}"
            )
        options = dict(value)
        kind = options.pop("kind", self.default)
        if not isinstance(kind, str):
            raise LocatedError(f"must be {self._choice()}", "kind")
        try:
            return self._made(kind, options)
        except KindError as error:
            raise LocatedError(str(error), "kind") from None

    def _choice(self) -> str:
        return f"a kind of {self.registry.family} ({', '.join(self.registry.kinds())})"

    def _made(self, kind: str, options: Mapping[str, Any]) -> Any:
        from pydantic import ValidationError

        try:
            cls = self.registry.find(kind)
        except ValueError as error:
            raise KindError(str(error)) from error
        try:
            return validate(cls, _with_own_defaults(cls, options))
        except ValidationError as error:
            raise NestedError(error, cls, self.registry._kinds) from None
        except OSError as error:
            raise ValueError(str(error)) from error


@cache
def own_defaults(field: Field[Any]) -> Mapping[str, Any]:
    """Return what the default of a field has in place of the defaults of its class, by key."""
    own: Any = None if field.default_factory is MISSING else field.default_factory()
    if not is_dataclass(own):
        return {}
    kind: Any = type(own)
    try:
        usual = kind()
    except TypeError:  # a class with fields that must be given
        return {}
    names = [each.name for each in fields(own) if each.init]
    return {n: getattr(own, n) for n in names if getattr(own, n) != getattr(usual, n)}


def _with_own_defaults(cls: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options in which a mapping keeps what else the default of its field has.

    Of a method whose `local` is by default Local(lr=2e-4), `local: {steps: 4}` has that rate.
    """
    filled = dict(options)
    for field in fields(cls):
        given = options.get(field.name)
        if isinstance(given, Mapping) and "kind" not in given:
            filled[field.name] = {**own_defaults(field), **given}
    return filled


def describe(cls: type) -> str:
    """Return the first line of a class's docstring."""
    return (cls.__doc__ or "").strip().splitlines()[0] if cls.__doc__ else ""
