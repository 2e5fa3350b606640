"""Loading: a scenario file becomes typed scenarios, or one error line with its place."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from wfl_sim.config.answers import AnswerError
from wfl_sim.config.documents import Document, Place, read_yaml, resolve_path, shown
from wfl_sim.config.error_messages import locate_key, place_of
from wfl_sim.config.errors import LocatedError, Location, ScenarioError, did_you_mean
from wfl_sim.config.merging import apply_setting, document_of, lay_over, notes, set_at
from wfl_sim.config.plugin_code import plugins_allowed
from wfl_sim.config.sweep import MOST_RUNS, Coordinate, SweepPoint, axes_of, brief, expand_sweep
from wfl_sim.config.validation import typed
from wfl_sim.scenario.arguments import source, texts
from wfl_sim.scenario.resolve import to_dict
from wfl_sim.scenario.scenario import Scenario
from wfl_sim.scenario.unused import unused

__all__ = ["Loaded", "ScenarioError", "load"]


@dataclass(frozen=True)
class Loaded:
    """A scenario and the document it came from."""

    scenario: Scenario
    document: Document
    point: Mapping[str, Coordinate] = field(default_factory=dict)
    """Coordinates in a sweep, by axis; the name of the variant under `variant`."""

    def error(self, problem: LocatedError) -> ScenarioError:
        """Return the located line for something that was found wrong after loading."""
        path = problem.path
        if isinstance(problem, AnswerError):
            path = place_of(self.scenario, problem.kind)
        return self.document.error(*locate_key(self.scenario, path, str(problem)))


def load(
    file: str | Path | Mapping[str, Any] | Scenario,
    *,
    settings: Sequence[str] = (),
    allow_plugins: bool = False,
    executor: str = "",
    only: Sequence[str] = (),
    seeds: str = "",
) -> list[Loaded]:
    """Return the scenarios of a file: one, or one for each point of its sweep.

    Args:
        file: a YAML file, the same as mappings and lists of Python, or a `Scenario`.
        settings: ``path=value`` texts that override the file and its variants, such as
            ``rounds.count=5``; later ones override earlier ones.
        allow_plugins: let ``kind: ./mine.py:Mine`` run that file.
        executor: kind in place of that of the file.
        only: names of variants of the sweep; all unless given.
        seeds: in place of those of the file, such as ``1..5``.

    Raises:
        ScenarioError: anything is wrong; the message reads ``file:line: path: what``.
    """
    settings = texts("settings", settings, "texts such as 'rounds.count=5'")
    only = texts("only", only, "names of variants")
    if not isinstance(seeds, str):
        raise ScenarioError(f"seeds: must be a text such as '1..5', got {seeds!r}")
    document = with_seeds(only_variants(read_extended(source(file)), only), seeds)
    if executor:
        check_settings(document.data.get("sweep"), (f"execution={executor}",))
        document = apply_setting(document, f"execution={executor}", f"--executor {executor}")
    for setting in settings:
        if _key(setting).split(".")[0] == "sweep":
            document = with_seeds(apply_setting(document, setting), "")
    ours = [setting for setting in settings if _key(setting).split(".")[0] != "sweep"]
    check_settings(document.data.get("sweep"), ours)
    with plugins_allowed() if allow_plugins else nullcontext():
        if "sweep" not in document.data:
            return [_typed(SweepPoint(_set(document, ours)))]
        return [_typed(point) for point in expand_sweep(document, partial(_set, settings=ours))]


def remarks(loaded: Sequence[Loaded]) -> list[str]:
    """Return a line for each key of the scenarios of a file that is not as it seems.

    These are keys that do not stay where another value was laid over them, keys that have no
    effect in any of the scenarios, and points of a sweep that are the same but for their labels.
    """
    lines = dict.fromkeys(note for each in loaded for note in notes(each.document, each.scenario))
    idle: dict[tuple[Place | None, Location], tuple[Document, str]] = {}
    with_effect = set()
    for each in loaded:
        found = unused(each.document, each.scenario)
        idle |= {
            (each.document.places.get(path), path): (each.document, why)
            for path, why in found.items()
        }
        with_effect |= {(p, path) for path, p in each.document.places.items() if path not in found}
    by_reason: dict[str, list[tuple[Document, Location]]] = {}
    for key, (document, why) in idle.items():
        if key not in with_effect:
            by_reason.setdefault(why, []).append((document, key[1]))
    for why, [(document, first), *others] in by_reason.items():
        more = ", ".join(".".join(map(str, path)) for _, path in others)
        text = f"has no effect {why}" + (f"; nor has {more}" if more else "")
        lines[str(document.error(first, text))] = None
    named: dict[str, list[str]] = {}
    for each in loaded:
        data = {key: value for key, value in each.document.data.items() if key != "label"}
        named.setdefault(brief(data), []).append(each.scenario.label)
    if alike := [labels for labels in named.values() if len(labels) > 1]:
        more = f"; so are {len(alike) - 1} other groups of runs" if len(alike) > 1 else ""
        text = f"{' and '.join(alike[0])} are one scenario{more}"
        lines[str(loaded[0].document.error((), text))] = None
    return [*lines]


def read_extended(file: str | Path | Mapping[str, Any], above: tuple[Path, ...] = ()) -> Document:
    """Read a file or mapping, merged over the file that it extends, if any.

    Raises:
        ScenarioError: a file is missing or broken, or a file extends itself.
    """
    if isinstance(file, Mapping):
        document, beside = document_of(file), "in the working folder"
    else:
        file = Path(file)
        document, beside, above = read_yaml(file), f"beside {file.name}", (*above, file.resolve())
    empty = Document({}, {(): document.places[()]})
    if document.data.get("extends") is None:
        return lay_over(empty, document.without("extends"))
    base = document.data["extends"]
    if not isinstance(base, str):
        raise document.error(("extends",), f"must be the name of a file, got {shown(base)}")
    try:
        path = resolve_path(base)
        found = path.is_file()
    except ValueError as error:
        raise document.error(("extends",), str(error)) from None
    except OSError as error:
        raise document.error(("extends",), f"{shown(base)}: {error.strerror}") from None
    if not found:
        raise document.error(("extends",), f"no file {shown(base)} {beside}")
    if path.resolve() in above:
        raise document.error(("extends",), f"{shown(base)} leads back to itself")
    return lay_over(read_extended(path, above), document.without("extends"))


def only_variants(document: Document, names: Sequence[str]) -> Document:
    """Return a scenario with these variants of its sweep alone; with all if none is named.

    Raises:
        ScenarioError: there is no such variant.
    """
    if not names:
        return document
    sweep = document.data.get("sweep")
    variants = sweep.get("variants") if isinstance(sweep, dict) else None
    known = list(variants) if isinstance(variants, dict) else []
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or ": this file has no sweep.variants"
            raise ScenarioError(f"--only {name}: no such variant{hint}")
    block = document.at("sweep", "variants")
    for name in known:
        if name not in names:
            block = block.without(name)
    return document.having("sweep", document.at("sweep").having("variants", block))


def with_seeds(document: Document, text: str) -> Document:
    """Return a scenario with the seeds of a text such as ``1..5`` or ``1,4,7..9``.

    Without a text its own sweep may have one in place of a list.

    Raises:
        ScenarioError: the text is not of that form.
    """
    sweep = document.data.get("sweep")
    own = sweep.get("seeds") if isinstance(sweep, dict) else None
    if not text and not isinstance(own, str):
        return document
    place = Place(f"--seeds {text}") if text else document.places["sweep", "seeds"]
    text = text or str(own)
    wrong = partial(Document(text, {(): place}).error, ())
    ranges = []
    for part in text.split(","):
        ends = re.fullmatch(r"\s*(\d{1,18})(?:\.\.(\d{1,18}))?\s*", part)
        if ends is None or int(ends[2] or ends[1]) < int(ends[1]):
            raise wrong("must be seeds such as 1..5 or 1,4,7..9")
        ranges.append(range(int(ends[1]), int(ends[2] or ends[1]) + 1))
    count = sum(map(len, ranges))
    if count > MOST_RUNS:
        raise wrong(f"must be at most {MOST_RUNS:,} seeds, got {count:,}")
    seeds = [*chain(*ranges)]
    if count == 1 and "sweep" not in document.data:
        return set_at(document, ["seed"], Document(seeds[0], {(): place}))
    places: dict[Location, Place] = {(): place}
    places |= {(number,): place for number in range(count)}
    return set_at(document, ["sweep", "seeds"], Document(seeds, places))


def check_settings(sweep: Any, settings: Sequence[str]) -> None:
    """Refuse to set what a sweep itself sets, and what would undo one of its variants.

    A variant is undone if nothing that it sets is left, or if the whole of a mapping is set, or its
    kind, in which it sets a key: its name would then stand for something else.

    Raises:
        ScenarioError: a setting does so.
    """
    if not isinstance(sweep, dict):
        return
    set_by = {"seed": "seeds"} if "seeds" in sweep else {}
    for block in ("variants", "grid", "zip"):
        set_by |= {"label": block} if block in sweep else {}
    set_by |= axes_of(sweep)
    keys = {setting: _key(setting) for setting in settings}
    for setting, key in keys.items():
        for path, block in set_by.items():
            if _covers(path.split("."), key.split(".")):
                raise ScenarioError(f"--set {setting}: {key}: is set by sweep.{block} of this file")
    variants = sweep.get("variants")
    for name, over in variants.items() if isinstance(variants, dict) else ():
        left = [*_leaves(over)]
        for setting, key in keys.items():
            words = key.removesuffix(".kind").split(".")
            hit = [leaf for leaf in left if _covers(words, leaf)]
            left = [leaf for leaf in left if leaf not in hit]
            if hit and (not left or any(len(leaf) > len(words) for leaf in hit)):
                raise ScenarioError(
                    f"--set {setting}: {key}: undoes sweep.variants.{name}, which sets "
                    f"{'.'.join(hit[0])}: choose among the variants with --only"
                )


def _covers(above: Sequence[str], path: Sequence[str]) -> bool:
    """Return whether a path is another one or lies below it; `*` is any item of a list."""
    return len(above) <= len(path) and all(
        one == other or ("*" in (one, other) and (one + other).strip("*").isdecimal())
        for one, other in zip(above, path, strict=False)
    )


def _leaves(data: Any) -> Iterator[list[str]]:
    """Yield the paths of the values in a variant."""
    if isinstance(data, dict):
        items = data.items()
    elif isinstance(data, list) and any(isinstance(item, dict) for item in data):
        items = {str(number): item for number, item in enumerate(data)}.items()
    else:
        yield []
        return
    for key, value in items:
        for rest in _leaves(value):
            yield [*key.split("."), *rest]


def _set(document: Document, settings: Sequence[str]) -> Document:
    for setting in settings:
        document = apply_setting(document, setting)
    return document


def _key(setting: str) -> str:
    return setting.partition("=")[0].strip()


def _typed(point: SweepPoint) -> Loaded:
    scenario = typed(Scenario, point.document)
    loaded = Loaded(scenario, point.document, point.coordinates(scenario))
    try:
        to_dict(scenario)  # it will be written into the run folder
    except LocatedError as error:
        raise loaded.error(error) from None
    return loaded
