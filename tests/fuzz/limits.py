"""A limit of time for code that might never return."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _OutOfTime(BaseException):
    """No `Exception`, so that code which answers every error does not answer this one."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise AssertionError where the body computes for longer, or waits twenty times as long."""

    def ring(*_: Any) -> None:
        raise _OutOfTime

    # They ring again, should code drop the first error (as callbacks of the collector do).
    clocks = {
        signal.SIGPROF: (signal.ITIMER_PROF, seconds),
        signal.SIGALRM: (signal.ITIMER_REAL, 20 * seconds),
    }
    before = {number: signal.signal(number, ring) for number in clocks}
    for timer, limit in clocks.values():
        signal.setitimer(timer, limit, 0.5)
    try:
        yield
    except _OutOfTime:
        raise AssertionError(f"took more than {seconds:g} s") from None
    finally:
        for number, (timer, _) in clocks.items():
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])
