"""What a report shows: the numbers of runs, as values that JSON can hold."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, cast, get_args

import numpy as np
from numpy.typing import NDArray

from wfl_sim.records import Scope
from wfl_sim.results.comparison import Goal, choose_goal, origins
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import Cost, by_label, curve, default_target, estimate, lowest_seeds
from wfl_sim.results.summary import summary
from wfl_sim.results.tables import natural_key
from wfl_sim.results.totals import (
    Quantity,
    at_even_distances,
    battery_groups,
    further_table,
    hexagon_radius,
    level,
    sites,
    spent,
    took_part,
    transfers,
    upload_counts,
)

COSTS: Final[tuple[Cost, ...]] = ("rounds", "time", "joules", "bits")
MOST_CURVES: Final = 30
MOST_METRICS_OF: Final = 7
"""Labels up to which every metric has its curves; with more, only the one that is followed."""
MOST_DETAILED: Final = 6
"""Labels whose run of the lowest seed is shown in full."""
MOST_DEVICES: Final = 200
MOST_SAMPLES: Final = 40
MOST_SPANS: Final = 60_000
"""Beyond these, some of the devices that took part are shown, at even distances, and then only the
beginning of the run."""
MOST_POINTS: Final = 2_000
"""Points of a distribution or of one level; of more, some at even ranks are shown."""
_SPANS: Final = ("start", "end", "round", "bits", "joules", "mean_sinr_db", "mean_rate")
_TEXTS: Final = ("activity", "outcome", "cell")
_FACTS: Final = ("inputs", "versions", "platform", "processor", "execution", "host_seconds")


def report_content(
    runs: Sequence[Run], metric: str = "", scope: str = "", target: float | None = None
) -> dict[str, Any]:
    """Return the content of a report; the goal is that of `choose_goal`.

    Raises:
        ValueError: There are no runs, or a label has a seed twice, or no run has such a metric.
    """
    groups = by_label(runs)
    goal = choose_goal(runs, metric, scope, target)
    detailed = [*lowest_seeds(runs).values()][:MOST_DETAILED]
    notes = [*goal.gaps(runs), *origins(runs)]
    if len(groups) > MOST_DETAILED:
        notes.append(
            f"Replay and timeline have the first {MOST_DETAILED} of {len(groups)} labels; "
            "wfl-sim report takes single run folders, too."
        )
    if len(groups) > MOST_CURVES:
        notes.append(f"Curves have the first {MOST_CURVES} of {len(groups)} labels.")
    return {
        "title": str(runs[0].manifest.get("name") or runs[0].label),
        "labels": {label: [run.seed for run in members] for label, members in groups.items()},
        "goal": {"metric": goal.metric, "scope": goal.scope},
        "summary": _summary(groups, goal),
        "further": _further(groups),
        "curves": _curves(groups, goal, target),
        "energy": {quantity: _sums(groups, quantity) for quantity in get_args(Quantity)},
        "links": _links(groups),
        "details": [_details(run, notes) for run in detailed],
        "notes": notes,
    }


def _summary(groups: Mapping[str, Sequence[Run]], goal: Goal) -> list[dict[str, Any]]:
    rows = []
    for label, members in groups.items():
        row = {
            "label": label,
            "seeds": len(members),
            "seconds": float(np.mean([run.seconds for run in members])),
            "joules": float(np.mean([run.joules for run in members])),
            "Mbit": float(np.mean([run.bits / 1e6 for run in members])),
        }
        counts = [upload_counts(run) for run in members]
        row |= {name: float(np.mean([each[name] for each in counts])) for name in counts[0]}
        if all(goal.is_measured(run) for run in members):
            final = estimate({run.seed: goal.final(run) for run in members})
            row |= {"final": final.mean, "half_width": final.half_width}
        if "final" in row and goal.target is not None:
            (costs,) = summary(members, goal.metric, goal.scope, goal.target)
            row["target"] = asdict(costs)
        rows.append(row)
    return rows


def _further(groups: Mapping[str, Sequence[Run]]) -> list[list[Any]]:
    """Return the table of what runs took beside the joules of devices: its head and its rows."""
    head, means = further_table(groups)
    return [["label", *head], *([label, *each] for label, each in means.items())]


def _curves(
    by_name: Mapping[str, Sequence[Run]], goal: Goal, given: float | None
) -> list[dict[str, Any]]:
    """Return the curves of each metric and scope, against every cost.

    A given target is that of the followed metric, at all its scopes, as in the figures.
    """
    runs = [run for members in list(by_name.values())[:MOST_CURVES] for run in members]
    pairs = sorted({pair for run in runs for pair in run.measured if pair[1] != "device"})
    if len(by_name) > MOST_METRICS_OF:
        pairs = [pair for pair in pairs if pair == (goal.metric, goal.scope)]
    found = []
    for metric, name in pairs:
        scope = cast(Scope, name)
        measured = [run for run in runs if (metric, scope) in run.measured]
        groups = by_label(measured)
        lines: dict[str, list[dict[str, Any]]] = {cost: [] for cost in COSTS}
        for cost in COSTS:
            for label, members in groups.items():
                one = curve(members, metric, scope, cost)
                lines[cost].append(
                    {
                        "label": label,
                        "x": one.x.tolist(),
                        "y": one.mean.tolist(),
                        "low": one.low.tolist() if len(members) > 1 else [],
                        "high": one.high.tolist() if len(members) > 1 else [],
                        "seeds": [[x.tolist(), y.tolist()] for _, x, y in one.seeds],
                    }
                )
        chosen = default_target(measured, metric, scope)
        target = chosen if given is None or metric != goal.metric else given
        found.append({"metric": metric, "scope": scope, "target": target, "by": lines})
    return found


def _sums(groups: Mapping[str, Sequence[Run]], quantity: Quantity) -> list[dict[str, Any]]:
    """Return means over seeds of what all devices spent together, by its parts."""
    rows = []
    for label, members in groups.items():
        sums = [spent(run, quantity) for run in members]
        names = sorted({name for parts in sums for name in parts})
        means = {name: float(np.mean([each.get(name, 0.0) for each in sums])) for name in names}
        rows.append({"label": label, "parts": means})
    return rows


def _links(groups: Mapping[str, Sequence[Run]]) -> dict[str, list[dict[str, Any]]]:
    """Return the distributions of SINR and rate over uploads and downloads, seeds pooled."""
    found: dict[str, list[dict[str, Any]]] = {}
    for activity in ("upload", "download"):
        for quantity in ("mean_sinr_db", "mean_rate"):
            lines = []
            for label, members in groups.items():
                values = transfers(members, activity, quantity)
                if values.size:
                    share = (np.arange(values.size) + 1) / values.size
                    kept = _even(values.size)
                    lines.append(
                        {"label": label, "x": values[kept].tolist(), "y": share[kept].tolist()}
                    )
            if lines:
                found[f"{activity} {quantity}"] = lines
    return found


def _details(run: Run, notes: list[str]) -> dict[str, Any]:
    """Return all that replay and timeline show of one run."""
    shown, until = _shown(run, notes)
    spans = run.span_arrays
    actors = sorted(set(spans["actor"].tolist()) - set(run.devices), key=natural_key) + shown
    mine = np.isin(spans["actor"], actors) & (spans["start"] < until)
    row_of = {actor: row for row, actor in enumerate(actors)}
    columns: dict[str, Any] = {name: _rounded(spans[name][mine]) for name in _SPANS}
    columns["actor"] = [row_of[actor] for actor in spans["actor"][mine].tolist()]
    words = {}
    for name in _TEXTS:
        known, index = np.unique(spans[name][mine], return_inverse=True)
        words[name], columns[name] = known.tolist(), index.tolist()
    series = [
        {"metric": metric, "scope": scope, "x": one.time.tolist(), "y": one.value.tolist()}
        for metric, scope in run.measured
        if scope != "device"
        for one in (run.series(metric, cast(Scope, scope)),)
    ]
    return {
        "label": run.label,
        "seed": run.seed,
        "folder": run.folder.name,
        "end": min(until, float(spans["end"].max(initial=0.0))),
        "actors": actors,
        "devices": len(shown),
        "spans": columns,
        "words": words,
        "series": series,
        "sites": sites(run).tolist(),
        "hexagon": hexagon_radius(run),
        "places": {device: _places(run, device) for device in shown},
        "capacity": {
            device: float(group["battery"]["capacity"])
            for device, group in battery_groups(run).items()
        },
        "holdings": _holdings(run, shown),
        "samples": run.samples[:MOST_SAMPLES],
        "scenario": (run.folder / "scenario.yaml").read_text("utf-8"),
        "facts": {name: run.manifest[name] for name in _FACTS if name in run.manifest},
    }


def _shown(run: Run, notes: list[str]) -> tuple[list[str], float]:
    """Return the devices that are shown, and the end in s of what is shown of the run."""
    every, spans = run.devices, run.span_arrays
    size = max(len(spans["start"]), 1)
    most = min(MOST_DEVICES, max(20, len(every) * MOST_SPANS // size))
    chosen, name = every, f"{run.label}, seed {run.seed}"
    if most < len(every):
        active = took_part(run)
        chosen = at_even_distances(active or every, most)
        notes.append(
            f"{name}: {len(chosen)} of {len(every)} devices are shown; {len(active)} took part."
        )
    starts = np.sort(spans["start"][np.isin(spans["actor"], chosen)])
    if starts.size <= MOST_SPANS:
        return chosen, float("inf")
    until = float(starts[MOST_SPANS])
    notes.append(f"{name}: the first {until:,.0f} s of {run.seconds:,.0f} s are shown.")
    return chosen, until


def _places(run: Run, device: str) -> dict[str, list[list[float]]]:
    """Return times and values of what is known of a device over time, by quantity."""
    found = {}
    for quantity in ("x", "y", "cell", "battery"):
        times, values = level(run, device, quantity)
        if times.size:
            kept = _even(times.size)
            found[quantity] = [_rounded(times[kept]), _rounded(values[kept])]
    return found


def _holdings(run: Run, shown: Sequence[str]) -> dict[str, Any]:
    """Return how many training examples of each label the devices hold."""
    rows = run.label_arrays
    train = rows["part"] == "train"
    names = list(dict.fromkeys(rows["label"][train].tolist()))
    counts = {device: [0] * len(names) for device in shown}
    for device, label, count in zip(
        *(rows[name][train].tolist() for name in ("device", "label", "count")), strict=True
    ):
        if device in counts:
            counts[device][names.index(label)] = count
    return {"names": names, "counts": list(counts.values()) if names else []}


def _even(size: int) -> NDArray[np.intp]:
    """Return the indices of at most `MOST_POINTS` of so many points, first and last included."""
    return np.unique(np.linspace(0, size - 1, min(size, MOST_POINTS)).round().astype(np.intp))


def _rounded(values: NDArray[Any]) -> list[float]:
    """Return values to nine digits, which take half the room of all digits."""
    return [float(f"{value:.9g}") for value in values.tolist()]
