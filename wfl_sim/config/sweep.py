"""Points of a sweep: one document for each variant, each choice of values and each seed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Final, get_args, get_type_hints

from channel_models.units import Unit
from wfl_sim.config.documents import Document, Place, shown
from wfl_sim.config.errors import Location, did_you_mean
from wfl_sim.config.merging import merge, set_at

_KEYS: Final = ("variants", "grid", "zip", "seeds")
_KEPT: Final = ("name", "label", "extends", "sweep")
"""keys that are no axis"""

Row = Mapping[str, Document]
"""values by path"""


@dataclass(frozen=True, slots=True)
class Coordinate:
    """Where a run lies along one axis of a sweep."""

    value: float | str
    """in SI where it is a number, else as written"""
    unit: str
    """of a number; empty where it has none"""
    written: str


@dataclass(frozen=True)
class SweepPoint:
    """One document of a sweep, and what tells it from the others."""

    document: Document
    written: Mapping[str, str] = field(default_factory=dict)
    """as written, by path; the name of the variant under `variant`; without the seed"""


def expand_sweep(
    document: Document, settled: Callable[[Document], Document]
) -> Iterator[SweepPoint]:
    """Yield the points of ``sweep: {variants: ..., grid: ..., zip: ..., seeds: ...}``.

    Variants come first, then the rows of `zip`, then the product of `grid`; seeds change fastest.

    Args:
        document: a scenario with a sweep.
        settled: lays over a variant what wins over it.

    Raises:
        ScenarioError: the sweep is not of that form.
    """
    sweep = document.data["sweep"]
    if not isinstance(sweep, dict) or not sweep:
        what = "must be a mapping with `variants`, `grid`, `zip` or `seeds`"
        raise document.error(("sweep",), f"{what}, got {shown(sweep)}")
    for key in sweep:
        if key not in _KEYS:
            hint = did_you_mean(key, list(_KEYS))
            raise document.error(("sweep", key), f"unknown key {key!r}{hint}")
    rows, seeds = list(_rows(document)), _seeds(document)
    for name, varied in _variants(document, document.without("sweep")):
        base = settled(varied)
        for row in rows:
            point = _point(base, name, row)
            for seed in seeds:
                seeded = point.document.having("seed", seed)
                yield SweepPoint(seeded, point.written)
            if not seeds:
                yield point


def axes_of(sweep: Any) -> list[str]:
    """Return the paths along which a sweep goes, whatever its form."""
    blocks = [sweep.get(key) for key in ("zip", "grid")] if isinstance(sweep, dict) else []
    return [path for block in blocks if isinstance(block, dict) for path in block]


def coordinate(scenario: Any, path: str, written: str) -> Coordinate:
    """Return where a scenario lies along an axis.

    A number has the unit of its key; all else is taken as written.
    """
    here, hint = scenario, None
    try:
        for word in path.split("."):
            if isinstance(here, (tuple, list)):
                here = here[int(word)]
            elif isinstance(here, Mapping):
                here = here[word]
            else:
                hint = get_type_hints(type(here), include_extras=True)[word]
                here = getattr(here, word)
    except (LookupError, AttributeError, ValueError, TypeError):
        return Coordinate(written, "", written)
    if isinstance(here, bool) or not isinstance(here, (int, float)):
        return Coordinate(written, "", written)
    return Coordinate(float(here), _unit(hint).removeprefix("1"), written)


def short_names(paths: list[str]) -> dict[str, str]:
    """Return for each path its shortest end that no other path has and that is a name."""
    names = {}
    for path in paths:
        words = path.split(".")
        ends = (".".join(words[i:]) for i in range(len(words) - 1, -1, -1))
        names[path] = next(
            (
                end
                for end in ends
                if not end[0].isdecimal()
                and not any(f".{other}".endswith(f".{end}") for other in paths if other != path)
            ),
            path,
        )
    return names


def _variants(document: Document, base: Document) -> Iterator[tuple[str, Document]]:
    if "variants" not in document.data["sweep"]:
        yield "", base
        return
    variants = document.data["sweep"]["variants"]
    if not isinstance(variants, dict) or not variants:
        what = "must be a mapping of names to overrides"
        raise document.error(("sweep", "variants"), f"{what}, got {shown(variants)}")
    for name, overrides in variants.items():
        over = document.at("sweep", "variants", name)
        if overrides is None:
            over = Document({}, over.places)
        if not isinstance(over.data, dict):
            what = "must be a mapping of overrides"
            raise over.error((), f"{what}, got {shown(overrides)}")
        varied = merge(base, over)
        yield name, varied.having("label", Document(name, {(): over.places[()]}))


def _rows(document: Document) -> Iterator[Row]:
    """Yield the values of each point, from the grid and what is zipped."""
    grid, zipped = _axes(document, "grid"), _axes(document, "zip")
    for path in zipped:
        if path in grid:
            raise document.error(("sweep", "zip", path), "is swept by sweep.grid, too")
    lengths = {path: len(values) for path, values in zipped.items()}
    for path, length in lengths.items():
        first = next(iter(lengths))
        if length != lengths[first]:
            what = f"must have as many values as {first}, {lengths[first]}, got {length}"
            raise document.error(("sweep", "zip", path), what)
    together = [
        dict(zip(zipped, row, strict=True)) for row in zip(*zipped.values(), strict=True)
    ] or [{}]
    for row in together:
        for values in product(*grid.values()):
            yield {**row, **dict(zip(grid, values, strict=True))}


def _axes(document: Document, key: str) -> dict[str, list[Document]]:
    """Return the values along each path of `grid` or `zip`."""
    if key not in document.data["sweep"]:
        return {}
    block = document.data["sweep"][key]
    if not isinstance(block, dict) or not block:
        what = "must be a mapping of paths to lists of values"
        raise document.error(("sweep", key), f"{what}, got {shown(block)}")
    return {path: _values(document, ("sweep", key, path)) for path in block}


def _values(document: Document, location: Location) -> list[Document]:
    values, path = document.at(*location).data, str(location[-1])
    if problem := _no_axis(path):
        raise document.error(location, problem)
    if not isinstance(values, list) or not values:
        raise document.error(location, f"must be a list of values, got {shown(values)}")
    texts = [brief(value) for value in values]
    for index, text in enumerate(texts):
        if text in texts[:index]:
            raise document.error((*location, index), f"{shown(values[index])} is there twice")
    return [document.at(*location, index) for index in range(len(values))]


def _no_axis(path: str) -> str:
    """Return what is wrong with a path as an axis; empty if nothing is."""
    words = path.split(".")
    if "" in words:
        return "must be a path such as cells.0.bandwidth"
    if words[0] == "seed":
        return "is swept by sweep.seeds"
    return "cannot be swept" if words[0] in _KEPT else ""


def _seeds(document: Document) -> list[Document]:
    if "seeds" not in document.data["sweep"]:
        return []
    seeds = document.data["sweep"]["seeds"]
    if not isinstance(seeds, list) or not seeds:
        raise document.error(("sweep", "seeds"), f"must be a list of integers, got {shown(seeds)}")
    for index, seed in enumerate(seeds):
        if seed in seeds[:index]:
            raise document.error(("sweep", "seeds", index), f"{shown(seed)} is there twice")
    return [document.at("sweep", "seeds", index) for index in range(len(seeds))]


def _point(base: Document, variant: str, row: Row) -> SweepPoint:
    document = base
    # What lies deeper comes later, so that it is not replaced by what it is a part of.
    for path in sorted(row, key=lambda path: path.count(".")):
        above = row[path].places[()].path[:2]
        document = set_at(document, path.split("."), row[path], above)
    written = {"variant": variant} if variant else {}
    if not row:
        return SweepPoint(document, written)
    names = short_names(list(row))
    words = [f"{names[path]}={brief(value.data)}" for path, value in row.items()]
    place: dict[Location, Place] = {(): next(iter(row.values())).places[()]}
    label = Document(" ".join(filter(None, [variant, *words])), place)
    written |= {path: brief(value.data) for path, value in row.items()}
    return SweepPoint(document.having("label", label), written)


def brief(value: Any) -> str:
    """Return a value of a document in few characters, as one would write it."""
    if isinstance(value, bool) or value is None:
        return "null" if value is None else str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {brief(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(brief, value))}]"
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def _unit(hint: Any) -> str:
    """Return the symbol of the unit that an annotation names, also below ``| None``."""
    for part in (hint, *get_args(hint)):
        for mark in getattr(part, "__metadata__", ()):
            if isinstance(mark, Unit):
                return mark.symbol
    return ""
