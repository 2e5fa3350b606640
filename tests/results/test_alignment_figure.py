"""The figure of true rewards: its numbers are those of the runs."""

import csv

import pytest
from matplotlib.axes import Axes

from wfl_sim.records import Metric, Span
from wfl_sim.results import Run, write_run
from wfl_sim.results.figures import alignment, draw_all
from wfl_sim.results.figures.look import Look

PREFERENCES = (0.9, 0.1)


def folder_of(tmp_path, label, seed, metrics=("reward", "helpfulness", "safety", "preference")):
    """A run of two devices, judged at 0 s and at 10 s."""
    rows = []
    for time, gain in ((0.0, 0.0), (10.0, 0.1 + 0.02 * seed)):
        for metric in metrics:
            each = [
                preference if metric == "preference" else 0.5 + gain * (device + 1)
                for device, preference in enumerate(PREFERENCES)
            ]
            named = [(f"device-{i}", "device", value) for i, value in enumerate(each)]
            for device, scope, value in (("", "personal_mean", sum(each) / 2), *named):
                rows.append(
                    Metric(
                        time=time,
                        round=-1 if time == 0 else 0,
                        metric=metric,
                        scope=scope,
                        device=device,
                        value=value,
                        bits_up=0,
                        bits_down=0,
                        joules=0.0,
                    )
                )
    span = Span(start=0.0, end=10.0, actor="device-0", activity="compute", round=0, joules=1.0)
    folder = tmp_path / f"{label}-{seed}"
    write_run(
        folder,
        scenario_yaml=f"name: {label}\nseed: {seed}\n",
        manifest={"label": label, "seed": seed},
        spans=[span],
        metrics=rows,
        states={},
    )
    return Run.open(folder)


def test_intervals_are_bars_where_they_are_asked_for(tmp_path, monkeypatch):
    bands = []
    monkeypatch.setattr(Axes, "fill_between", lambda *_, **__: bands.append(1))
    runs = [folder_of(tmp_path, "a", seed) for seed in (1, 2)]
    for error_bars, count in ((True, 0), (False, 3)):
        draw_all(
            runs,
            tmp_path / "f",
            metric="reward",
            only=["alignment"],
            look=Look(error_bars=error_bars),
        )
        assert len(bands) == count


def test_points_are_means_over_seeds_by_device(tmp_path):
    runs = [folder_of(tmp_path, label, seed) for label in ("a", "b") for seed in (1, 2, 3)]
    paths = alignment(runs, tmp_path / "figures")
    assert [path.name for path in paths] == ["alignment.png", "alignment.svg", "alignment.csv"]
    with paths[-1].open() as file:
        rows = list(csv.DictReader(file))
    ends = {
        (row["label"], float(row["preference"])): (float(row["x"]), float(row["y"]))
        for row in rows
        if row["kind"] == "trade-off" and row["preference"]
    }
    # gains of 0.12, 0.14, 0.16 at the first device, twice that at the second
    assert ends["a", 0.9] == pytest.approx((0.64, 0.64))
    assert ends["b", 0.1] == pytest.approx((0.78, 0.78))
    (start,) = (row for row in rows if row["label"] == "before tuning")
    assert float(start["x"]) == pytest.approx(0.5)
    last = [row for row in rows if row["kind"] == "reward" and row["label"] == "a"][-1]
    assert float(last["y"]) == pytest.approx(0.71)
    assert float(last["low"]) < 0.71 < float(last["high"])


def test_runs_without_true_rewards_have_no_such_figure(tmp_path):
    run = folder_of(tmp_path, "a", 1, metrics=("accuracy",))
    assert alignment([run], tmp_path / "figures") == []
