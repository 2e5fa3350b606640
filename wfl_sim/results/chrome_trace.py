"""Chrome traces of runs, in simulated time, which https://ui.perfetto.dev opens.

A trace has a thread of the process "simulation" for each actor, a complete event ("ph": "X") for a
span, and a counter ("ph": "C") for a metric over all devices. Its times are in microseconds:
https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from wfl_sim.results.run import Run
from wfl_sim.results.tables import file_name, write_whole

ARGUMENTS = ("round", "bits", "flops", "joules", "cell", "outcome", "mean_sinr_db", "mean_rate")


def write_traces(runs: Sequence[Run], folder: Path) -> list[Path]:
    """Write `trace-<label>-<seed>.json` of every run into a folder, and return the paths.

    Runs whose labels are alike in file names are named after their folders.
    """
    names = [file_name("trace", run.label, run.seed) for run in runs]
    return [
        write_trace(run, folder / f"{name if names.count(name) == 1 else run.folder.name}.json")
        for run, name in zip(runs, names, strict=True)
    ]


def write_trace(run: Run, path: Path) -> Path:
    """Write the trace of a run as JSON, one event a line, and return its path."""
    events = ",\n".join(json.dumps(event, allow_nan=False) for event in trace_events(run))
    return write_whole(
        path, f'{{"displayTimeUnit": "ms", "traceEvents": [\n{events}\n]}}\n'.encode()
    )


def trace_events(run: Run) -> Iterator[dict[str, Any]]:
    """Yield the names of process and actors, then spans and metrics in their stored order."""
    spans = run.spans.to_pylist()
    threads = {actor: i for i, actor in enumerate(dict.fromkeys(s["actor"] for s in spans), 1)}
    yield {"ph": "M", "pid": 1, "name": "process_name", "args": {"name": "simulation"}}
    for actor, thread in threads.items():
        args = {"name": actor}
        yield {"ph": "M", "pid": 1, "tid": thread, "name": "thread_name", "args": args}
    for span in spans:
        start, end = _microseconds(span["start"]), _microseconds(span["end"])
        event = {"ph": "X", "pid": 1, "tid": threads[span["actor"]], "name": span["activity"]}
        yield event | {"ts": start, "dur": round(end - start, 3), "args": _arguments(span)}
    for row in run.metrics.to_pylist():
        if row["scope"] != "device" and math.isfinite(row["value"]):
            name = f"{row['metric']} {row['scope']}"
            counter = {"ph": "C", "pid": 1, "name": name, "ts": _microseconds(row["time"])}
            yield counter | {"args": {row["metric"]: row["value"]}}


def _microseconds(seconds: float) -> float:
    """Round to whole nanoseconds, as Perfetto does, so that neighbours never overlap."""
    return round(1e9 * seconds) / 1e3


def _arguments(span: dict[str, Any]) -> dict[str, Any]:
    values = {name: span[name] for name in ARGUMENTS if span[name] not in (None, "")}
    return {k: v for k, v in values.items() if not isinstance(v, float) or math.isfinite(v)}
