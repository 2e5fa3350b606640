"""Remarks: what a reader of results must know of a run, each said in one line."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from channel_models import OutOfRangeWarning
from wfl_sim.config.documents import Document
from wfl_sim.config.errors import counted, is_own_code
from wfl_sim.simulation.feasibility import OutOfReach
from wfl_sim.state import State, is_finite

_NAMED: Final = 10
"""Devices that a line names; the manifest has all."""


def remarks(totals: Mapping[str, Any]) -> list[str]:
    """Return the remarks that follow from the totals of a run."""
    rounds, under_way = totals["rounds"], totals["bits"]["under_way_up"]
    lines = []
    if rounds["empty"]:
        lines.append(
            f"{rounds['empty']} of {counted(rounds['aggregations'], 'round')} aggregated nothing"
        )
    if unused := totals.get("unused_uploads"):
        lines.append(
            f"arrived, but not used: {counted(unused, 'upload')}, too late or of an old state"
        )
    if under_way:
        lines.append(
            f"{counted(under_way, 'bit')} of uploads on the way to the server when the run ended, "
            "neither received nor lost"
        )
    lines += [
        f"{name} is out of reach from {start:,.6g} s on"
        for name, start in [*totals.get("out_of_coverage", {}).items()][:3]
    ]
    if totals.get("all_lost"):
        end = totals["simulated_seconds"]
        lines.append(f"no device is left that could come back: the run ended at {end:,.6g} s")
    if left_out := totals.get("uploads_left_out"):
        lines.append(not_finite_remark(left_out))
    if broken := totals.get("not_finite"):
        lines.append(
            f"training has diverged: values that are not finite in the states of {_first(broken)}"
        )
    return lines


def not_finite_remark(left_out: Mapping[str, Sequence[int]]) -> str:
    """Return a line on the uploads that were left out, from their rounds by sender."""
    said = [f"{name} in round {_first(rounds)}" for name, rounds in left_out.items()]
    return f"uploads that are not finite were left out: {_first(said, '; ')}"


def _first(values: Sequence[object], comma: str = ", ") -> str:
    """Return the first three as a text."""
    return comma.join([*map(str, values[:3]), *(["..."] if len(values) > 3 else [])])


def left_out_remarks(out_of_reach: OutOfReach, excluded: Sequence[int]) -> Iterator[str]:
    """Yield a line for the devices that take no part, by why, and one for those in outage."""
    far, failing = out_of_reach.excluded, out_of_reach.outage
    small = [index for index in excluded if index not in far]
    for devices, what in (
        (small, "take no part, a local step exceeds their memory"),
        ([*far], "take no part, out of reach"),
        ([*failing], "are in outage, every upload fails"),
    ):
        if devices:
            names = ", ".join(f"device-{index}" for index in devices[:_NAMED])
            more = f" and {len(devices) - _NAMED} more" if len(devices) > _NAMED else ""
            reason = (far | failing).get(devices[0])
            why = f" (device-{devices[0]} has {reason})" if reason else ""
            yield f"{what}: {names}{more}{why}"


def not_finite(states: Mapping[str, State]) -> list[str]:
    """Return the names of states that hold NaN or infinite values."""
    return [name for name, state in states.items() if not is_finite(state)]


@contextmanager
def warnings_said(document: Document, say: Callable[[str], None]) -> Iterator[None]:
    """Say what the code of this package warns of in this context, without a path of the code.

    Args:
        document: of the scenario; at its devices the first warning of path-loss models is said at
            the end, which warn again and again, and the number of those after it.
        say: called with each line. Warnings of other code are shown as ever.
    """
    first, more = "", 0

    def show(message: Any, category: Any, filename: str, lineno: Any, *rest: Any) -> None:
        nonlocal first, more
        if issubclass(category, OutOfRangeWarning):
            more += bool(first)
            first = first or str(message)
        elif is_own_code(filename):
            say(str(message))
        else:
            shown(message, category, filename, lineno, *rest)

    with warnings.catch_warnings():
        warnings.simplefilter("always", OutOfRangeWarning)
        shown = warnings.showwarning
        warnings.showwarning = show  # type: ignore[assignment]
        yield
    if first:
        text = first + (f" (and {counted(more, 'more such distance')})" if more else "")
        say(str(document.error(("devices",), text)))
