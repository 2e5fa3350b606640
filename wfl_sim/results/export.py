"""Export: runs in the formats of other tools, in simulated time where a format has one.

Libraries of other tools are extras, imported when they are used.
"""

import json
import math
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from wfl_sim.config.errors import did_you_mean
from wfl_sim.config.sweep import brief
from wfl_sim.results.comparison import Goal, choose_goal, compared
from wfl_sim.results.digests import digest_names
from wfl_sim.results.overview import leaves
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import by_label, mean_and_half_width
from wfl_sim.results.summary import SummaryRow, decimal, number, summary
from wfl_sim.results.tables import file_name, write_table_csv, write_whole

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


_BATCH: Final = 1000
"""Values that MLflow takes at once."""
_TEX: Final = str.maketrans(
    {char: f"\\{char}" for char in "&%$#_{}"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}
    | {"[": "{[}", "*": "{*}"}  # after the end of a row they would belong to that
)

Point = tuple[float, int, dict[str, float]]
"""Simulated time in s, completed rounds, and values by name."""


def export(runs: Sequence[Run], form: str, folder: Path, goal: Goal | None = None) -> list[Path]:
    """Write runs in a format of `FORMS` into a folder; return the paths of what was made.

    The folder is made if it does not exist; the goal of tables is chosen unless given.

    Raises:
        ValueError: There is no such format, its library is not installed or not whole, or two runs
            would have the same name.
    """
    if form not in FORMS:
        raise ValueError(f"no format {form!r}{did_you_mean(form, list(FORMS))}")
    library = form.partition("-")[0]
    if library in ("tensorboard", "mlflow", "wandb") and find_spec(library) is None:
        raise ValueError(f"{library} is not installed: pip install 'wfl-sim[{library}]'")
    by_label(runs)
    name, count = Counter(run.folder.name for run in runs).most_common(1)[0]
    if count > 1:
        raise ValueError(f"{count} runs are in folders named {name}: export them one by one")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return FORMS[form](runs, folder, goal or choose_goal(runs))
    except ImportError as error:  # of a library that is there in part
        raise ValueError(f"{library} cannot be imported: {error}") from error


def points(run: Run) -> Iterator[Point]:
    """Yield what was measured at each evaluation, with joules and bits until then.

    Values of single devices are left out.
    """
    moments: dict[tuple[float, int], dict[str, float]] = {}
    for row in run.metrics.to_pylist():
        if row["scope"] != "device":
            values = moments.setdefault((row["time"], row["round"] + 1), {})
            values[f"{row['metric']}/{row['scope']}"] = row["value"]
            spent = ("joules", "bits_up", "bits_down")
            values |= {f"spent/{name}": float(row[name]) for name in spent}
    for (time, step), values in moments.items():
        yield time, step, values


def _csv(runs: Sequence[Run], folder: Path, goal: Goal) -> list[Path]:
    tables = [(run.folder.name, name, getattr(run, name)) for run in runs for name in run.tables]
    tables.append(("", "runs", compared(runs, goal)))
    return [write_table_csv(folder / of / f"{name}.csv", table) for of, name, table in tables]


def _latex(runs: Sequence[Run], folder: Path, goal: Goal) -> list[Path]:
    """Write the summary as a table in the style of booktabs; of the network alone, its costs.

    Labels without the metric have dashes beside others that have it.
    """
    measured = [run for run in runs if goal.is_measured(run)]
    if measured:
        head = [goal.metric, "reached", "rounds", "time (s)", "energy (J)", "traffic (Mbit)"]
        about = [
            f"% {goal.metric} ({goal.whose}): mean over seeds and 95 % t-interval; likewise "
            f"costs to reach {'no target' if goal.target is None else format(goal.target, 'g')}.",
            "% Where a seed did not reach it, costs are lower bounds: what it spent until its last "
            "evaluation.",
        ]
        found = summary(measured, goal.metric, goal.scope, goal.target)
        cells = {row.label: [*_cells(row)] for row in found}
        rows = (
            cells.get(label, [label.translate(_TEX), *["--"] * len(head)])
            for label in by_label(runs)
        )
    else:
        head = ["time (s)", "energy (J)", "traffic (Mbit)"]
        about = ["% Whole runs without a metric: mean over seeds and 95 % t-interval."]
        rows = ([*_whole(label, members)] for label, members in by_label(runs).items())
    lines = [
        *about,
        rf"\begin{{tabular}}{{l{'r' * len(head)}}}",
        r"\toprule",
        " & ".join(name.translate(_TEX) for name in ["", *head]) + r" \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return [write_whole(folder / "summary.tex", ("\n".join(lines) + "\n").encode())]


def _whole(label: str, runs: Sequence[Run]) -> Iterator[str]:
    yield label.translate(_TEX)
    costs = [(run.seconds, run.joules, run.bits / 1e6) for run in runs]
    for mean, half in zip(*mean_and_half_width(costs), strict=True):
        width = rf" \pm {_math(number(half))}" if half == half else ""
        yield f"${_math(number(mean))}{width}$"


def _cells(row: SummaryRow) -> Iterator[str]:
    yield row.label.translate(_TEX)
    width = rf" \pm {_math(decimal(row.half_width))}" if row.half_width == row.half_width else ""
    yield f"${_math(decimal(row.final))}{width}$" if row.final == row.final else "--"
    yield row.share.replace("-", "--")
    bound = "" if row.reached == row.seeds else r"\ge "
    for name in ("rounds", "seconds", "joules", "mbit"):
        value, half = getattr(row, f"least_{name}"), getattr(row, f"half_{name}")
        width = rf" \pm {_math(number(half))}" if half == half else ""
        yield f"${bound}{_math(number(value))}{width}$" if value == value else "--"


def _math(text: str) -> str:
    """Return a number for the mathematics of TeX."""
    power = re.sub(r"e([-+])0*(\d+)", r"\\times 10^{\1\2}", text)
    return power.replace(",", "{,}").replace("inf", r"\infty").replace("{+", "{")


def _tensorboard(runs: Sequence[Run], folder: Path, _: Goal) -> list[Path]:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    if not any(run.measured for run in runs):
        raise ValueError("TensorBoard shows metrics, and these runs have none")
    for run in runs:
        for old in (folder / run.folder.name).glob("events.out.tfevents.*"):
            old.unlink()  # TensorBoard would show both
        writer = EventFileWriter(str(folder / run.folder.name))
        for time, step, values in points(run):
            pairs = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
            writer.add_event(Event(wall_time=time, step=step, summary=Summary(value=pairs)))
        writer.close()
    return [folder / run.folder.name for run in runs]


def _mlflow(runs: Sequence[Run], folder: Path, _: Goal) -> list[Path]:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, RunTag

    client = MlflowClient(f"sqlite:///{folder.absolute() / 'mlflow.db'}")
    for run in runs:
        name = str(run.scenario.get("name", run.folder.name))
        known = client.get_experiment_by_name(name)
        experiment = known.experiment_id if known else client.create_experiment(name)
        for old in client.search_runs([experiment]):
            if old.info.run_name == run.folder.name:
                client.delete_run(old.info.run_id)
        made = client.create_run(experiment, start_time=0, run_name=run.folder.name).info.run_id
        metrics = [
            Metric(tag, value, round(1e3 * time), step)
            for time, step, values in points(run)
            for tag, value in values.items()
        ]
        params = [Param(path, brief(value)) for path, value in leaves(run.scenario)]
        tags = [RunTag("label", run.label), RunTag("seed", str(run.seed))]
        client.log_batch(made, tags=tags)
        for begin in range(0, len(metrics), _BATCH):
            client.log_batch(made, metrics=metrics[begin : begin + _BATCH])
        for begin in range(0, len(params), _BATCH // 10):
            client.log_batch(made, params=params[begin : begin + _BATCH // 10])
        client.set_terminated(made, end_time=round(1e3 * run.seconds))
    return [folder / "mlflow.db"]


def _wandb(runs: Sequence[Run], folder: Path, _: Goal) -> list[Path]:
    import wandb

    made = []
    for run in runs:
        number = digest_names([run.folder.name])
        for old in (folder / "wandb").glob(f"offline-run-*-{number}-*"):
            shutil.rmtree(old)
        with wandb.init(
            id=f"{number}-{secrets.token_hex(3)}",
            project=str(run.scenario.get("name", run.folder.name)),
            name=run.folder.name,
            group=run.label,
            config=run.scenario,
            dir=str(folder),
            mode="offline",
            settings=wandb.Settings(silent=True, x_disable_stats=True, console="off"),
        ) as log:
            # Of several evaluations within one step of its own it would keep the last alone.
            log.define_metric("*", step_metric="completed_rounds")
            for time, step, values in points(run):
                beside = {"completed_rounds": step, "simulated_seconds": time, "_timestamp": time}
                log.log({**values, **beside})
            made.append(Path(log.dir).parent)
    if wandb.run is None:
        wandb.teardown()  # its service writes the last records after a run has finished
    return made


FORMS: Final[dict[str, Callable[[Sequence[Run], Path, Goal], list[Path]]]] = {
    "csv": _csv,
    "latex": _latex,
    "perfetto": lambda runs, folder, _: write_traces(runs, folder),
    "tensorboard": _tensorboard,
    "mlflow": _mlflow,
    "wandb-offline": _wandb,
}
"""Formats by name."""
