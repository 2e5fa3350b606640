"""Plug-ins in users' Python files: whether they may run, their modules, and their code by content.

The content has to be in every key that stands for a result. A class counts by its file and by the
files that this imports, through all levels. Files of the standard library and of other installed
packages do not count. What a process has imported counts as it was when it was first asked for,
since an edited file does not change the code that runs. A class of a script or notebook also counts
as it is in memory (`live_code`).
"""

import ast
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from importlib.util import resolve_name
from pathlib import Path
from traceback import extract_tb, walk_tb
from types import ModuleType
from typing import Final

from wfl_sim.config.live_code import is_live, live

_OWN: Final = ("wfl_sim", "channel_models")
_INSTALLED: Final = {"site-packages", "dist-packages"}
_RECORD: Final = "_wfl_sim_source"
"""Attribute of a user's module: its source as it was imported."""

Sources = Mapping[str, tuple[str, str]]
"""Name and SHA-256 of the file of each module."""


def code_of(*components: object) -> str:
    """Return the SHA-256 of the users' code in components and their fields; "" if there is none."""
    parts: set[str] = set()
    for cls in _classes(components):
        if is_live(cls):
            parts.add("\n".join(_told(live(cls, {}))))
        if _counts(cls.__module__):
            # Its own module: that of its name may be a later one, after an edit.
            recorded = getattr(vars(cls).get("__init__"), "__globals__", {}).get(_RECORD)
            found = recorded if isinstance(recorded, dict) else sources(cls.__module__)
            parts.update(" ".join(each) for each in found.values())
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest() if parts else ""


def live_classes(component: object) -> list[str]:
    """Return the names of the classes of a script or notebook that a component is made of."""
    return sorted({cls.__qualname__ for cls in _classes(component) if is_live(cls)})


def _classes(component: object) -> Iterator[type]:
    """Yield the classes of users that a component and what it holds are made of."""
    held: Iterable[object] = ()
    if is_dataclass(component) and not isinstance(component, type):
        cls = type(component)
        if is_live(cls) or _counts(cls.__module__):
            yield cls
        held = (getattr(component, each.name, None) for each in fields(cls))
    elif isinstance(component, Mapping):
        held = component.values()
    elif isinstance(component, (tuple, list)):
        held = component
    for each in held:
        if not isinstance(each, (str, float, int)):
            yield from _classes(each)


def _told(things: Iterable[str | ModuleType]) -> Iterator[str]:
    """Yield texts, and of modules the name and, unless they are installed, the sources."""
    for each in things:
        if isinstance(each, str):
            yield each
            continue
        yield each.__name__
        file = getattr(each, "__file__", None)
        if _counts(each.__name__) and file is not None and not is_installed(Path(file)):
            yield from (" ".join(source) for source in sources(each.__name__).values())


def sources(name: str, *, on_disk: bool = False) -> Sources:
    """Return the files of a module and of what it imports, by module.

    Args:
        name: of a module that has been imported.
        on_disk: whether as the files are now; otherwise as they were imported.
    """
    recorded = getattr(sys.modules.get(name), _RECORD, None)
    if isinstance(recorded, dict) and not on_disk:
        return recorded
    found: dict[str, tuple[str, str]] = {}
    pending: list[tuple[str, Path | None]] = [(name, None)]
    while pending:
        each, beside = pending.pop()
        file = None if each in found or not _counts(each) else _file_of(each, beside)
        if file is not None and (
            each == name or not is_installed(file) or _top(each) == _top(name)
        ):
            source = _source(each, file, on_disk)
            found[each] = file.name, source.content
            pending += [(target, file.parent) for target in source.imports]
    return found


def remember(module: ModuleType) -> None:
    """Record the sources of a plug-in that has just been imported, and of what it imports."""
    setattr(module, _RECORD, dict(sources(module.__name__)))


def edited_sources(module: ModuleType) -> set[str]:
    """Return the modules of a recorded plug-in whose files differ from what was imported."""
    before, now = sources(module.__name__), sources(module.__name__, on_disk=True)
    return {name for name in {*before, *now} if before.get(name) != now.get(name)}


def raised_by_plugin(error: BaseException) -> bool:
    """Return whether the code of a plug-in was running when an error, or its cause, was raised."""
    frames = (frame for frame, _ in walk_tb(error.__traceback__))
    if any(_RECORD in frame.f_globals for frame in frames):
        return True
    return error.__cause__ is not None and raised_by_plugin(error.__cause__)


def is_installed(file: Path) -> bool:
    """Return whether a file is part of an installed package."""
    return not _INSTALLED.isdisjoint(file.parts)


@dataclass(frozen=True)
class _Source:
    spec: object
    content: str
    imports: tuple[str, ...]


def _top(name: str) -> str:
    return name.partition(".")[0]


def _counts(name: str) -> bool:
    return _top(name) not in _OWN and _top(name) not in sys.stdlib_module_names


def _file_of(name: str, beside: Path | None) -> Path | None:
    """Return the file of a module, also of one that a function will import when it is called."""
    if name in sys.modules:
        file = getattr(sys.modules[name], "__file__", None)
        return Path(file) if file is not None and Path(file).is_file() else None
    parent = name.rpartition(".")[0]
    if parent in sys.modules and not hasattr(sys.modules[parent], "__path__"):
        return None
    inside = Path(*name.split("."))
    for folder in (*([] if beside is None else [beside]), *map(Path, sys.path)):
        for path in (folder / inside / "__init__.py", folder / inside.with_suffix(".py")):
            if path.is_file():
                return path
    return None


def _source(name: str, file: Path, on_disk: bool) -> _Source:
    module = sys.modules.get(name)
    spec, recorded = getattr(module, "__spec__", None), getattr(module, _RECORD, None)
    # `importlib.reload` gives a module a new specification.
    if isinstance(recorded, _Source) and recorded.spec is spec and not on_disk:
        return recorded
    content = file.read_bytes()
    default = name if file.name == "__init__.py" else name.rpartition(".")[0]
    package = getattr(module, "__package__", None) or default
    imports = _imports(content, package) if file.suffix == ".py" else ()
    source = _Source(spec, hashlib.sha256(content).hexdigest(), imports)
    if module is not None and not on_disk:
        vars(module)[_RECORD] = source  # some modules refuse attributes
    return source


@lru_cache(maxsize=256)
def _imports(text: bytes, package: str) -> tuple[str, ...]:
    """Return the modules that a source may import, and the packages that they are in."""
    names: list[str] = []
    with suppress(SyntaxError, ValueError, ImportError):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    base = resolve_name("." * node.level + base, package)
                names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    split = [name.split(".") for name in names]
    every = (".".join(words[:end]) for words in split for end in range(1, len(words) + 1))
    return tuple(dict.fromkeys(every))


_PLUGIN: Final = "wfl_sim_plugin_"
"""Prefix of the names of modules from users' files."""

_plugins_allowed: ContextVar[bool] = ContextVar("plugins_allowed", default=False)


@contextmanager
def plugins_allowed() -> Iterator[None]:
    """Let kinds name Python files, which run when they are looked up, while the context lasts."""
    token = _plugins_allowed.set(True)
    try:
        yield
    finally:
        _plugins_allowed.reset(token)


def plugin(file: Path) -> ModuleType:
    """Return a user's file as a module; it runs when it is first asked for, and after an edit.

    What it imports is imported anew after an edit, too, unless it is an installed package.

    Raises:
        ValueError: it cannot be imported.
    """
    name = f"{_PLUGIN}{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        edited = edited_sources(sys.modules[name])
        if not edited:
            return sys.modules[name]
        for each in sources(name) if edited - {name} else edited:
            if each != "__main__":
                sys.modules.pop(each, None)
        importlib.invalidate_caches()
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ValueError(f"{file} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _no_bytecode():
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ValueError(f"{file.name} failed when imported: {_brief(error, file)}") from error
    remember(module)
    return module


@contextmanager
def _no_bytecode() -> Iterator[None]:
    """Compile what is imported meanwhile from its source.

    A cached compilation is taken for that of an edited file of the same length and second.
    """
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def plugins() -> list[ModuleType]:
    """Return the modules of the users' files that have run in this process."""
    modules = [module for name, module in sys.modules.items() if name.startswith(_PLUGIN)]
    return [module for module in modules if module.__file__]


def _brief(error: BaseException, file: Path | None = None) -> str:
    """Return an error as one line: with that of `file`, and what to do about a module beside it."""
    text = f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
    lines = [each.lineno for each in extract_tb(error.__traceback__) if each.filename == str(file)]
    if lines:
        text += f" (line {lines[-1]})"
    if file is not None and isinstance(error, ModuleNotFoundError) and error.name:
        beside = file.parent / error.name.partition(".")[0]
        if beside.is_dir() or beside.with_suffix(".py").is_file():
            text += f": it lies beside {file.name}, so set PYTHONPATH={file.parent}"
    return text
