"""Ctrl-C: one line and exit code 130, from the first import on."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

INTERRUPTED: Final = "interrupted: the same command continues where it stopped"


@contextmanager
def until_a_command_begins() -> Iterator[None]:
    """Let Ctrl-C end the process at once: there is nothing to put away yet."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)
    try:
        yield
    finally:
        command_begins()


def command_begins() -> None:
    """Let Ctrl-C be a `KeyboardInterrupt` from now on, which is followed by putting away."""
    if signal.getsignal(signal.SIGINT) is _stop:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _stop(number: int, frame: FrameType | None) -> None:
    os.write(2, f"{INTERRUPTED}\n".encode())
    os._exit(130)
