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
    """Return a user's file as a module; it runs when it is first asked for.

    Raises:
        ValueError: it cannot be imported.
    """
    name = f"{_PLUGIN}{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ValueError(f"{file} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ValueError(f"{file.name} failed when imported: {_brief(error)}") from error
    return module


def plugins() -> list[Path]:
    """Return the user's files that have run in this process."""
    modules = [module for name, module in sys.modules.items() if name.startswith(_PLUGIN)]
    return [Path(module.__file__) for module in modules if module.__file__]


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
