"""The list of kinds: `wfl-sim list`."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wfl_sim.config.documents import read_yaml
from wfl_sim.config.errors import did_you_mean
from wfl_sim.config.registry import describe
from wfl_sim.device_models import catalogue
from wfl_sim.scenario.json_schema import families


def show_kinds(family: str) -> None:
    """Print the kinds of every family, or of one.

    Raises:
        ValueError: no such family.
    """
    known = [registry.family for registry in families()]
    if family and family not in (*known, "hardware"):
        raise ValueError(f"unknown family {family!r}{did_you_mean(family, [*known, 'hardware'])}")
    rows = list(_kinds(family))
    console = Console()
    if not console.is_terminal:
        # One line each, whatever its length: for grep and the like.
        first, second = (max(len(row[i]) for row in rows) for i in (0, 1))
        for row in rows:
            console.out(f"{row[0]:{first}}  {row[1]:{second}}  {row[2]}", highlight=False)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("family", "kind", "what it is"):
        table.add_column(column)
    for before, row in zip([("", "", ""), *rows], rows, strict=False):
        table.add_row(row[0] if row[0] != before[0] else "", row[1], escape(row[2]))
    console.print(table)


def _kinds(family: str) -> Iterator[tuple[str, str, str]]:
    for registry in families():
        if family in ("", registry.family):
            for name, cls in registry.kinds().items():
                yield registry.family, name, describe(cls).replace("``", "`")
    if family in ("", "hardware"):
        for name, file in catalogue().items():
            first = file.read_text(encoding="utf-8").splitlines()[0]
            yield "hardware", name, first.removeprefix("# ")
            if family:
                yield from _values_of(name, file)


def _values_of(name: str, file: Path) -> Iterator[tuple[str, str, str]]:
    """Yield every value of an entry of the catalogue with its source."""
    data = read_yaml(file).data
    for field, evidence in data["evidence"].items():
        value = data[field]
        if isinstance(value, Mapping):
            value = ", ".join(f"{key} {item}" for key, item in value.items())
        sure, source = evidence["confidence"], evidence["source"]
        yield "hardware", name, f"{field}: {value} ({sure}: {source})"
