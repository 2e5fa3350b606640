"""Classes of scripts and notebooks as they are in memory, as texts that can be hashed.

A class consists of its functions as they are compiled, and of the functions, classes and values
outside that they use. Where that is a module, its name stands for it.
"""

import builtins
import dis
import logging
import pickle
import secrets
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property, partial
from typing import Any, Final

_log = logging.getLogger(__name__)

_PLAIN: Final = (bool, int, float, complex, str, bytes, type(None), type(...), range, slice)
_GENERATED: Final = ("__init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__")
"""Functions that `dataclass` may have written."""

Seen = dict[int, tuple[int, object]]
"""Things by id, with their number; kept, so that nothing else gets the id."""


def is_live(thing: Any) -> bool:
    """Return whether a class or function is of a script or notebook, or made by a function."""
    module, name = thing.__module__ or "", thing.__qualname__
    if module in ("builtins", "types"):  # of those that `exec` and `make_dataclass` make
        return getattr(sys.modules[module], name, None) is not thing
    return module == "__main__" or "<locals>" in name


def live(thing: Any, seen: Seen) -> Iterator[str | types.ModuleType]:
    """Yield texts that tell whether a thing is still the same, and the modules that it uses."""
    if isinstance(thing, _PLAIN):
        yield f"{type(thing).__name__} {thing!r}"
    elif id(thing) in seen:
        yield f"number {seen[id(thing)][0]}"
    elif isinstance(thing, types.ModuleType):
        yield thing
    else:
        seen[id(thing)] = len(seen), thing
        if isinstance(thing, (types.FunctionType, type)) and not is_live(thing):
            yield f"{thing.__module__} {thing.__qualname__}"
            yield sys.modules.get(thing.__module__, builtins)
            return
        for part in _parts(thing):
            yield from live(part, seen)


def _parts(thing: Any) -> Iterable[object]:
    """Return what a thing consists of."""
    kind = type(thing).__qualname__
    match thing:
        case tuple() | list():
            return (kind, len(thing), *thing)
        case set() | frozenset():
            return (kind, *sorted(map(repr, thing)))
        case Mapping():
            return (kind, len(thing), *(each for pair in thing.items() for each in pair))
        case types.CodeType():
            return (thing.co_code, thing.co_consts, thing.co_names, thing.co_varnames)
        case types.FunctionType():
            return (thing.__code__, thing.__defaults__, thing.__kwdefaults__, _used(thing))
        case type():
            own = {name: each for name, each in vars(thing).items() if _is_own(name, each)}
            return (thing.__qualname__, thing.__bases__, own)
        case property():
            return (kind, thing.fget)
        case partial():
            return (kind, thing.func, thing.args, thing.keywords)
        case cached_property():
            return (kind, thing.func)
    inner = getattr(thing, "__func__", getattr(thing, "__wrapped__", None))  # method, or cached
    if inner is not None:
        return (kind, inner, getattr(thing, "__self__", None))
    if is_live(type(thing)):
        return (type(thing), vars(thing) if hasattr(thing, "__dict__") else repr(thing))
    if type(thing).__module__.startswith("wfl_sim."):
        return (kind, repr(thing))
    try:
        return (kind, pickle.dumps(thing))
    except Exception:
        return (_unknown(kind), id(thing))


def _used(function: types.FunctionType) -> dict[str, object]:
    """Return what a function takes from outside, by name, as far as it is there."""
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    used = {name: cell.cell_contents for name, cell in cells.items() if cell != types.CellType()}
    pending = [function.__code__]
    while pending:
        code = pending.pop()
        pending += [each for each in code.co_consts if isinstance(each, types.CodeType)]
        for step in dis.get_instructions(code):
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME") and step.argval in function.__globals__:
                used[step.argval] = function.__globals__[step.argval]
    return used


def _is_own(name: str, thing: object) -> bool:
    """Return whether a class has an attribute from its author, not from Python or `dataclass`."""
    if name.startswith("__"):
        code = getattr(thing, "__code__", None)
        written = code is not None and code.co_filename.endswith(("<string>", "dataclasses.py"))
        return code is not None and not (written and name in _GENERATED)
    return name != "_abc_impl"


@cache
def _unknown(kind: str) -> str:
    """Return a text that no other process has, so that no result of another one is taken."""
    _log.warning(
        "a plug-in of a script or notebook uses a %s, whose content cannot be told: "
        "results of earlier processes are not used",
        kind,
    )
    return secrets.token_hex(16)
