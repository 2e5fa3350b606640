"""Sweeps: one document for each variant, each combination of values and each seed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Any, Final, get_type_hints

from channel_models.units import Unit
from wfl_sim.config.documents import Document, Place, shown
from wfl_sim.config.errors import Location, did_you_mean
from wfl_sim.config.fields import marks
from wfl_sim.config.merging import by_depth, lay_over, set_at

_KEYS: Final = ("variants", "grid", "zip", "seeds")
MOST_RUNS: Final = 10_000
"""Every run is checked before the first one begins, which takes some ms each."""
_KEPT: Final = ("name", "label", "extends", "sweep")
"""Keys that cannot be an axis."""


@dataclass(frozen=True)
class AxisValue:
    """A value along an axis of a sweep."""

    path: str
    """Of the key that has this value."""
    value: Document
    name: str = ""
    """What figures call it; empty where it has no name but its text."""

    @property
    def written(self) -> str:
        """The name, or else the value as short YAML."""
        return self.name or brief(self.value.data)


Row = Mapping[str, AxisValue]
"""Values of one point, by the name of the axis, which is its path unless it has another."""


@dataclass(frozen=True, slots=True)
class Coordinate:
    """Where a run lies along one axis of a sweep."""

    value: float | str
    """SI value of a number; anything else as written."""
    unit: str
    """SI unit of a number; empty where it has none."""
    written: str
    """Text of the value in the scenario file."""


@dataclass(frozen=True)
class SweepPoint:
    """One document of a sweep, and its values along the axes."""

    document: Document
    row: Row = field(default_factory=dict)
    """Values by axis; the variant's name under `variant`. Seeds are left out."""

    def coordinates(self, scenario: Any) -> dict[str, Coordinate]:
        """Return where the point lies along each axis, given its typed scenario."""
        return {
            axis: Coordinate(at.name, "", at.name)
            if at.name
            else coordinate(scenario, at.path, at.written)
            for axis, at in self.row.items()
        }


def expand_sweep(
    document: Document, with_settings: Callable[[Document], Document]
) -> Iterator[SweepPoint]:
    """Yield the points of ``sweep: {variants: ..., grid: ..., zip: ..., seeds: ...}``.

    Variants come first, then the rows of `zip`, then the product of `grid`; seeds change fastest.

    Args:
        document: a scenario with a sweep.
        with_settings: applies to a variant the settings that override it.

    Raises:
        ScenarioError: the sweep is not of that form.
    """
    for key in _mapping_at(document, ("sweep",), "with `variants`, `grid`, `zip` or `seeds`"):
        if key not in _KEYS:
            hint = did_you_mean(key, list(_KEYS))
            raise document.error(("sweep", key), f"unknown key {key!r}{hint}")
    seeds = _seeds(document)
    counts = [len(values) for values in _axes(document, "grid").values()]
    zipped = [len(values) for values in _axes(document, "zip").values()]
    variants = document.data["sweep"].get("variants")
    counts += [max(zipped, default=1), len(seeds) or 1, len(variants or ()) or 1]
    if (count := prod(counts)) > MOST_RUNS:
        raise document.error(("sweep",), f"must have at most {MOST_RUNS:,} runs, got {count:,}")
    rows = list(_rows(document))
    for name, varied in _variants(document, document.without("sweep")):
        base = with_settings(varied)
        for row in rows:
            point = _point(base, name, row)
            for seed in seeds:
                seeded = point.document.having("seed", seed)
                yield SweepPoint(seeded, point.row)
            if not seeds:
                yield point


def axes_of(sweep: Mapping[str, Any]) -> dict[str, str]:
    """Return the paths along which a sweep goes, whatever its form, with `grid` or `zip`."""
    return {
        _named(axis, values)[0]: block
        for block in ("zip", "grid")
        if isinstance(axes := sweep.get(block), dict)
        for axis, values in axes.items()
    }


def coordinate(scenario: Any, path: str, written: str) -> Coordinate:
    """Return where a scenario lies along an axis.

    A number has the unit of its key; any other value is a category, as written.
    """
    here, hint = scenario, None
    try:
        for word in path.split("."):
            if isinstance(here, (tuple, list)):
                here = here[0 if word == "*" else int(word)]
            elif isinstance(here, Mapping):
                here = here[word]
            else:
                hint = get_type_hints(type(here), include_extras=True)[word]
                here = getattr(here, word)
    except (LookupError, AttributeError, ValueError, TypeError):
        return Coordinate(written, "", written)
    if isinstance(here, bool) or not isinstance(here, (int, float)):
        return Coordinate(written, "", written)
    unit = next((mark.symbol for mark in marks(hint) if isinstance(mark, Unit)), "")
    return Coordinate(float(here), unit.removeprefix("1"), written)


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
                if not (end[0].isdecimal() or end[0] == "*")
                and not any(f".{other}".endswith(f".{end}") for other in paths if other != path)
            ),
            path,
        )
    return names


def _variants(document: Document, base: Document) -> Iterator[tuple[str, Document]]:
    if "variants" not in document.data["sweep"]:
        yield "", base
        return
    variants = _mapping_at(document, ("sweep", "variants"), "of names to overrides")
    for name, overrides in variants.items():
        over = document.at("sweep", "variants", name)
        if overrides is None:
            over = Document({}, over.places)
        if not isinstance(over.data, dict):
            what = "must be a mapping of overrides"
            raise over.error((), f"{what}, got {shown(overrides)}")
        varied = lay_over(base, over)
        yield name, varied.having("label", Document(name, {(): over.places[()]}))


def _rows(document: Document) -> Iterator[Row]:
    """Yield the values of each point, from the grid and what is zipped."""
    grid, zipped = _axes(document, "grid"), _axes(document, "zip")
    swept = {values[0].path for values in grid.values()}
    for axis, (first, *_) in zipped.items():
        if axis in grid or first.path in swept:
            raise document.error(("sweep", "zip", axis), "is swept by sweep.grid, too")
    lengths = {path: len(values) for path, values in zipped.items()}
    for path, length in lengths.items():
        leader = next(iter(lengths))
        if length != lengths[leader]:
            what = f"must have as many values as {leader}, {lengths[leader]}, got {length}"
            raise document.error(("sweep", "zip", path), what)
    together = [
        dict(zip(zipped, row, strict=True)) for row in zip(*zipped.values(), strict=True)
    ] or [{}]
    texts = [", ".join(value.written for value in row.values()) for row in together]
    for number, row in enumerate(together):
        if texts[number] in texts[:number]:
            place = ("sweep", "zip", next(iter(row)), number)
            raise document.error(place, f"{texts[number]} is there twice")
        for values in product(*grid.values()):
            yield {**row, **dict(zip(grid, values, strict=True))}


def _axes(document: Document, key: str) -> dict[str, list[AxisValue]]:
    """Return the values along each axis of `grid` or `zip`, by its name.

    An axis is a path and its values, ``PATH: [...]``, or has a name of its own, ``NAME: {path: ...,
    values: [...]}``; so may values have, ``{NAME: VALUE, ...}`` in place of a list.
    """
    if key not in document.data["sweep"]:
        return {}
    axes: dict[str, list[AxisValue]] = {}
    for axis, written in _mapping_at(
        document, ("sweep", key), "of paths to lists of values"
    ).items():
        path, *below = _named(axis, written)
        if problem := _no_axis(path, axis):
            raise document.error(("sweep", key, axis), problem)
        if any(path == values[0].path for values in axes.values()):
            raise document.error(("sweep", key, axis), f"{path} has an axis already")
        place: Location = ("sweep", key, axis, *below)
        if isinstance(document.at(*place).data, dict) and document.at(*place).data:
            items = document.at(*place).parts().items()
            axes[axis] = [AxisValue(path, value, str(name)) for name, value in items]
        else:
            listed = _items_at(document, place, "values", again=key == "zip")
            axes[axis] = [AxisValue(path, value) for value in listed]
    return axes


def _named(axis: str, values: Any) -> tuple[str, ...]:
    """Return the path of an axis, and the keys below the axis under which its values are."""
    if isinstance(values, dict) and set(values) == {"path", "values"}:
        return str(values["path"]), "values"
    return (axis,)


def _mapping_at(document: Document, location: Location, what: str) -> dict[str, Any]:
    data = document.at(*location).data
    if not isinstance(data, dict) or not data:
        raise document.error(location, f"must be a mapping {what}, got {shown(data)}")
    return data


def _items_at(
    document: Document, location: Location, what: str, *, again: bool = False
) -> list[Document]:
    """Return the items of a list; `again` lets a value be there twice."""
    data = document.at(*location).data
    if not isinstance(data, list) or not data:
        raise document.error(location, f"must be a list of {what}, got {shown(data)}")
    texts: set[str] = set()
    for index, value in enumerate(data):
        if (text := brief(value)) in texts and not again:
            raise document.error((*location, index), f"{shown(value)} is there twice")
        texts.add(text)
    return [*document.at(*location).parts().values()]


def _no_axis(path: str, axis: str) -> str:
    """Return what is wrong with a path as an axis of that name; empty if nothing is."""
    words = path.split(".")
    if axis in ("variant", "seed") and axis != path:
        return "is what the sweep calls its variants and seeds: choose another name"
    if "" in words:
        return "must be a path such as cells.0.bandwidth"
    if words[0] == "seed":
        return "is swept by sweep.seeds"
    return "cannot be swept" if words[0] in _KEPT else ""


def _seeds(document: Document) -> list[Document]:
    if "seeds" not in document.data["sweep"]:
        return []
    return _items_at(document, ("sweep", "seeds"), "integers, or such as 1..5")


def _point(base: Document, variant: str, row: Row) -> SweepPoint:
    document = base
    values = {each.path: each.value for each in row.values()}
    # What lies deeper comes later, so that it is not replaced by what it is a part of.
    for path in by_depth(values):
        above = values[path].places[()].path[:2]
        document = set_at(document, path.split("."), values[path], above)
    named = {"variant": AxisValue("variant", Document(variant, {}))} if variant else {}
    if not row:
        return SweepPoint(document, named)
    names = short_names(list(row))
    words = [f"{names[axis]}={each.written}" for axis, each in row.items()]
    place: dict[Location, Place] = {(): next(iter(values.values())).places[()]}
    label = Document(" ".join(filter(None, [variant, *words])), place)
    return SweepPoint(document.having("label", label), {**named, **row})


def brief(value: Any) -> str:
    """Return a value of a document as short YAML."""
    if isinstance(value, bool) or value is None:
        return "null" if value is None else str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {brief(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(brief, value))}]"
    return f"{value:.9g}" if isinstance(value, float) else str(value)
