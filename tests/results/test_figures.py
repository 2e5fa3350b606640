import csv
import dataclasses
import itertools
import math
import re
import sys
from collections import defaultdict
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

from wfl_sim.cli.commands import app
from wfl_sim.records import Metric, Span
from wfl_sim.results import Run, write_run
from wfl_sim.results.figures import breakdown, convergence, draw_all, summary, timeline
from wfl_sim.results.figures.breakdown import Bar, bar_handles, draw_bars
from wfl_sim.results.figures.look import SCREEN, Look
from wfl_sim.results.figures.style import fit_to_seeds, logarithmic, scale
from wfl_sim.results.statistics import (
    by_label,
    curve,
    default_target,
    estimate,
    mean_and_half_width,
    step_values,
)

ACCURACY = {"PFTT": 0.86, "FedIT": 0.80, "local only": 0.74}
UPLOAD_BITS = {"PFTT": 1_200_000, "FedIT": 2_900_000, "local only": 0}


def invented(label, seed, devices=4, rounds=8):
    """Return plausible spans and metrics of one run."""
    rng = np.random.default_rng([seed, len(label)])
    spans, metrics, now, up, down, joules = [], [], 0.0, 0, 0, 0.0
    bits, speed = UPLOAD_BITS[label], rng.uniform(0.7, 1.6, devices)

    def measure(completed):
        learned = 1 - math.exp(-completed / (2.5 if label == "PFTT" else 3.5))
        ceiling = ACCURACY[label] + 0.015 * float(np.sin(7 * seed))
        for scope, shift in (("personal_mean", 0.0), ("global", -0.03)):
            value = 0.25 + (ceiling + shift - 0.25) * learned + float(rng.normal(0, 0.008))
            metrics.append(
                Metric(
                    time=now,
                    round=completed - 1,
                    metric="accuracy",
                    scope=scope,
                    device="",
                    value=value,
                    bits_up=up,
                    bits_down=down,
                    joules=joules,
                )
            )

    def span(actor, start, length, activity, number, watts, **more):
        nonlocal joules
        joules += watts * length
        end = start + length
        spans.append(
            Span(
                start=start,
                end=end,
                actor=actor,
                activity=activity,
                round=number,
                joules=watts * length,
                **more,
            )
        )
        return end

    measure(0)
    for number in range(rounds):
        start, ends = now, []
        for device in range(devices):
            name, at = f"device-{device}", start
            if bits:
                at = span(name, at, 0.6, "download", number, 4.0, bits=bits, cell="cell-0")
                down += bits
            at = span(name, at, 2.4 * speed[device], "compute", number, 9.0, flops=3e11)
            if bits:
                length = bits / float(rng.gamma(4.0, 2.5e5))
                lost = number == 2 and device == 2
                at = span(
                    name,
                    at,
                    length,
                    "upload",
                    number,
                    5.0,
                    bits=bits,
                    cell="cell-0",
                    outcome="lost" if lost else "done",
                    mean_sinr_db=11.0,
                    mean_rate=bits / length,
                )
                up += bits
            ends.append(at)
        now = max(ends) + 0.15
        for device, at in enumerate(ends):
            span(f"device-{device}", at, now - at, "wait", number, 2.0)
        spans.append(
            Span(start=now - 0.15, end=now, actor="server", activity="aggregate", round=number)
        )
        measure(number + 1)
    return spans, metrics


def run_of(folder, label, seed, **sizes):
    spans, metrics = invented(label, seed, **sizes)
    write_run(
        folder,
        scenario_yaml=f"name: invented\nseed: {seed}\n",
        manifest={"label": label, "seed": seed},
        spans=spans,
        metrics=metrics,
        states={},
    )
    return Run.open(folder)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    return [
        run_of(root / f"{i}-{seed}", label, seed)
        for seed in (3, 1, 2)
        for i, label in enumerate(ACCURACY)
    ]


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def small_run(folder, label, seed, evaluations, spans=(), metric="accuracy", **manifest):
    """Write a run of given (time, value) pairs: 10 bit and 2 J a second."""
    metrics = [
        Metric(
            time=time,
            round=number - 1,
            metric=metric,
            scope="global",
            device="",
            value=value,
            bits_up=int(6 * time),
            bits_down=int(4 * time),
            joules=2 * time,
        )
        for number, (time, value) in enumerate(evaluations)
    ]
    write_run(
        folder,
        scenario_yaml="name: small\n",
        manifest={"label": label, "seed": seed, **manifest},
        spans=list(spans),
        metrics=metrics,
        states={},
    )
    return Run.open(folder)


@pytest.fixture
def pair(tmp_path):
    """Two seeds whose evaluations fall on different seconds."""
    spans = [spent("device-0", "compute", 0.0, 5.0, 9.0)]
    return [
        small_run(tmp_path / "a", "x", 0, [(0.0, 0.2), (2.0, 0.6), (4.0, 0.8)], spans),
        small_run(tmp_path / "b", "x", 1, [(1.0, 0.4), (3.0, 0.7), (5.0, 0.7)], spans),
    ]


def test_interval_of_the_mean_is_students():
    mean, half = mean_and_half_width([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]])
    assert mean.tolist() == [2.0, 5.0]
    np.testing.assert_allclose(half, [4.302652729911275 / math.sqrt(3), 0.0])  # t table: 4.303
    mean, half = mean_and_half_width([7.0])
    assert mean == 7.0
    assert np.isnan(half)


def test_a_step_function_holds_its_last_value():
    x, value = np.array([0.0, 1.0, 1.0, 3.0]), np.array([1.0, 2.0, 3.0, 4.0])
    assert step_values(x, value, np.array([0.0, 0.9, 1.0, 2.9, 99.0])).tolist() == [
        1,
        1,
        3,
        3,
        4,
    ]


def test_a_curve_is_the_mean_of_held_values_from_where_all_seeds_have_one(pair):
    of_time = curve(pair, "accuracy", "global", "time", target=0.65)
    assert of_time.x.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    np.testing.assert_allclose(of_time.mean, [0.3, 0.5, 0.65, 0.75, 0.75])
    # Two seeds that differ by d: s = d / sqrt(2), so the half width is 12.706 d / 2.
    np.testing.assert_allclose(of_time.half_width[0], 12.706204736 * 0.2 / 2)
    assert of_time.crossings == (4.0, 3.0)
    assert curve(pair, "accuracy", "global", "bits", target=0.65).crossings == (40.0, 30.0)
    assert np.isnan(curve(pair[:1], "accuracy", "global", "joules").half_width).all()


def test_the_csv_of_a_convergence_holds_what_is_drawn(pair, tmp_path):
    paths = convergence(pair, tmp_path / "figures", metric="accuracy", scope="global", target=0.75)
    assert [path.name for path in paths] == [
        "convergence-accuracy-global.png",
        "convergence-accuracy-global.svg",
        "convergence-accuracy-global.csv",
    ]
    by_kind = defaultdict(list)
    for row in rows_of(paths[2]):
        by_kind[row["cost"], row["kind"]].append(row)
    means = [(float(row["x"]), float(row["value"])) for row in by_kind["joules", "mean"]]
    np.testing.assert_allclose(
        means, [(2.0, 0.3), (4.0, 0.5), (6.0, 0.65), (8.0, 0.75), (10.0, 0.75)]
    )
    assert [row["x"] for row in by_kind["bits", "seed"] if row["seed"] == "1"] == [
        "10.0",
        "30.0",
        "50.0",
    ]
    (reached,) = by_kind["time", "target"]
    assert (reached["x"], reached["value"], reached["seeds"]) == ("4.0", "0.75", "1")


def test_default_target_is_95_percent_of_the_best_rounded_down(tmp_path):
    runs = [
        small_run(tmp_path / "a", "x", 0, [(0.0, 0.2), (2.0, 0.90)]),
        small_run(tmp_path / "b", "x", 1, [(0.0, 0.2), (2.0, 0.86)]),
        small_run(tmp_path / "c", "y", 0, [(0.0, 0.2), (2.0, 0.7)]),
    ]
    assert default_target(runs, "accuracy", "global") == 0.83  # 0.95 x 0.88 = 0.836
    assert default_target(runs[2:], "accuracy", "global") == 0.66  # 0.665


@pytest.mark.parametrize(
    ("metric", "final", "target"),
    [
        ("perplexity", 36.2, 39.0),
        ("loss", 0.20, 0.21),
        ("reward", -1.0, -1.1),
        ("reward", 0.0, 0.0),
        ("accuracy", 1.0, 0.95),
        ("reward", 1234.0, 1100.0),
    ],
)
def test_default_target_of_other_metrics(tmp_path, metric, final, target):
    row = Metric(
        time=1.0,
        round=1,
        metric=metric,
        scope="global",
        device="",
        value=final,
        bits_up=0,
        bits_down=0,
        joules=0.0,
    )
    write_run(
        tmp_path / "a", scenario_yaml="name: a", manifest={}, spans=[], metrics=[row], states={}
    )
    runs = [Run.open(tmp_path / "a")]
    assert default_target(runs, metric, "global") == target
    assert summary(runs, metric, "global")[0].reached == 1


def test_summary_counts_who_reached_the_target_and_averages_over_them(pair, tmp_path):
    other = small_run(tmp_path / "c", "y", 0, [(0.0, 0.1), (9.0, 0.3)])
    x, y = summary([*pair, other], "accuracy", "global", target=0.75)
    assert (x.label, x.seeds, x.reached, x.final) == ("x", 2, 1, 0.75)
    assert (x.seconds, x.rounds, x.joules, x.mbit) == (4.0, 2.0, 8.0, 4e-5)
    np.testing.assert_allclose(x.half_width, 12.706204736 * 0.1 / 2)
    assert (y.label, y.seeds, y.reached, y.final) == ("y", 1, 0, 0.3)
    assert all(math.isnan(value) for value in (y.half_width, y.seconds, y.joules, y.mbit))
    both = summary(pair, "accuracy", "global", target=0.65)[0]
    assert (both.reached, both.seconds) == (2, 3.5)


def test_a_seed_counts_once(pair, tmp_path):
    twin = small_run(tmp_path / "twin", "x", 1, [(0.0, 0.2)])
    with pytest.raises(ValueError, match=r"label 'x' holds seed 1 twice: .*b and .*twin"):
        by_label([*pair, twin])
    with pytest.raises(ValueError, match="no runs to draw"):
        by_label([])


def spent(actor, activity, start, end, joules, number=0, **more):
    return Span(
        start=start,
        end=end,
        actor=actor,
        activity=activity,
        round=number,
        joules=joules,
        **more,
    )


def test_breakdown_sums_devices_and_averages_seeds(tmp_path):
    runs = []
    for seed, seconds in ((0, 3.0), (1, 5.0)):
        spans = [
            spent("device-0", "compute", 0.0, seconds, 10 * seconds),
            spent("device-1", "compute", 0.0, 1.0, 10.0),
            spent("device-1", "upload", 1.0, seconds, 1.0),
            spent("server", "aggregate", seconds, seconds + 100, 1e6),
        ]
        joules = {"idle": 2.0 * seconds, "compute": 1.0}
        runs.append(small_run(tmp_path / f"{seed}", "x", seed, [], spans, joules=joules))
    parts = {(r["quantity"], r["part"]): r for r in rows_of(breakdown(runs, tmp_path / "f")[2])}
    means = {key: float(row["mean"]) for key, row in parts.items()}
    assert means == {
        ("seconds", "compute"): 5.0,
        ("seconds", "upload"): 3.0,
        ("seconds", "total"): 8.0,
        ("joules", "compute"): 50.0,
        ("joules", "upload"): 1.0,
        ("joules", "total"): 51.0,
        ("components", "compute"): 1.0,
        ("components", "idle"): 8.0,
        ("components", "total"): 9.0,
    }
    width = float(parts["seconds", "total"]["half_width"])
    np.testing.assert_allclose(width, 12.706204736 * 4 / 2)


def test_a_legend_names_no_part_that_is_nowhere_seen():
    none, little, some = (estimate({1: each, 2: 3 * each}) for each in (0.0, 0.001, 1.0))
    parts = {"compute": some, "download": none, "backhaul": little}
    handles = bar_handles([[Bar("a", parts, some)]])
    assert [handle.get_label() for handle in handles][:-1] == ["compute"]


def test_the_interval_of_three_seeds_is_within_the_axis_of_a_breakdown():
    seconds = estimate({0: 8.0, 1: 10.0, 2: 12.0})
    assert seconds.mean + seconds.half_width > 1.2 * 12.0
    axes = Figure().subplots()
    draw_bars(axes, "time", "s", [Bar("x", {"compute": seconds}, seconds)])
    assert axes.get_xlim()[1] > seconds.mean + seconds.half_width


def test_timeline_shows_the_run_and_the_round_of_median_length(tmp_path):
    spans = [
        spent("device-0", "compute", 0.0, 5.0, 1.0, 0),
        spent("device-0", "compute", 5.0, 6.0, 1.0, 1),
        spent("device-0", "upload", 6.0, 8.0, 1.0, 2, outcome="lost", bits=7),
        spent("device-0", "idle", 8.0, 9.0, 1.0, -1),
    ]
    run = small_run(tmp_path / "a", "My Method", 4, [], spans)
    paths = timeline([run], tmp_path / "f")
    assert [path.name for path in paths if path.suffix == ".csv"] == [
        "timeline-my-method-run.csv",
        "timeline-my-method-round.csv",
    ]
    assert len(rows_of(paths[2])) == 4
    (row,) = rows_of(paths[5])
    assert row == {
        "actor": "device-0",
        "activity": "upload",
        "start": "6.0",
        "end": "8.0",
        "round": "2",
        "bits": "7",
        "joules": "1.0",
        "outcome": "lost",
    }
    chosen = timeline([run], tmp_path / "g", round=0)
    assert [row["end"] for row in rows_of(chosen[5])] == ["5.0"]
    with pytest.raises(ValueError, match="has no round 9"):
        timeline([run], tmp_path / "g", round=9)


def test_of_many_devices_forty_are_shown_in_natural_order(tmp_path):
    spans = [spent(f"device-{i}", "compute", 0.0, 1.0, 1.0) for i in range(100)]
    spans.append(spent("server", "aggregate", 1.0, 1.1, 0.0))
    run = small_run(tmp_path / "a", "x", 0, [], spans)
    with SCREEN():
        _, svg, numbers = timeline([run], tmp_path / "f")[:3]
    shown = {row["actor"] for row in rows_of(numbers)}
    assert len(shown) == 41
    assert {"server", "device-0", "device-99"} <= shown
    texts = re.findall("<text[^>]*>(.*?)</text>", svg.read_text("utf-8"))
    assert "x, seed 0: the run (100 of 100 devices took part, 40 are shown)" in texts
    names = [text for text in texts if text in shown]
    assert names == sorted(names, key=lambda name: int(name.partition("-")[2] or -1))


def test_of_many_devices_those_are_shown_that_took_part(tmp_path):
    spans = [spent(f"device-{i}", "idle", 0.0, 9.0, 1.0) for i in range(100)]
    run = small_run(tmp_path / "rest", "rest", 0, [], spans)
    assert len({row["actor"] for row in rows_of(timeline([run], tmp_path / "f")[2])}) == 40
    spans += [spent(f"device-{i}", "upload", 9.0, 10.0, 1.0) for i in (3, 50, 98)]
    spans += [spent("device-70", "upload", 10.0, 11.0, 1.0, number=1)]
    run = small_run(tmp_path / "a", "x", 0, [], spans)
    with SCREEN():
        paths = timeline([run], tmp_path / "g", round=0)
    whole, one = ([row["actor"] for row in rows_of(paths[i])] for i in (2, 5))
    assert set(whole) == {"device-3", "device-50", "device-70", "device-98"}
    assert set(one) == {"device-3", "device-50", "device-98"}
    title = "x, seed 0: round 0 (3 of 100 devices took part)"
    assert title in paths[4].read_text("utf-8")


def test_draw_all_writes_every_figure_as_picture_drawing_and_numbers(runs, tmp_path):
    paths = draw_all(runs, tmp_path)
    assert all(path.stat().st_size > 0 for path in paths)
    pictures = {path.stem for path in paths if path.suffix == ".png"}
    assert pictures == {
        "convergence-accuracy-personal_mean",
        "convergence-accuracy-global",
        "breakdown",
        "links",
        "throughput",
        *(f"timeline-{m}-{w}" for m in ("pftt", "fedit", "local-only") for w in ("run", "round")),
    }
    for suffix in (".svg", ".csv"):
        assert pictures <= {path.stem for path in paths if path.suffix == suffix}
    for path in paths:
        if path.suffix == ".svg":
            ElementTree.fromstring(path.read_text("utf-8"))


def test_a_figure_that_is_asked_for_and_has_no_numbers_is_said(runs, tmp_path):
    passed = []
    only = ["batteries", "rewards", "sweep"]
    assert draw_all(runs[:1], tmp_path, only=only, passed=passed.append) == []
    assert passed == [f"{name}: nothing in these runs to draw" for name in only]
    folder = str(runs[0].folder)
    done = CliRunner().invoke(app, ["plot", folder, "--only", "batteries", "--out", str(tmp_path)])
    assert (done.exit_code, "error: nothing was drawn" in done.output) == (2, True)


def test_figures_repeat_to_the_byte(pair, tmp_path):
    for first in draw_all(pair, tmp_path / "a"):
        second = tmp_path / "b" / first.name
        if not second.exists():
            draw_all(pair, tmp_path / "b")
        assert first.read_bytes() == second.read_bytes(), first.name


def test_what_never_sends_is_a_level_against_bits(runs):
    local = by_label(runs)["local only"]
    level = curve(local, "accuracy", "personal_mean", "bits")
    assert level.is_level
    finals = [run.series("accuracy", "personal_mean").value[-1] for run in local]
    np.testing.assert_allclose(level.mean, [np.mean(finals)])
    assert not curve(local, "accuracy", "personal_mean", "time").is_level


def test_a_folder_may_be_a_text(runs, tmp_path):
    png, *_ = draw_all(runs, f"{tmp_path}/drawn", only=["breakdown"])
    assert png == tmp_path / "drawn" / "breakdown.png"


def test_names_of_levels_take_no_room_from_the_panels(tmp_path):
    sizes = []

    class Watched(Look):
        def save(self, figure, *rest):
            figure.draw_without_rendering()
            sizes.extend(axes.get_position().width for axes in figure.axes)
            return []

    runs = [
        small_run(tmp_path / str(n), f"local-only lr=0.01 upload=int8 rank={n}", 0, [(0.0, 0.2)])
        for n in range(5)
    ]
    convergence(runs, tmp_path, metric="accuracy", scope="global", look=Watched())
    assert len(sizes) == 4
    assert min(sizes) > 0.35


def test_a_network_only_run_has_no_convergence_and_a_wrong_metric_is_refused(runs, tmp_path):
    spans = [spent("device-0", "compute", 0.0, 1.0, 1.0)]
    bare = small_run(tmp_path / "bare", "bare", 0, [], spans)
    names = {path.stem for path in draw_all([bare], tmp_path / "f")}
    assert names == {"breakdown", "timeline-bare-run", "timeline-bare-round"}
    assert draw_all([bare], tmp_path / "f", only=["sweep"]) == []
    with pytest.raises(ValueError, match="no run has a metric 'sharpness'; measured: accuracy"):
        draw_all(runs, tmp_path / "f", metric="sharpness")


@pytest.mark.parametrize(("value", "written"), [(math.nan, ""), (math.inf, "inf")])
def test_a_metric_without_a_finite_value_still_draws(tmp_path, value, written):
    """Alone, over two seeds, and beside a label that has values."""
    for seed in (0, 1):
        spans, metrics = invented("PFTT", seed, rounds=2)
        write_run(
            tmp_path / f"{seed}",
            scenario_yaml=f"name: invented\nseed: {seed}\n",
            manifest={"label": "PFTT", "seed": seed},
            spans=spans,
            metrics=[dataclasses.replace(each, value=value) for each in metrics],
            states={},
        )
    lost = [Run.open(tmp_path / f"{seed}") for seed in (0, 1)]
    for runs in (lost[:1], lost, [*lost, run_of(tmp_path / "other", "FedIT", 0, rounds=2)]):
        paths = convergence(runs, tmp_path / "figures")
        assert all(path.stat().st_size for path in paths)
        with paths[2].open() as stream:
            rows = [row for row in csv.DictReader(stream) if row["label"] == "PFTT"]
        assert {row["value"] for row in rows if row["kind"] == "mean"} == {written}


def test_a_run_that_does_nothing_still_draws(tmp_path):
    nothing = small_run(tmp_path / "a", "x", 0, [(0.0, math.nan)])
    assert {path.stem for path in draw_all([nothing], tmp_path / "f")} == {
        "convergence-accuracy-global",
        "summary-accuracy-global",
        "breakdown",
    }


@pytest.mark.parametrize(
    ("largest", "unit", "expected"),
    [
        (2.5e7, "bit", (1e-6, "Mbit")),
        (999.0, "J", (1.0, "J")),
        (3600.0, "s", (1.0, "s")),
        (10_800.0, "s", (1 / 3600, "h")),
        (5e6, "", (1.0, "")),
    ],
)
def test_scales(largest, unit, expected):
    assert scale(largest, unit) == expected


def test_drawing_leaves_the_settings_of_the_caller_alone(runs, tmp_path):
    before, loaded = mpl.rcParams.copy(), "matplotlib.pyplot" in sys.modules
    breakdown(runs[:1], tmp_path)
    assert mpl.rcParams.copy() == before
    assert ("matplotlib.pyplot" in sys.modules) == loaded


@pytest.mark.parametrize(("low", "high"), [(0.1, 8), (2, 80), (12, 43), (40, 49), (0.01, 900)])
def test_numbers_of_a_logarithmic_axis_stand_apart(low, high):
    figure = Figure(figsize=(4.8, 4.6), dpi=100)
    axes = figure.subplots()
    axes.plot([low, high], [0, 1])
    logarithmic(axes, "x", low, high)
    figure.draw_without_rendering()
    left, right = axes.get_xlim()
    ticks = axes.xaxis.get_major_ticks() + axes.xaxis.get_minor_ticks()
    named = [t.label1 for t in ticks if left <= t.get_loc() <= right and t.label1.get_text()]
    assert len(named) >= 2
    boxes = sorted((each.get_window_extent() for each in named), key=lambda box: box.x0)
    assert all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes))
    assert not any("times" in each.get_text() for each in named)


@pytest.mark.parametrize(
    ("values", "low"),
    [
        ([0.0, 10.0], -0.3),  # a count: no axis below zero but for a marker
        ([1.0, 11.0], -0.3),
        ([0.6, 0.8], 0.57),
        ([-1.0, 9.0], -2.5),
    ],
)
def test_what_is_never_negative_has_no_axis_far_below_zero(values, low):
    axes = Figure().subplots()
    fit_to_seeds(axes, values)
    assert axes.get_ylim()[0] == pytest.approx(low)
