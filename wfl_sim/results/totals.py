"""What a run says: uploads by their end, what was spent on what, links, and places."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from channel_models.validation import FloatArray
from wfl_sim.results.run import Run
from wfl_sim.results.tables import natural_key

ENDS: Final = ("uploads", "late", "dropped", "lost")
FURTHER: Final = {
    "server_joules": ("server", "J"),
    "station_joules": ("base stations", "J"),
    "grams_co2": ("CO2", "g"),
    "handovers": ("handovers", ""),
    "epsilon": ("epsilon", ""),
    "user_bits": ("traffic of other users", "bit"),
    "user_joules": ("radios of other users", "J"),
}
"""What `further_totals` may have: its name in words, and its unit if it has one."""
COUNTED: Final = {"handovers": 0.0, "user_bits": 0.0, "user_joules": 0.0}
"""Those of which a run that does not state them has none."""
RESTING: Final = ("wait", "idle", "off")
"""Activities of a device that does nothing for the federation."""
Quantity = Literal["seconds", "joules", "components"]


def upload_counts(run: Run) -> dict[str, int]:
    """Return the number of `uploads`, and how many were `late`, `dropped` and `lost`.

    Late are those that arrived at the server after the last aggregation of their round had begun,
    or after a round that had nothing to aggregate. An upload that handovers cut into parts is one,
    and ends as its last part does. A Flower app says itself which replies it no longer waited for:
    those to an evaluation follow the aggregation of their round.
    """
    spans = run.span_arrays
    uploads, aggregates = (spans["activity"] == name for name in ("upload", "aggregate"))
    before, handovers = _followed(spans, "handover")
    outcome = spans["outcome"].copy()
    outcome[before] = outcome[handovers]
    uploads[before[outcome[handovers] == "done"]] = False
    closed = np.full(max(run.rounds, 1) + 1, np.inf)
    ended = run.manifest.get("rounds")
    if isinstance(ended, dict) and ended.get("empty"):
        closed[: max(run.rounds - 1, 0)] = -np.inf
    number = spans["round"][aggregates]
    closed[number] = -np.inf
    np.maximum.at(closed, number, spans["start"][aggregates])
    late = (outcome == "done") & (_arrivals(spans) > closed[spans["round"]])
    which = (True, late, outcome == "dropped", outcome == "lost")
    found = {name: int((uploads & mine).sum()) for name, mine in zip(ENDS, which, strict=True)}
    if isinstance(app := run.manifest.get("flower"), dict) and "late" in app:
        return found | {"late": int(app["late"])}
    # Spans do not show when the upload of a device arrives that was called off on the backhaul.
    return found | {"late": max(found["late"], int(run.manifest.get("unused_uploads", 0)))}


def _arrivals(spans: Mapping[str, NDArray[Any]]) -> FloatArray:
    """Return the end of each span; of an upload, that of its way over the backhaul."""
    first, second = _followed(spans, "backhaul")
    ends = np.array(spans["end"], np.float64)
    ends[first] = spans["end"][second]
    return ends


def _followed(spans: Mapping[str, NDArray[Any]], by: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the rows of uploads that such a span follows at once, and the rows of these."""
    (rows,) = np.nonzero(np.isin(spans["activity"], ("upload", by)))
    rows = rows[np.lexsort((spans["start"][rows], spans["actor"][rows]))]
    first, second = rows[:-1], rows[1:]
    follows = (spans["activity"][first] == "upload") & (spans["activity"][second] == by)
    follows &= spans["actor"][first] == spans["actor"][second]
    follows &= spans["end"][first] == spans["start"][second]
    return first[follows], second[follows]


def further_totals(runs: Sequence[Run]) -> list[dict[str, float]]:
    """Return what each run took beside the joules of its devices, as far as its scenario has it.

    That are joules of the server and edge servers, and of the base stations of cells with a
    `station`, g of CO2 for the joules of devices, the number of handovers, the epsilon of
    differential privacy, and bits and joules of users beside the federation. What is `COUNTED` is 0
    in runs without any beside others.
    """
    found = [dict(_further(run.manifest)) for run in runs]
    none = {name: zero for name, zero in COUNTED.items() if any(name in each for each in found)}
    found = [{**none, **each} for each in found]
    return [{name: each[name] for name in FURTHER if name in each} for each in found]


def further_table(groups: Mapping[str, Sequence[Run]]) -> tuple[list[str], dict[str, list[float]]]:
    """Return headings, and for each label the means over seeds of `further_totals`.

    A mean is NaN where a run has no value.
    """
    found = iter(further_totals([run for runs in groups.values() for run in runs]))
    totals = {label: [next(found) for _ in runs] for label, runs in groups.items()}
    named = {name for each in totals.values() for one in each for name in one}
    names = [name for name in FURTHER if name in named]
    means = {
        label: [sum(one.get(name, math.nan) for one in each) / len(each) for name in names]
        for label, each in totals.items()
    }
    titles = (FURTHER[name] for name in names)
    return [f"{what} ({unit})" if unit else what for what, unit in titles], means


def _further(manifest: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    drawn = manifest.get("infrastructure_joules", {})
    stations = {name for name in drawn if name.startswith("cell-")}
    for kind, names in (("server_joules", drawn.keys() - stations), ("station_joules", stations)):
        if names:
            yield kind, float(sum(drawn[name] for name in names))
    if "grams_co2" in manifest:
        yield "grams_co2", float(manifest["grams_co2"])
    if "handovers" in manifest:
        yield "handovers", float(manifest["handovers"]["count"])
    if "privacy" in manifest:
        yield "epsilon", float(manifest["privacy"]["epsilon"])
    if "background" in manifest:
        users = manifest["background"]
        yield "user_bits", float(users.get("bits_up", 0) + users.get("bits_down", 0))
        yield "user_joules", float(users.get("joules", 0))


def took_part(run: Run, start: float = 0.0, end: float = math.inf) -> list[str]:
    """Return the devices that did more than rest between two times in s, in natural order."""
    spans = run.span_arrays
    busy = ~np.isin(spans["activity"], RESTING) & (spans["end"] > start) & (spans["start"] < end)
    actors = set(spans["actor"][busy].tolist())
    return [device for device in run.devices if device in actors]


def at_even_distances(names: Sequence[str], most: int) -> list[str]:
    """Return at most so many of the names, the first and the last included."""
    places = np.linspace(0, len(names) - 1, min(len(names), most))
    return [names[i] for i in places.round().astype(int)]


def spent(run: Run, quantity: Quantity) -> dict[str, float]:
    """Return seconds or joules of all devices by activity, or joules by component."""
    if quantity == "components":
        return run.components
    spans = run.span_arrays
    mine = np.isin(spans["actor"], run.devices)
    amount = spans["end"] - spans["start"] if quantity == "seconds" else spans["joules"]
    names, index = np.unique(spans["activity"][mine], return_inverse=True)
    return dict(zip(names.tolist(), np.bincount(index, amount[mine]).tolist(), strict=True))


def transfers(runs: Sequence[Run], activity: str, quantity: str) -> FloatArray:
    """Return the `mean_sinr_db` or `mean_rate` of all uploads or downloads that sent something.

    Those of several runs are pooled; ascending.
    """
    found = []
    for spans in (run.span_arrays for run in runs):
        mine = (spans["activity"] == activity) & (spans["bits"] > 0) & np.isfinite(spans[quantity])
        found.append(np.asarray(spans[quantity][mine], np.float64))
    return np.sort(np.concatenate(found))


def level(run: Run, actor: str, quantity: str) -> tuple[FloatArray, FloatArray]:
    """Return the times in s at which a quantity of an actor is known, and its values."""
    levels = run.level_arrays
    mine = (levels["actor"] == actor) & (levels["quantity"] == quantity)
    return levels["time"][mine], levels["value"][mine]


def battery_groups(run: Run) -> dict[str, dict[str, Any]]:
    """Return the description of its group for each device with a battery, in order of number."""
    groups = [group for group in run.scenario.get("devices", ()) for _ in range(group["count"])]
    return {f"device-{i}": group for i, group in enumerate(groups) if group.get("battery")}


def sites(run: Run) -> FloatArray:
    """Return the positions (cells, 2) of the cells in m; none of a run that does not state them."""
    names = {name for name in set(run.level_arrays["actor"].tolist()) if name.startswith("cell-")}
    found = [
        [level(run, name, quantity)[1][0] for quantity in ("x", "y")]
        for name in sorted(names, key=natural_key)
    ]
    return np.array(found).reshape(-1, 2)


def hexagon_radius(run: Run) -> float | None:
    """Return the distance in m from a site to the corners of its hexagon; None without hexagons.

    The first corner is to the east.
    """
    layout = run.scenario.get("layout")
    if not isinstance(layout, dict) or layout.get("kind") != "hexagonal":
        return None
    return float(layout["spacing"]) / math.sqrt(3)
