"""Uploads of a run by how they ended."""

import numpy as np

from wfl_sim.results.run import Run


def upload_counts(run: Run) -> dict[str, int]:
    """Return the number of `uploads`, and how many were `dropped`, `lost` and `late`.

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
    which = {"uploads": True, "late": late}
    which |= {name: spans["outcome"] == name for name in ("dropped", "lost")}
    return {name: int((uploads & mine).sum()) for name, mine in which.items()}
