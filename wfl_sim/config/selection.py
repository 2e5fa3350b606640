"""Selection: which runs of a sweep a command makes, and settings that would undo its variants."""

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from wfl_sim.config.documents import Document, Place
from wfl_sim.config.errors import Location, ScenarioError, did_you_mean
from wfl_sim.config.merging import set_at
from wfl_sim.config.sweep import MOST_RUNS, axes_of


def only_variants(document: Document, names: Sequence[str]) -> Document:
    """Return a scenario with these variants of its sweep alone; with all if none is named.

    Raises:
        ScenarioError: There is no such variant.
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

    Raises:
        ScenarioError: The text is not of that form.
    """
    if not text:
        return document
    place = Place(f"--seeds {text}")
    ranges = []
    for part in text.split(","):
        ends = re.fullmatch(r"\s*(\d{1,18})(?:\.\.(\d{1,18}))?\s*", part)
        if ends is None or int(ends[2] or ends[1]) < int(ends[1]):
            raise ScenarioError(f"{place.where}: must be seeds such as 1..5 or 1,4,7..9")
        ranges.append(range(int(ends[1]), int(ends[2] or ends[1]) + 1))
    count = sum(map(len, ranges))
    if count > MOST_RUNS:
        raise ScenarioError(f"{place.where}: must be at most {MOST_RUNS:,} seeds, got {count:,}")
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
        ScenarioError: A setting does so.
    """
    if not isinstance(sweep, dict):
        return
    set_by = {"seed": "seeds"} if "seeds" in sweep else {}
    for block in ("variants", "grid", "zip"):
        set_by |= {"label": block} if block in sweep else {}
    set_by |= axes_of(sweep)
    keys = {setting: setting.partition("=")[0].strip() for setting in settings}
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
