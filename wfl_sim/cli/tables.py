"""Tables on the terminal: what runs came to, what it took, how labels differ, and all kinds."""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table

from wfl_sim.config.documents import read_yaml
from wfl_sim.config.errors import counted, did_you_mean
from wfl_sim.config.registry import describe
from wfl_sim.device_models import catalogue
from wfl_sim.results import Goal, Run
from wfl_sim.results.paired import SECONDS, PairedDifference
from wfl_sim.results.statistics import by_label, mean_and_half_width
from wfl_sim.results.summary import SummaryRow, decimal, number, summary
from wfl_sim.results.totals import ENDS, further_table, further_totals, upload_counts
from wfl_sim.scenario.builtin_kinds import FAMILIES

if TYPE_CHECKING:
    from wfl_sim.simulation.simulation import Simulation


_LEAST_LABEL: Final = 8
"""Signs of a label in a line of a narrow terminal."""


def show(console: Console, group: Group) -> None:
    """Print tables whole: a terminal that is narrower than their numbers breaks the lines."""
    for table in group.renderables:
        if isinstance(table, Table):
            numbers = (map(cell_len, map(str, (c.header, *c.cells))) for c in table.columns[1:])
            least = _LEAST_LABEL + sum(2 + max(widths) for widths in numbers)
            table.width = least if least > console.width else None
    console.print(group, crop=False)


def closing(runs: Sequence[Run], goal: Goal) -> Iterator[Group]:
    """Yield what stands at the end of `wfl-sim run`: final values, and costs to the target.

    What runs came to beside the joules of devices follows if there is more than the server.
    """
    rows = summary(runs, goal.metric, goal.scope, goal.target)
    costs = "" if math.isnan(rows[0].target) else f", costs to reach {rows[0].target:g}"
    names = ("seeds", "final", "reached", "rounds", "seconds", "joules", "Mbit")
    table = _plain_table("method", names)
    for row in rows:
        table.add_row(
            escape(row.label),
            str(row.seeds),
            _with_width(row.final, row.half_width),
            row.share,
            *_costs(row),
        )
    yield Group(f"{goal.metric}, {goal.whose}{costs}", table, *_note(rows))
    if any({*each} - {"server_joules"} for each in further_totals(runs)):
        yield from beside_devices(by_label(runs))


def comparison(runs: Sequence[Run], goal: Goal) -> Iterator[Group]:
    """Yield means over seeds by label: of whole runs, and of what it took to reach the target."""
    measured = [run for run in runs if goal.is_measured(run)]
    rows = summary(measured, goal.metric, goal.scope, goal.target) if measured else []
    finals = {row.label: row for row in rows}
    name = f"{goal.metric}, {goal.whose}" if measured else "network only"
    groups = by_label(runs)
    final_of = ("final",) if measured else ()
    whole = _plain_table("label", ("seeds", *final_of, "seconds", "joules", "Mbit", *ENDS))
    for label, members in groups.items():
        ends = [upload_counts(run) for run in members]
        final = finals.get(label)
        shown = "-" if final is None else _with_width(final.final, final.half_width)
        costs = ([run.seconds for run in members], [run.joules for run in members])
        whole.add_row(
            escape(label),
            str(len(members)),
            *((shown,) if measured else ()),
            *(number(_mean(each)) if measured else _estimated(each) for each in costs),
            number(_mean(run.bits / 1e6 for run in members)),
            *(number(_mean(each[end] for each in ends)) for end in ENDS),
        )
    yield Group(f"\nwhole runs: {name}", whole)
    parts = sorted({part for run in runs for part in run.components})
    energy = _plain_table("label", parts)
    for label, members in groups.items():
        means = (_mean(run.components.get(part, 0.0) for run in members) for part in parts)
        energy.add_row(escape(label), *map(number, means))
    yield Group("\njoules of all devices by component", energy)
    yield from beside_devices(groups)
    if rows and goal.target is not None:
        table = _plain_table("label", ("reached", "rounds", "seconds", "joules", "Mbit"))
        for row in rows:
            table.add_row(escape(row.label), row.share, *_costs(row, ("seconds", "joules")))
        yield Group(f"\nto reach {goal.metric} {goal.target:g}", table, *_note(rows))


def beside_devices(groups: Mapping[str, Sequence[Run]]) -> Iterator[Group]:
    """Yield means by label of what runs came to beside the joules of devices."""
    head, rows = further_table(groups)
    table = _plain_table("label", head)
    for label, means in rows.items():
        table.add_row(escape(label), *map(number, means))
    if head:
        yield Group("\nbeside the joules of devices", table)


def paired(rows: Sequence[PairedDifference]) -> Iterator[Group]:
    """Yield the table of paired differences, if any label has two seeds of the reference."""
    tested = [row for row in rows if row.seeds > 1]
    if not tested:
        return
    table = _plain_table("label", ("seeds", "difference", "p", "p (Holm)"))
    for row in tested:
        width = f"{decimal(row.difference, '+')} ± {decimal(row.half_width)}"
        if row.quantity == SECONDS:
            width = f"{row.difference:+.3g} ± {row.half_width:.2g}"
        table.add_row(escape(row.label), str(row.seeds), width, _p(row.p), _p(row.p_holm))
    whose = f"{tested[0].quantity}, less that of {escape(tested[0].reference)}"
    labels = counted(sum(row.p == row.p for row in tested), "label")
    note = f"95 % t-intervals; p of two-sided paired t-tests, and adjusted over {labels} (Holm)"
    if left := [f"{escape(row.label)} ({row.seeds})" for row in rows if row.seeds < 2]:
        note += f"\nleft out, with less than two of its seeds: {', '.join(left)}"
    yield Group(f"\n{whose} on the same seeds", table, note)


def _costs(row: SummaryRow, with_width: Collection[str] = ()) -> Iterator[str]:
    """Yield the costs to the target; lower bounds where a seed did not reach it.

    Those named in `with_width` have their intervals, for which not every table has room.
    """
    for name in ("rounds", "seconds", "joules", "mbit"):
        bound = getattr(row, f"least_{name}")
        exact = row.reached == row.seeds or math.isnan(bound)
        half = getattr(row, f"half_{name}")
        width = f" ± {number(half)}" if name in with_width and half == half else ""
        yield f"{number(getattr(row, name))}{width}" if exact else f"≥ {number(bound)}"


def _note(rows: Sequence[SummaryRow]) -> Iterator[str]:
    """Say how seeds count that did not reach the target, if any."""
    missed = sum(row.seeds - row.reached for row in rows)
    if missed and not math.isnan(rows[0].target):
        count = sum(row.seeds for row in rows)
        they = f"{missed} of {counted(count, 'run')} did not reach it (censored)"
        yield f"≥: {they}, and what was spent until the last evaluation counts"


def _p(value: float) -> str:
    if math.isnan(value):
        return "-"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _with_width(mean: float, half_width: float) -> str:
    return decimal(mean) + ("" if math.isnan(half_width) else f" ± {decimal(half_width)}")


def _estimated(values: Sequence[float]) -> str:
    """Return a mean with its 95 % t-interval, if there are several values."""
    mean, half_width = map(float, mean_and_half_width(values))
    return number(mean) + ("" if math.isnan(half_width) else f" ± {number(half_width)}")


def _plain_table(first: str, columns: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(first, overflow="fold")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _mean(values: Iterable[float]) -> float:
    given = list(values)
    return sum(given) / len(given)


def preparations(simulations: Iterable["Simulation"]) -> Iterator[str]:
    """Yield, of simulations ready to run, new weights, and the range of sizes and costs."""
    new: dict[str, None] = {}
    found: dict[str, set[float]] = defaultdict(set)
    for each in simulations:
        new |= dict.fromkeys(each.inspection.new if each.inspection else ())
        for work in each.workloads:
            found["steps"].add(work.steps)
            found["GFLOP"].add(work.update_flops / 1e9)
            found["MB"].add(work.memory / 1e6)
            found["up"].add(work.upload_bits / 1e6)
            found["down"].add(work.download_bits / 1e6)
            if work.exchange is not None:
                found["step up"].add(work.exchange.up_bits / 1e6)
                found["step down"].add(work.exchange.down_bits / 1e6)
                found["server"].add(work.exchange.server_flops / 1e9)
        if each.shards is not None:
            found["examples"] |= set(map(len, each.shards.train))
            found["classes"].add(len(each.shards.classes))
    ranges = {
        name: " to ".join(dict.fromkeys(map(_digits, (min(values), max(values)))))
        for name, values in found.items()
    }
    if new:
        yield f"new weights, drawn from the seed: {', '.join(new)}"
    if "examples" in ranges:
        yield "data: {examples} training examples a device, {classes} classes".format(**ranges)
    costs = "steps {steps}, GFLOP {GFLOP}, MB {MB}, Mbit up {up}, Mbit down {down}"
    yield f"local update: {costs.format(**ranges)}"
    if "server" in ranges:
        most = "Mbit up {step up}, Mbit down {step down}, GFLOP at the server {server}"
        yield f"each step over the air, at most: {most.format(**ranges)}"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def show_kinds(family: str) -> None:
    """Print the kinds of every family, or of one.

    Raises:
        ValueError: no such family.
    """
    known = [registry.family for registry in FAMILIES]
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
        table.add_column(column, overflow="fold")
    for before, row in zip([("", "", ""), *rows], rows, strict=False):
        table.add_row(row[0] if row[0] != before[0] else "", row[1], escape(row[2]))
    console.print(table)


def _kinds(family: str) -> Iterator[tuple[str, str, str]]:
    for registry in FAMILIES:
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
