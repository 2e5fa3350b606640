"""Compiled loops: used in long computations where numba is installed, bit for bit the same.

The environment variable ``WFL_SIM_COMPILED`` says when: ``auto`` (default) once what they would do
has taken some seconds, so that short runs do not wait for the loading; ``always`` or ``never``.
"""

import os
import time
import warnings
from functools import cache
from types import ModuleType
from typing import Final

_SECONDS: Final = 5.0
"""of computing before compiled loops are loaded (1 s; 20 to 30 s when they are first compiled)"""
_LONGEST: Final = 0.25
"""s from one question to the next that count: what takes longer is something else, as training."""


class _Clock:
    """Seconds of the processor in which the network was computed."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._last = time.process_time()

    def go_on(self) -> float:
        """Count the time since the last call, and return the sum."""
        now = time.process_time()
        self.seconds += min(now - self._last, _LONGEST)
        self._last = now
        return self.seconds


def kernels() -> ModuleType | None:
    """Return the module of compiled loops; None where NumPy is to do the work."""
    wish = os.environ.get("WFL_SIM_COMPILED", "auto")
    if wish == "never":
        return None
    # Asked once a sample: the processor's time is a call of the system, which may take a while.
    begun = wish == "always" or _loaded.cache_info().currsize > 0
    if not begun and _clock().go_on() < _SECONDS:
        return None
    return _loaded()


@cache
def _clock() -> _Clock:
    return _Clock()


@cache
def _loaded() -> ModuleType | None:
    try:
        from channel_models import kernels
    except ImportError:
        return None
    except RuntimeError as error:  # numba finds no folder for its cache
        warnings.warn(f"no compiled loops: {error}", RuntimeWarning, stacklevel=2)
        return None
    return kernels
