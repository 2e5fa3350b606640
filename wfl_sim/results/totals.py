"""What the devices of a run came to: uploads by their end, seconds and joules by part, links."""

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from wfl_sim.results.run import Run

ENDS: Final = ("uploads", "late", "dropped", "lost")
Quantity = Literal["seconds", "joules", "components"]


def upload_counts(run: Run) -> dict[str, int]:
    """Return the number of `uploads`, and how many were `late`, `dropped` and `lost`.

    Late are those that arrived after the last aggregation of their round had begun. The parts of an
    upload before and after a handover count separately.
    """
    spans = run.span_arrays
    uploads, aggregates = (spans["activity"] == name for name in ("upload", "aggregate"))
    closed = np.full(max(run.rounds, 1) + 1, np.inf)
    number = spans["round"][aggregates]
    closed[number] = -np.inf
    np.maximum.at(closed, number, spans["start"][aggregates])
    late = (spans["outcome"] == "done") & (spans["end"] > closed[spans["round"]])
    which = (True, late, spans["outcome"] == "dropped", spans["outcome"] == "lost")
    return {name: int((uploads & mine).sum()) for name, mine in zip(ENDS, which, strict=True)}


def spent(run: Run, quantity: Quantity) -> dict[str, float]:
    """Return seconds or joules of all devices by activity, or joules by component."""
    if quantity == "components":
        return run.components
    spans = run.span_arrays
    mine = np.isin(spans["actor"], run.devices)
    amount = spans["end"] - spans["start"] if quantity == "seconds" else spans["joules"]
    names, index = np.unique(spans["activity"][mine], return_inverse=True)
    return dict(zip(names.tolist(), np.bincount(index, amount[mine]).tolist(), strict=True))


def transfers(run: Run, activity: str, quantity: str) -> NDArray[np.float64]:
    """Return the `mean_sinr_db` or `mean_rate` of all uploads or downloads that sent something."""
    spans = run.span_arrays
    mine = (spans["activity"] == activity) & (spans["bits"] > 0) & np.isfinite(spans[quantity])
    return np.asarray(spans[quantity][mine], np.float64)
