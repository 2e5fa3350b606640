"""Plug-ins in users' Python files: whether they may run, and their modules."""

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import Final

from wfl_sim.config.plugin_code import edited_sources, remember, sources

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
        raise ValueError(f"{file.name} failed when imported: {_brief(error)}") from error
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


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
