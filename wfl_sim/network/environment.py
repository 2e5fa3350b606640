"""Environment: the event clock of a federation, on which no exception of a process is lost."""

from collections.abc import Generator
from typing import Any

import simpy


class Environment(simpy.Environment):
    """SimPy's environment. A failed process ends the run with what it has raised.

    SimPy hands on copies of exceptions, made of their `args`. A class that takes other arguments,
    such as `json.JSONDecodeError`, has none: a `RuntimeError` with its cause takes its place.
    """

    def process(self, generator: Generator[simpy.Event, Any, Any]) -> simpy.Process:
        """Start a process."""
        return simpy.Process(self, _with_copies(generator))


def _with_copies(generator: Generator[simpy.Event, Any, Any]) -> Generator[simpy.Event, Any, Any]:
    try:
        return (yield from generator)
    except Exception as error:
        try:
            type(error)(*error.args)
        except Exception:
            copied = RuntimeError(f"{type(error).__name__}: {error}")
        else:
            raise
        raise copied from error
