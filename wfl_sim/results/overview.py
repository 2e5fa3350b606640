"""Overview: which runs are in a folder, what they differ in, and how two runs differ."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from wfl_sim.config.errors import counted
from wfl_sim.config.sweep import brief, short_names
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import by_label
from wfl_sim.results.sweep import Sweep
from wfl_sim.results.tables import natural_key

_MOST: Final = 6
"""Values in which a run differs that a line shows."""
_TOTALS: Final = (
    "simulated_seconds",
    "bits",
    "joules",
    "rounds",
    "infrastructure_joules",
    "batteries",
    "handovers",
    "privacy",
)
_CAUSES: Final = ("versions", "processor", "platform", "execution", "network_only")
_MISSING: Final = "-"
_OF_A_RUN: Final = ("seed", "execution", "stall", "record")
"""Keys of a scenario in which the runs of one label may differ."""


@dataclass(frozen=True)
class Entry:
    """A run or a sweep in a folder."""

    folder: Path
    state: str
    """How far it has come, or what is wrong with it."""
    differs: str = ""
    """What tells a run from the others of its name."""


def overview(folder: Path) -> list[Entry]:
    """Return the runs and sweeps in a folder, or the runs of a sweep, by name.

    Raises:
        ValueError: There is no such folder, it is a run, or its `sweep.json` is damaged.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    if (folder / "manifest.json").is_file():
        raise ValueError(f"{folder}: is a run: name the folder that holds it")
    runs: list[Run] = []
    planned = Sweep.open(folder).missing if Sweep.is_one(folder) else []
    entries = [Entry(path, "not ended") for path in planned]
    for path in sorted(folder.iterdir(), key=lambda path: natural_key(path.name)):
        try:
            if Sweep.is_one(path):
                entries.append(_sweep(path))
            elif path.name.startswith(".") or not (path / "manifest.json").is_file():
                continue
            elif isinstance(run := _opened(path), Run):
                runs.append(run)
            else:
                entries.append(Entry(path, f"cannot be opened: {run}"))
        except PermissionError as error:
            entries.append(Entry(path, f"cannot be read: {error.strerror}"))
    runs.sort(key=_name)
    for _, members in groupby(runs, key=_name):
        entries += _runs([*members])
    return sorted(entries, key=lambda entry: natural_key(entry.folder.name))


def differences(one: Run, other: Run) -> Iterator[tuple[str, str, str]]:
    """Yield what differs between two runs: its path, and both values as short YAML.

    First come the keys of the scenario, then what may have caused other numbers, then the numbers.
    """
    parts: list[tuple[str, Callable[[Run], Any]]] = [
        ("scenario", lambda run: run.scenario),
        ("run", lambda run: _part(run, _CAUSES)),
        ("result", lambda run: {**_part(run, _TOTALS), **_finals(run)}),
        ("digest", lambda run: {k: str(v)[:8] for k, v in run.manifest["digests"].items()}),
    ]
    for part, of in parts:
        left, right = (dict(leaves(of(run))) for run in (one, other))
        for path in dict.fromkeys((*left, *right)):
            values = [brief(side[path]) if path in side else _MISSING for side in (left, right)]
            if values[0] != values[1]:
                yield f"{part}: {path}", values[0], values[1]


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every single value of nested mappings and lists with its path."""
    inside: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        inside = value.items()
    elif isinstance(value, list) and any(isinstance(item, (Mapping, list)) for item in value):
        inside = enumerate(value)
    if not inside:
        yield path, value
    for key, item in inside:
        yield from leaves(item, f"{path}.{key}" if path else str(key))


def mixtures(runs: Sequence[Run]) -> Iterator[str]:
    """Yield a line for each label whose seeds are of scenarios that differ in more than these."""
    for label, members in by_label(runs).items():
        written = [dict(leaves({**run.scenario, **_options(run)})) for run in members]
        paths = dict.fromkeys(path for each in written for path in each)
        differ = [
            path
            for path in paths
            if path.partition(".")[0] not in _OF_A_RUN
            and len({_alike(each.get(path)) for each in written}) > 1
        ]
        if differ:
            more = f" and {len(differ) - 3} more" if len(differ) > 3 else ""
            what = f"{', '.join(differ[:3])}{more}"
            yield f"label {label!r}: its seeds are of different scenarios, which differ in {what}"


def unequal_seeds(runs: Sequence[Run]) -> Iterator[str]:
    """Yield a line where labels have other seeds: their means are over other drops and data."""
    labels: dict[tuple[int, ...], list[str]] = {}
    for label, members in by_label(runs).items():
        labels.setdefault(tuple(run.seed for run in members), []).append(label)
    said = [
        f"{first}{f' and {len(more)} more' * bool(more)} {_seeds(seeds)}"
        for seeds, (first, *more) in labels.items()
    ]
    if len(said) > 1:
        sets = "; ".join(said[:_MOST]) + "; ..." * (len(said) > _MOST)
        yield f"labels differ in their seeds, so in drops of devices and in data: {sets}"


def _seeds(seeds: Sequence[int]) -> str:
    if len(seeds) > 2 and seeds[-1] - seeds[0] + 1 == len(seeds):
        return f"{seeds[0]}..{seeds[-1]}"
    return ", ".join(map(str, seeds[:_MOST])) + ", ..." * (len(seeds) > _MOST)


def _sweep(path: Path) -> Entry:
    try:
        sweep = Sweep.open(path)
    except ValueError as error:
        return Entry(path, f"cannot be opened: {error}")
    count = len(sweep.planned)
    ended = count - len(sweep.missing)
    return Entry(path, f"sweep, {ended} of {counted(count, 'run')} ended")


def _opened(path: Path) -> Run | str:
    try:
        return Run.open(path)
    except ValueError as error:
        return str(error).splitlines()[0]


def _name(run: Run) -> str:
    return str(run.scenario.get("name", ""))


def _runs(runs: Sequence[Run]) -> Iterator[Entry]:
    """Yield the entries of runs of one scenario, with the values in which they are not alike."""
    written = [{path: brief(value) for path, value in leaves(run.scenario)} for run in runs]
    paths = dict.fromkeys(path for values in written for path in values)
    varied = [path for path in paths if len({values.get(path) for values in written}) > 1]
    varied = [path for path in varied if path != "label"]
    names = short_names([path.removesuffix(".kind") for path in varied])
    for run, values in zip(runs, written, strict=True):
        mine = [path for path in varied if path in values]
        texts = values | {path: each.written for path, each in run.point.items()}
        parts = [f"{names[path.removesuffix('.kind')]}={texts[path]}" for path in mine[:_MOST]]
        more = [f"{len(mine) - _MOST} more"] if len(mine) > _MOST else []
        how = "network only, " if run.manifest.get("network_only") else ""
        state = f"{how}{run.seconds:,.1f} s simulated"
        yield Entry(run.folder, state, ", ".join([*parts, *more]))


def _part(run: Run, names: Iterable[str]) -> dict[str, Any]:
    return {name: run.manifest[name] for name in names if name in run.manifest}


def _finals(run: Run) -> dict[str, Any]:
    pairs = [pair for pair in run.measured if pair[1] != "device"]
    return {f"{metric} {scope}": run.final(metric, scope) for metric, scope in pairs}  # type: ignore[arg-type]


def _options(run: Run) -> dict[str, Any]:
    """Return what a run of a Flower app was told beside its scenario."""
    told = run.manifest.get("flower", {})
    return {"flower": {key: told.get(key) for key in ("app", "config", "flops", "payload")}}


def _alike(value: Any) -> str:
    """Return a value of a scenario as text, and a file by its name: folders may be elsewhere."""
    return Path(value).name if isinstance(value, str) and "/" in value else repr(value)
