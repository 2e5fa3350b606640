"""Figures over sweeps hold the numbers of their runs; the front is what nothing dominates."""

import csv
import io
from collections import defaultdict
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from scipy import stats

from tests.fixtures.runs import BASE
from wfl_sim.cli.tables import closing, comparison
from wfl_sim.config.sweep import Coordinate
from wfl_sim.records import Metric, Span
from wfl_sim.results import Goal, Run, write_run
from wfl_sim.results.comparison import choose_goal, compared, origins
from wfl_sim.results.figures import breakdown, compare, convergence, fleet
from wfl_sim.results.figures.heat_map import heat_map
from wfl_sim.results.figures.look import SCREEN, Look
from wfl_sim.results.figures.parameter import _set_axis, parameter
from wfl_sim.results.figures.pareto import front, pareto
from wfl_sim.results.figures.style import line_styles
from wfl_sim.results.figures.sweep_axes import (
    Axis,
    LinePoint,
    SweepLine,
    axes,
    lines,
    main_axis,
    shown_axes,
)
from wfl_sim.results.report.content import report_content
from wfl_sim.results.totals import FURTHER

GOAL = Goal(target=0.7)
ALONG = "along-cells.0.bandwidth"


def seconds(width, seed, fast):
    return (100 / width + seed) * (0.5 if fast else 1.0)


def written(folder, width, seed, fast):
    """Write a run of one device whose seconds, joules and accuracy are known."""
    end = seconds(width, seed, fast)
    final = (0.8 if fast else 0.6) + 0.01 * seed
    variant = "fast" if fast else "slow"
    point = {
        "variant": Coordinate(variant, "", variant),
        "cells.0.bandwidth": Coordinate(width * 1e6, "Hz", f"{width} MHz"),
    }
    metrics = [
        Metric(
            time=share * end,
            round=number - 1,
            metric="accuracy",
            scope="personal_mean",
            device="",
            value=value,
            bits_up=100 * number,
            bits_down=50 * number,
            joules=share * 10 * end,
        )
        for number, (share, value) in enumerate([(0.0, 0.1), (0.5, 0.7), (1.0, final)])
    ]
    activities = [("compute", 0.0, end / 2), ("upload", end / 2, end)]
    write_run(
        folder / f"{variant}-{width}-{seed}",
        scenario_yaml="name: known\n",
        manifest={
            "label": f"{variant} bandwidth={width} MHz",
            "seed": seed,
            "point": {path: asdict(each) for path, each in point.items()},
            "simulated_seconds": end,
            "joules": {"compute": 6 * end, "transmit": 4 * end},
            "bits": {"sent_up": 200, "sent_down": 100},
            "tasks_executed": 0,
            "host_seconds": {"network": 0.1},
        },
        spans=[
            Span(start=a, end=b, actor="device-0", activity=what, round=0, joules=10 * (b - a))
            for what, a, b in activities
        ],
        metrics=metrics,
        states={},
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("known")
    for width in (5, 100, 20):
        for seed in (1, 2, 3):
            for fast in (False, True):
                written(folder, width, seed, fast)
    return [Run.open(each) for each in sorted(folder.iterdir())]


def table(paths, name):
    (path,) = (each for each in paths if each.name == f"{name}.csv")
    return list(csv.DictReader(path.read_text().splitlines()))


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12),
    st.booleans(),
)
@settings(max_examples=200)
def test_the_front_is_what_nothing_dominates(points, falling):
    cost, value = zip(*points, strict=True)

    def dominates(one, other):
        gain = value[other] - value[one] if falling else value[one] - value[other]
        saved = cost[other] - cost[one]
        return gain >= 0 and saved >= 0 and (gain > 0 or saved > 0)

    everyone = range(len(points))
    expected = [not any(dominates(i, j) for i in everyone) for j in everyone]
    assert front(cost, value, falling=falling).tolist() == expected


def test_a_value_that_is_none_is_on_no_front():
    assert front([1, 2, 3], [np.nan, 0.5, 0.4]).tolist() == [False, True, False]


def test_lines_go_along_numbers_in_their_order(runs):
    assert axes(runs) == {
        "variant": ["fast", "slow"],
        "cells.0.bandwidth": ["100 MHz", "20 MHz", "5 MHz"],
    }
    assert main_axis(runs) == "cells.0.bandwidth"
    assert shown_axes(runs) == ["cells.0.bandwidth"]
    axis, found = lines(runs, "cells.0.bandwidth")
    assert (axis.title, axis.numeric) == ("bandwidth (MHz)", True)
    assert [line.label for line in found] == ["fast", "slow"]
    assert [[point.x for point in line.points] for line in found] == [[5, 20, 100]] * 2
    assert all(len(point.runs) == 3 for line in found for point in line.points)


@pytest.fixture
def zipped(runs):
    """The runs with a spacing that comes with each width, and powers of their own."""
    spacing = {"5 MHz": 15, "20 MHz": 30, "100 MHz": 60}
    found = []
    for run in runs:
        khz = spacing[run.point["cells.0.bandwidth"].written]
        own = Run.open(run.folder)
        own.point["spacing"] = Coordinate(khz * 1e3, "Hz", f"{khz} kHz")
        found.append(own)
    return found


def test_what_goes_together_is_one_axis(zipped):
    assert set(axes(zipped)) == {"variant", "cells.0.bandwidth", "spacing"}
    assert shown_axes(zipped) == ["cells.0.bandwidth"]
    _, found = lines(zipped, "cells.0.bandwidth")
    assert [(line.label, len(line.points)) for line in found] == [("fast", 3), ("slow", 3)]
    _, found = lines(zipped, "variant")
    assert [line.label for line in found] == [f"bandwidth={w} MHz" for w in (100, 20, 5)]


def test_runs_that_differ_in_more_than_their_axes_are_not_drawn_along_them(zipped):
    """Two sweeps along different things: what one of them varies is no axis of the other."""
    for run in zipped:
        del run.point["spacing" if run.seed < 3 else "cells.0.bandwidth"]
        run.manifest["label"] += f" of {run.seed < 3}"
    assert list(axes(zipped)) == ["variant"]
    assert shown_axes(zipped) == []
    assert main_axis(zipped) is None


def test_many_lines_look_different():
    with SCREEN():
        styles = line_styles(map(str, range(49)))
    assert len({(style["color"], style["marker"]) for style in styles.values()}) == 49


def test_categories_stand_in_the_order_of_appearance(runs):
    axis, found = lines(runs, "variant")
    assert not axis.numeric
    assert [line.label for line in found] == [f"bandwidth={w} MHz" for w in (100, 20, 5)]
    assert [[point.text for point in line.points] for line in found] == [["fast", "slow"]] * 3


def test_numbers_in_several_units_become_si(runs, tmp_path):
    one, other = runs[0], runs[3]
    one.point["x"] = Coordinate(5e6, "Hz", "5 MHz")
    other.point["x"] = Coordinate(2e4, "Hz", "20 kHz")
    axis, (line,) = lines([one], "x")
    assert (axis.unit, line.points[0].x) == ("MHz", 5)
    axis, found = lines([one, other], "x")
    assert axis.unit == "MHz"
    assert sorted(point.x for line in found for point in line.points) == [0.02, 5]
    del one.point["x"], other.point["x"]


def test_the_parameter_figure_has_means_and_t_intervals(runs, tmp_path):
    rows = table(parameter(runs, tmp_path, GOAL, "cells.0.bandwidth"), "along-cells.0.bandwidth")
    values = defaultdict(list)
    for width in (5, 20, 100):
        for seed in (1, 2, 3):
            values["fast", width].append(seconds(width, seed, True))
            values["slow", width].append(seconds(width, seed, False))
    for (line, width), sample in values.items():
        key = {"line": line, "value": f"{width} MHz", "quantity": "simulated time"}
        whole, target = (
            next(row for row in rows if row["of"] == of and key.items() <= row.items())
            for of in ("run", "target")
        )
        low, high = stats.t.interval(0.95, 2, np.mean(sample), stats.sem(sample))
        assert float(whole["mean"]) == pytest.approx(np.mean(sample))
        assert float(whole["half_width"]) == pytest.approx((high - low) / 2)
        assert float(target["mean"]) == pytest.approx(np.mean(sample) / 2)
        assert (whole["seeds"], target["seeds"]) == ("3", "3")


def test_intervals_along_an_axis_are_bars_where_they_are_asked_for(runs, tmp_path, monkeypatch):
    bands = []
    monkeypatch.setattr(Axes, "fill_between", lambda *_, **__: bands.append(1))
    parameter(runs, tmp_path, GOAL, "cells.0.bandwidth", error_bars=True)
    assert not bands
    parameter(runs, tmp_path, GOAL, "cells.0.bandwidth")
    assert len(bands) == 8


def test_of_many_lines_there_are_whiskers_apart_and_no_seeds(runs, tmp_path, monkeypatch):
    drawn = {}

    def kept(axes, x, *arguments, **options):
        drawn.setdefault(axes.get_subplotspec().num1, []).append((arguments, options))
        return plot(axes, x, *arguments, **options)

    plot = Axes.plot
    monkeypatch.setattr(Axes, "plot", kept)
    whiskers = []
    monkeypatch.setattr(Axes, "errorbar", lambda *_, **options: whiskers.append(options))
    parameter(runs, tmp_path, GOAL, "cells.0.bandwidth", error_bars=True)
    assert any(options.get("alpha") == 0.4 for _, options in drawn[0])
    drawn.clear()
    whiskers.clear()
    monkeypatch.setattr("wfl_sim.results.figures.parameter.BANDS", 1)
    parameter(runs, tmp_path, GOAL, "cells.0.bandwidth")
    assert not any(options.get("alpha") == 0.4 for _, options in drawn[0])
    places = {each["transform"].transform((20.0, 0.0))[0] for each in whiskers[:2]}
    assert len(places) == 2


def test_intervals_stand_in_the_legend_and_that_they_may_be_cut(runs, tmp_path):
    said = "95 % interval of the mean"
    single = [run for run in runs if run.seed == 1]
    draws = (
        lambda runs: parameter(runs, tmp_path, GOAL, "cells.0.bandwidth"),
        lambda runs: pareto(runs, tmp_path, GOAL),
        lambda runs: convergence(runs, tmp_path),
    )
    for draw in draws:
        assert f"{said} (cut at the axes)" in draw(runs)[1].read_text("utf-8")
        assert said not in draw(single)[1].read_text("utf-8")


def test_bars_say_that_whiskers_are_cut_where_one_is(tmp_path):
    def legend(*seeds):
        folder = tmp_path / "-".join(map(str, seeds))
        for seed in seeds:
            written(folder, 5, seed, fast=False)  # 20 s and the seed
        runs = [Run.open(each) for each in folder.iterdir()]
        return breakdown(runs, folder)[1].read_text("utf-8")

    said, cut = "total: seeds, 95 % interval of the mean", " (cut at the axes)"
    whole = legend(1, 2, 3)
    assert said in whole
    assert cut not in whole
    assert said + cut in legend(1, 30)
    assert said not in legend(1)


def test_a_mean_of_some_seeds_says_of_how_many(runs, tmp_path):
    for path in ("variant", "cells.0.bandwidth"):
        _, svg, _ = parameter(runs, tmp_path, Goal(target=0.825), path)
        assert ">1/3<" in svg.read_text(), path
    _, svg, _ = parameter(runs, tmp_path, GOAL, "variant")
    assert "/3<" not in svg.read_text().replace(">0/3<", "")


@pytest.mark.parametrize(("names", "tilt"), [("ab", 0), (["a long method", "another"], 30)])
def test_names_of_categories_that_would_overlap_are_tilted(names, tilt):
    figure = Figure(figsize=(2, 2))
    points = tuple(LinePoint(name, place, ()) for place, name in enumerate(names))
    panel = figure.add_subplot()
    _set_axis(panel, Axis("variant", "", numeric=False), [SweepLine("", points)])
    assert [label.get_rotation() for label in panel.get_xticklabels()] == [tilt] * 2


def test_the_pareto_figure_marks_the_front_of_the_means(runs, tmp_path):
    rows = table(pareto(runs, tmp_path, GOAL), "pareto-accuracy-personal_mean")
    assert len(rows) == 2 * 6
    on_front = {
        (row["cost"], row["line"], row["value"]) for row in rows if row["on_front"] == "True"
    }
    # At 100 MHz the fast variant is quicker than all others, and better.
    assert on_front == {(cost, "fast", "100 MHz") for cost in ("seconds", "joules")}
    for row in rows:
        if (row["line"], row["value"], row["cost"]) == ("slow", "20 MHz", "joules"):
            assert float(row["x"]) == pytest.approx(10 * (100 / 20 + 2))
            assert float(row["y"]) == pytest.approx(0.62)


def test_comparing_writes_every_figure_that_there_are_numbers_for(runs, tmp_path):
    goal = choose_goal(runs)
    assert (goal.metric, goal.scope) == ("accuracy", "personal_mean")
    names = {path.name for path in compare(runs, goal, tmp_path)}
    stems = ("convergence-accuracy-personal_mean", "breakdown", "pareto-accuracy-personal_mean")
    for stem in (*stems, "along-cells.0.bandwidth"):
        assert {f"{stem}.{suffix}" for suffix in ("png", "svg", "csv")} <= names
    assert {"comparison.parquet", "comparison.csv"} <= names


def test_the_table_has_joules_by_component_and_uploads_by_their_end(runs):
    (row,) = compared(runs[:1], GOAL).to_pylist()
    end = row["simulated_seconds"]
    assert (row["joules_compute"], row["joules_transmit"]) == pytest.approx((6 * end, 4 * end))
    assert [row[name] for name in ("uploads", "late", "dropped", "lost")] == [1, 0, 0, 0]
    said = Console(width=200, file=io.StringIO())
    said.print(*comparison(runs[:1], GOAL))
    lines = [line.split() for line in said.file.getvalue().splitlines()]
    assert ["label", "compute", "transmit"] in lines
    assert next(line for line in lines if "dropped" in line)[-4:] == [
        *("uploads", "late", "dropped", "lost")
    ]


def test_what_is_no_joule_of_a_device_is_in_tables_and_figures_where_runs_have_it(runs, tmp_path):
    opened = [Run.open(run.folder) for run in runs if run.label.startswith("fast")]
    assert "station_joules" not in compared(opened, GOAL).column_names
    for run in opened:
        run.manifest["infrastructure_joules"] = {"server": 5.0}
    assert len([*closing(opened, GOAL)]) == 1
    for run in opened:
        drawn = {"server": 5.0, "edge-0": 2.0, "cell-0": 30.0, "cell-1": 10.0 * run.seed}
        run.manifest.update(infrastructure_joules=drawn, grams_co2=0.5 * run.seed)
    opened[0].manifest["handovers"] = {"count": 3, "ping_pong": 0}
    opened[1].manifest["privacy"] = {"epsilon": 2.5, "delta": 1e-5}
    users = {"transfers": 2, "bits_up": 3e6, "bits_down": 1e6, "joules": 0.5}
    opened[1].manifest["background"] = users
    of = compared(opened, GOAL)
    assert [field.metadata[b"unit"] for field in of.schema if field.name in FURTHER] == [
        *(b"J", b"J", b"g", b"1", b"1", b"bit", b"J")
    ]
    first, second, third, *_ = of.to_pylist()
    assert (first["server_joules"], first["station_joules"]) == (7.0, 40.0)
    assert (third["station_joules"], third["grams_co2"]) == (60.0, 1.5)
    assert [each["handovers"] for each in (first, second)] == [3.0, 0.0]
    assert [each["epsilon"] for each in (first, second)] == [None, 2.5]
    assert [each["user_bits"] for each in (first, second)] == [0.0, 4e6]
    assert [each["user_joules"] for each in (first, second)] == [0.0, 0.5]
    said = Console(width=200, file=io.StringIO())
    said.print(*comparison(opened, GOAL))
    lines = [line.split() for line in said.file.getvalue().splitlines()]
    head = (
        "label server (J) base stations (J) CO2 (g) handovers epsilon traffic of other users (bit)"
    )
    assert f"{head} radios of other users (J)".split() in lines
    row = "fast bandwidth=100 MHz 7.0 50.0 1.0 1.0 - 1,333,333.3 0.17"
    assert row.split() in lines
    assert len([*closing(opened, GOAL)]) == 2
    shown, *rows = report_content(opened)["further"]
    assert shown[1:6] == ["server (J)", "base stations (J)", "CO2 (g)", "handovers", "epsilon"]
    assert rows[0][1:5] == [7.0, 50.0, 1.0, 1.0]
    drawn = table(parameter(opened, tmp_path, GOAL, "cells.0.bandwidth"), ALONG)
    means = defaultdict(list)
    for row in drawn:
        means[row["quantity"]].append(row["mean"])
    assert means["base stations"] == ["50.0"] * 3
    assert means["handovers"] == ["0.0", "0.0", "1.0"]
    assert means["epsilon"] == ["", "", "2.5"]
    with (look := Look(style="ieee", formats=("svg",)))():
        paths = parameter(opened, tmp_path, GOAL, "cells.0.bandwidth", look=look)
    names = [path.stem.removeprefix(f"{ALONG}-") for path in paths if path.suffix == ".svg"]
    assert names[1:3] + names[5:] == [
        *("2-simulated-time-s", "3-energy-drawn-j"),
        *("6-co2-g", "7-handovers", "8-epsilon"),
        *("9-traffic-of-other-users-mbit", "10-radios-of-other-users-j"),
    ]


def test_an_axis_of_rounds_is_not_the_number_of_rounds(runs):
    one = Run.open(runs[0].folder)
    one.manifest["point"] = {"rounds": {"value": "{count: 2}", "written": "{count: 2}", "unit": ""}}
    (row,) = compared([one], GOAL).to_pylist()
    assert (row["scenario.rounds"], row["rounds"]) == ("{count: 2}", one.rounds)


def test_runs_of_different_versions_or_processors_are_said_to_be(runs):
    one, other, third = (Run.open(run.folder) for run in runs[:3])
    assert origins([one, other]) == []
    one.manifest.update(versions={"torch": "2.12.0", "numpy": "2"}, processor={"model": "A"})
    other.manifest.update(versions={"torch": "2.13.0", "numpy": "2"}, processor={})
    third.manifest.update(versions=["none"], processor={"model": "B"})
    expected = "runs differ in what they were made with, too: torch 2.12.0 and 2.13.0"
    assert origins([one, other]) == [expected]
    assert origins([one, other, third]) == [f"{expected}; processor A and B"]
    assert f"{expected}; processor A and B" in report_content([one, other, third])["notes"]


def test_seeds_of_different_scenarios_under_one_label_are_said(runs):
    label = runs[0].label
    one, other = (Run.open(run.folder) for run in runs if run.label == label and run.seed < 3)
    assert origins([one, other]) == []
    other.scenario.update(stall=9.0, data={"path": "/elsewhere/x.csv"}, cells=[{"bias": 1}])
    one.scenario.update(data={"path": "/here/x.csv"}, cells=[{"bias": 2}])
    expected = (
        f"label {label!r}: its seeds are of different scenarios, which differ in cells.0.bias"
    )
    assert origins([one, other]) == [expected]


def test_many_labels_have_no_convergence(runs, tmp_path):
    folders = [run.folder for run in runs if run.seed == 1]
    many = [Run.open(folders[number % len(folders)]) for number in range(22)]
    for number, run in enumerate(many):
        run.manifest["label"] = f"label {number}"
    names = {path.name for path in compare(many, GOAL, tmp_path)}
    assert not any(name.startswith("convergence") for name in names)
    assert "pareto-accuracy-personal_mean.png" in names


def test_fleets_side_by_side(tmp_path):
    import wfl_sim

    text = BASE.replace(
        "hardware: raspberry-pi-5,",
        "hardware: raspberry-pi-5, battery: {capacity: 12 J, charging: 1 W},",
    )
    file = tmp_path / "s.yaml"
    file.write_text(text + "sweep: {variants: {one: {}, other: {rounds: {count: 2}}}}\n")
    runs = wfl_sim.run(file, out=tmp_path, network_only=True)
    rows = table(fleet(runs, tmp_path), "fleet")
    for run in runs:
        levels = run.level_arrays
        mine = (levels["actor"] == "device-4") & (levels["quantity"] == "battery")
        found = [
            float(row["value"])
            for row in rows
            if (row["label"], row["what"], row["of"]) == (run.label, "battery", "device-4")
        ]
        assert found == levels["value"][mine].tolist()
        joules = {
            row["of"]: float(row["value"])
            for row in rows
            if (row["label"], row["what"]) == (run.label, "joules")
        }
        assert joules == pytest.approx(run.manifest["joules"])
    assert fleet(runs[:1], tmp_path) == []


def test_a_fleet_of_several_seeds_says_what_dots_and_whiskers_are(tmp_path):
    import wfl_sim

    text = BASE.replace("hardware: raspberry-pi-5,", "hardware: raspberry-pi-5, battery: 12 J,")
    sweep = "sweep: {seeds: 1..2, variants: {one: {}, other: {rounds: {count: 2}}}}\n"
    file = tmp_path / "s.yaml"
    file.write_text(text + sweep)
    runs = wfl_sim.run(file, out=tmp_path, network_only=True)
    said = "total: seeds, 95 % interval of the mean"
    assert said in fleet(runs, tmp_path)[1].read_text("utf-8")
    assert said not in fleet([run for run in runs if run.seed == 1], tmp_path)[1].read_text("utf-8")


def test_the_heat_map_has_means_over_seeds_of_two_numbers(tmp_path):
    runs = []
    for width, power, seed in ((w, p, s) for w in (5, 10) for p in (10, 20) for s in (1, 2)):
        folder = tmp_path / f"{width}-{power}-{seed}"
        value = float("nan") if (width, power) == (10, 20) else width * power + seed
        write_run(
            folder,
            scenario_yaml="name: two\n",
            manifest={
                "label": f"{width}, {power}",
                "seed": seed,
                "point": {
                    "cells.0.bandwidth": asdict(Coordinate(width * 1e6, "Hz", f"{width} MHz")),
                    "devices.0.power": asdict(Coordinate(power / 1e3, "W", f"{power} dBm")),
                },
                "simulated_seconds": 100.0 * width + seed,
            },
            spans=[],
            metrics=[
                Metric(
                    time=1.0,
                    round=0,
                    metric="accuracy",
                    scope="personal_mean",
                    device="",
                    value=value,
                    bits_up=1,
                    bits_down=1,
                    joules=1.0,
                )
            ],
            states={},
        )
        runs.append(Run.open(folder))
    png, _, table = heat_map(runs, tmp_path / "figures", GOAL)
    assert png.name == "heat-map-accuracy-personal_mean.png"
    with table.open() as file:
        found = {(r["x"], r["y"]): (r["mean"], r["seeds"]) for r in csv.DictReader(file)}
    assert found == {
        ("5 MHz", "10 dBm"): ("51.5", "2"),
        ("5 MHz", "20 dBm"): ("101.5", "2"),
        ("10 MHz", "10 dBm"): ("101.5", "2"),
        ("10 MHz", "20 dBm"): ("", "2"),
    }
    png, _, table = heat_map(runs, tmp_path / "figures", Goal(metric="loss"))
    assert png.name == "heat-map-seconds.png"
    with table.open() as file:
        found = {(r["x"], r["y"]): float(r["mean"]) for r in csv.DictReader(file)}
    assert found["10 MHz", "20 dBm"] == 1001.5
    one_axis = [run for run in runs if run.point["devices.0.power"].written == "10 dBm"]
    assert heat_map(one_axis, tmp_path / "figures", GOAL) == []
