"""Compiled loops: used in long computations where numba is installed, bit for bit the same.

The environment variable ``WFL_SIM_COMPILED`` says when: ``auto`` (default) once what they would do
has taken some seconds, so that short runs do not wait for the loading; ``always`` or ``never``.
"""

import logging
import os
import time
import warnings
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Final

_log = logging.getLogger(__name__)

_LOADED: Final = 1.0
"""s of computing before compiled loops are loaded, which takes as long"""
_COMPILED: Final = 5.0
"""s of computing before they are compiled, where they have not been (20 to 30 s)"""
_LONGEST: Final = 0.25
"""s from one question to the next that count: what takes longer is something else, as training."""


class _Clock:
    """Seconds of the processor in which the network was computed."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.enough = _LOADED if _are_compiled() else _COMPILED
        self._last = time.process_time()

    def is_enough(self) -> bool:
        """Count the time since the last call; return whether loops are worth their loading."""
        now = time.process_time()
        self.seconds += min(now - self._last, _LONGEST)
        self._last = now
        return self.seconds >= self.enough


def _are_compiled() -> bool:
    """Return whether machine code of this version lies beside the sources of fading."""
    source = Path(__file__).parent / "fading" / "kernels.py"
    made = (source.parent / "__pycache__").glob("kernels.block_power*.nbi")
    return any(each.stat().st_mtime >= source.stat().st_mtime for each in made)


def kernels() -> ModuleType | None:
    """Return the module of compiled loops; None where NumPy is to do the work."""
    wish = os.environ.get("WFL_SIM_COMPILED", "auto")
    if wish == "never":
        return None
    # Asked once a sample: the processor's time is a call of the system, which may take a while.
    begun = wish == "always" or _loaded.cache_info().currsize > 0
    if not begun and not _clock().is_enough():
        return None
    return _loaded()


@cache
def _clock() -> _Clock:
    return _Clock()


@cache
def _loaded() -> ModuleType | None:
    new = not _are_compiled()
    try:
        from channel_models import kernels
    except ImportError:
        return None
    except RuntimeError as error:  # numba finds no folder for its cache
        warnings.warn(f"no compiled loops: {error}", RuntimeWarning, stacklevel=2)
        return None
    if new:
        _log.warning("numba compiles the loops of the radio, once on this machine: 20 to 40 s")
    return kernels
