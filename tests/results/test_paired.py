"""Paired differences against scipy and by hand; censored seeds; targets that tell something."""

import csv
import io
import json
import math
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from scipy import stats

from tests.results.test_figures import small_run
from wfl_sim.cli.tables import comparison, paired, show
from wfl_sim.results import Goal, Run
from wfl_sim.results.comparison import choose_goal, open_runs, origins
from wfl_sim.results.overview import unequal_seeds
from wfl_sim.results.paired import holm, paired_differences, write_paired
from wfl_sim.results.statistics import default_target, is_falling, mean_and_half_width
from wfl_sim.results.summary import summary

FINALS = {"x": [0.70, 0.72, 0.69, 0.75], "y": [0.80, 0.79, 0.82, 0.81], "z": [0.71, 0.70, 0.72]}
GOAL = Goal(metric="accuracy", scope="global")


@pytest.fixture
def runs(tmp_path):
    return [
        small_run(tmp_path / f"{label}{seed}", label, seed, [(0.0, 0.1), (2.0, value)])
        for label, values in FINALS.items()
        for seed, value in enumerate(values)
    ]


def test_differences_are_those_of_a_paired_t_test(runs):
    y, z = paired_differences(runs, GOAL)
    expected = stats.ttest_rel(FINALS["y"], FINALS["x"])
    interval = expected.confidence_interval(0.95)
    assert (y.label, y.reference, y.seeds) == ("y", "x", 4)
    assert y.difference == pytest.approx(np.subtract(FINALS["y"], FINALS["x"]).mean())
    assert y.p == pytest.approx(expected.pvalue)
    assert y.difference - y.half_width == pytest.approx(interval.low)
    assert y.difference + y.half_width == pytest.approx(interval.high)
    # The seed that z lacks is left out on both sides.
    assert z.seeds == 3
    assert z.p == pytest.approx(stats.ttest_rel(FINALS["z"], FINALS["x"][:3]).pvalue)
    assert y.p_holm == pytest.approx(2 * y.p)
    assert z.p_holm == pytest.approx(z.p)


def test_labels_with_other_seeds_are_said(runs, tmp_path):
    assert [*unequal_seeds(runs[:8])] == []
    one = small_run(tmp_path / "one", "one", 9, [(0.0, 0.1), (2.0, 0.7)])
    apart = small_run(tmp_path / "apart", "apart", 1, [(0.0, 0.1), (2.0, math.nan)])
    more = small_run(tmp_path / "more", "apart", 3, [(0.0, 0.1), (2.0, 0.7)])
    (line,) = origins([*runs, one, apart, more])
    said = "x and 1 more 0..3; z 0..2; one 9; apart 1, 3"
    assert line == f"labels differ in their seeds, so in drops of devices and in data: {said}"
    (table,) = paired(paired_differences([*runs, one, apart, more], GOAL))
    note = str(table.renderables[-1])
    # Of `apart` there is no p, of one seed none to adjust.
    assert "adjusted over 2 labels (Holm)" in note
    assert note.endswith("\nleft out, with less than two of its seeds: one (0)")


def test_the_reference_can_be_named(runs):
    x, _ = paired_differences(runs, GOAL, "y")
    assert (x.label, x.reference) == ("x", "y")
    assert x.difference == pytest.approx(-paired_differences(runs, GOAL)[0].difference)
    with pytest.raises(ValueError, match=r"^no label 'yy' to compare with, did you mean 'y'\?$"):
        paired_differences(runs, GOAL, "yy")


def test_of_the_network_alone_seconds_are_paired(runs, tmp_path):
    goal = Goal(metric="reward", scope="global")  # no run has measured it
    for number, run in enumerate(runs):
        run.manifest["simulated_seconds"] = float(number**2 + len(run.label + str(run.seed)))
    y, _ = paired_differences(runs, goal)
    seconds = [[run.seconds for run in runs if run.label == label] for label in "xy"]
    assert y.quantity == "simulated seconds"
    assert y.difference == pytest.approx(np.subtract(seconds[1], seconds[0]).mean())
    assert y.p == pytest.approx(stats.ttest_rel(seconds[1], seconds[0]).pvalue)
    console = Console(width=120, record=True, file=io.StringIO())
    for table in (*comparison(runs, goal), *paired([y])):
        show(console, table)
    mean, half = mean_and_half_width(seconds[1])
    lines = console.export_text().splitlines()
    assert lines[1] == "whole runs: network only"
    assert any(line.split()[:5] == ["y", "4", f"{mean:.1f}", "±", f"{half:.1f}"] for line in lines)
    assert "simulated seconds, less that of x on the same seeds" in lines


def test_no_seed_in_common_and_no_spread(tmp_path):
    def run(label, seed, value):
        return small_run(tmp_path / f"{label}{seed}", label, seed, [(0.0, value)])

    x = [run("x", seed, 0.5) for seed in (1, 2)]
    others = [("far", 9, 0.5), ("same", 1, 0.5), ("same", 2, 0.5), ("one", 1, 0.75)]
    others += [("more", 1, 0.75), ("more", 2, 0.75)]
    rows = paired_differences(
        [*x, *(run(label, *rest) for label, *rest in others)],
        GOAL,
    )
    far, same, one, more = rows
    assert (far.seeds, one.seeds) == (0, 1)
    assert math.isnan(far.difference)
    assert math.isnan(one.p)
    assert (one.difference, same.p, more.difference) == (0.25, 1.0, 0.25)
    assert math.isnan(more.p)  # alike on both seeds: the statistic divides by nothing


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_lies_between_none_and_bonferroni(values):
    adjusted = holm(values)
    order = np.argsort(values, kind="stable")
    assert all(np.diff(np.array(adjusted)[order]) >= 0)
    for p, q in zip(values, adjusted, strict=True):
        assert p <= q <= min(1, len(values) * p)
    assert min(adjusted) == min(1, len(values) * min(values))


def test_holm_by_hand():
    # Holm 1979: the smallest of m times m, the next times m - 1, never below one before it.
    assert holm([0.04, 0.01, 0.03, math.nan]) == pytest.approx(
        [0.06, 0.03, 0.06, math.nan], nan_ok=True
    )


def test_the_rows_are_written(runs, tmp_path):
    rows = paired_differences(runs, GOAL)
    path = write_paired(rows, tmp_path / "out")
    found = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["label"] for row in found] == ["y", "z"]
    assert float(found[0]["p_holm"]) == rows[0].p_holm


def test_a_seed_that_did_not_reach_the_target_counts_with_all_it_spent(tmp_path):
    reached = small_run(tmp_path / "a", "x", 0, [(0.0, 0.1), (4.0, 0.8), (6.0, 0.9)])
    never = small_run(tmp_path / "b", "x", 1, [(0.0, 0.1), (10.0, 0.3)])
    (row,) = summary([reached, never], "accuracy", "global", target=0.75)
    assert (row.seeds, row.reached) == (2, 1)
    assert row.seconds == 4.0
    assert row.least_seconds == (4.0 + 10.0) / 2
    assert (
        row.least_joules
        == (
            reached.series("accuracy", "global").joules[1]
            + never.series("accuracy", "global").joules[1]
        )
        / 2
    )
    (both,) = summary([reached, never], "accuracy", "global", target=0.2)
    assert (both.seconds, both.least_seconds) == (7.0, 7.0)
    # Student's t of one degree of freedom, times the standard error of 4 s and 10 s.
    assert both.half_seconds == pytest.approx(12.7062 * 3.0, rel=1e-5)
    assert both.half_joules == pytest.approx(2 * both.half_seconds)
    assert math.isnan(row.half_seconds)


@pytest.mark.parametrize(
    ("metric", "values", "target"),
    [
        ("accuracy", (0.0, 0.0, 0.0), None),  # ends at 0, where it began
        ("accuracy", (0.9, 0.5, 0.4), None),  # starts at its best
        ("loss", (0.2, 0.5, 0.9), None),
        ("loss", (1.0, 0.5, 0.2), 0.21),
        ("accuracy", (0.1, 0.5, 0.4), 0.38),
        ("test_loss", (1.0, 0.5, 0.2), 0.21),
    ],
)
def test_the_target_is_one_that_costs_something(tmp_path, metric, values, target):
    points = list(zip((0.0, 1.0, 2.0), values, strict=True))
    run = small_run(tmp_path / "a", "x", 0, points, metric=metric)
    assert default_target([run], metric, "global") == target
    assert choose_goal([run], metric).target == target
    (row,) = summary([run], metric, "global")
    assert row.reached == (target is not None)
    assert row.share == ("-" if target is None else "1/1")
    assert math.isnan(row.least_seconds) == (target is None)


def test_names_that_end_in_loss_fall():
    assert [is_falling(name) for name in ("loss", "val_loss", "accuracy")] == [True, True, False]


def test_a_pattern_of_the_shell_may_match_figures_and_a_run_twice(tmp_path, runs):
    figures = tmp_path / "x-figures-12345678"
    figures.mkdir()
    (figures / "breakdown.png").write_text("")
    (tmp_path / "x-report.html").write_text("")
    passed = []
    found = open_runs([figures, tmp_path / "x-report.html", runs[0].folder], passed.append)
    assert [run.folder for run in found] == [runs[0].folder]
    assert passed == [
        f"{figures}: figures and tables, no run: passed over",
        f"{tmp_path / 'x-report.html'}: figures and tables, no run: passed over",
    ]
    with pytest.raises(ValueError, match=r"manifest\.json: missing"):
        open_runs([figures])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty: is no run: name a run folder"):
        open_runs([tmp_path / "empty", runs[0].folder])


def test_a_sweep_that_has_not_ended_is_said_and_is_no_run(tmp_path, runs):
    shutil.copytree(runs[0].folder, tmp_path / "one")
    planned = [{"folder": "one"}, {"folder": "two"}]
    (tmp_path / "sweep.json").write_text(json.dumps({"format": 1, "runs": planned}))
    passed = []
    assert [run.folder.name for run in open_runs([tmp_path], passed.append)] == ["one"]
    assert passed == [f"{tmp_path}: 1 of 2 runs not ended"]
    with pytest.raises(ValueError, match="is a sweep: name a run folder"):
        Run.open(tmp_path)


def test_a_metric_that_never_moved_is_not_the_goal_unless_named(tmp_path):
    """A language model may give no exact answer at all, and still learn."""
    still = small_run(tmp_path / "a", "x", 0, [(0.0, 0.0), (1.0, 0.0)])
    assert choose_goal([still]).metric == "accuracy"  # there is no other
    learns = small_run(tmp_path / "b", "x", 0, [(0.0, 3.2), (1.0, 2.2)], metric="loss")
    both = pa.concat_tables([still.metrics, learns.metrics])
    pq.write_table(both, still.folder / "metrics.parquet")
    run = Run.open(still.folder)
    assert choose_goal([run]).metric == "loss"
    assert choose_goal([run], "accuracy").metric == "accuracy"
