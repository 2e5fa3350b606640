"""Contracts of kinds: what a class must have, and how its members are called."""

import inspect
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints


def members(contract: type) -> list[str]:
    """Return the names that a protocol, and those that it extends, ask for."""
    asked: dict[str, None] = {}
    for base in reversed(contract.__mro__):
        if getattr(base, "_is_protocol", False):
            names = [*inspect.get_annotations(base), *vars(base)]
            asked |= dict.fromkeys(name for name in names if not name.startswith("_"))
    return list(asked)


def check_dataclass(what: str, cls: object) -> None:
    """Raise ValueError if `what` (such as "allocator 'Mine'") is not a frozen dataclass.

    Results are kept by the fields of kinds: one that changes would take those of another.
    """
    if not isinstance(cls, type):
        raise ValueError(f"{what} must be a dataclass, got {cls!r}")
    if issubclass(cls, type):
        raise ValueError(f"{what} must be an object, got a class: call it")
    if not is_dataclass(cls):
        raise ValueError(f"{what} must be a dataclass: write @dataclass(frozen=True) above it")
    if not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise ValueError(f"{what} must be frozen: write @dataclass(frozen=True) above it")


def check_contract(what: str, cls: type, contract: type) -> None:
    """Raise ValueError if a dataclass lacks members of a contract, or takes other arguments."""
    own = {field.name for field in fields(cls)}
    lacks = [each for each in members(contract) if each not in own and not hasattr(cls, each)]
    lacks += sorted(getattr(cls, "__abstractmethods__", frozenset()).difference(lacks))
    if lacks:
        public = contract.__module__.startswith("wfl_sim.")
        where = "wfl_sim.protocols" if public else contract.__module__
        missing = ", ".join(map(repr, lacks))
        raise ValueError(f"{what} lacks {missing} of {where}.{contract.__name__}")
    for problem in misfits(cls, contract):
        raise ValueError(f"{what}: {problem}")


def misfits(cls: type, contract: type) -> Iterator[str]:
    """Yield a sentence for each member that a class has otherwise than a contract asks for."""
    for name in members(contract):
        asked = inspect.getattr_static(contract, name, None)
        there = inspect.getattr_static(cls, name, None)
        if not inspect.isfunction(asked):
            if inspect.isfunction(there):
                yield f"{name!r} must be a value: write @property above its method"
        elif not callable(getattr(cls, name, asked)):
            yield f"{name!r} must be a method, as {name}{_arguments(asked)}"
        elif inspect.isfunction(there) and not _takes(there, asked):
            yield f"{name!r} must take {_arguments(asked)}, and takes {_arguments(there)}"


def _takes(own: Any, asked: Any) -> bool:
    parameters = inspect.signature(asked).parameters.values()
    named = {each.name: None for each in parameters if each.kind is each.KEYWORD_ONLY}
    try:
        inspect.signature(own).bind(*[None] * (len(parameters) - len(named)), **named)
    except TypeError:
        return False
    return True


def _arguments(function: Any) -> str:
    """Return the arguments of a method after `self`, without their types."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    bare = [each.replace(annotation=each.empty) for each in parameters]
    return str(inspect.Signature(bare))


def check_fields(cls: type) -> None:
    """Raise ValueError if a dataclass has a field of a type that no scenario can be read into."""
    from pydantic import PydanticUserError, TypeAdapter

    try:
        hints = get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise ValueError(f"{cls.__name__} has a field of an unknown type: {error}") from None
    for each in fields(cls):
        try:
            TypeAdapter(hints[each.name])
        except PydanticUserError:
            name = getattr(hints[each.name], "__qualname__", hints[each.name])
            raise ValueError(
                f"{cls.__name__} has a field {each.name!r} of type {name}, which no scenario can "
                "hold: make it a number, text, list, mapping or dataclass"
            ) from None
