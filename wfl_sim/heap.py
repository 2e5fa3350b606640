"""Heap: memory that is freed stays with the process.

A local step frees and asks for the same megabytes again and again. Where the C library hands them
back to the system each time, every page of them is cleared and mapped anew.
"""

import ctypes
import sys
from typing import Final

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_KEPT: Final = 256 << 20
"""byte"""


def keep_freed_memory() -> None:
    """Let up to 256 MiB that are free stay with this process, where the C library is glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, _KEPT)
        mallopt(_MMAP_THRESHOLD, _KEPT)
