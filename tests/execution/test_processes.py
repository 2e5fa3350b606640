"""A pool of processes gives the results of one, for any number of workers and if workers die."""

import itertools
import multiprocessing
import os
import re
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tests.execution.learners import Deadly, Diverging, Homeless, Slow, Stumbling
from tests.execution.test_executors import Grouping, rounds, values
from tests.execution.test_graph import Counting
from tests.fixtures.runs import scenario
from tests.simulation.test_training_runs import TRAINING, digests
from wfl_sim.execution.executors import Auto, Inline, Processes
from wfl_sim.execution.graph import TaskGraph
from wfl_sim.execution.store import Store
from wfl_sim.execution.task import LocalUpdate
from wfl_sim.execution.worker_pool import WorkerError
from wfl_sim.simulation.simulation import Simulation


@pytest.mark.parametrize("workers", [1, 3])
def test_the_values_are_those_of_inline(tmp_path, workers):
    expected, _ = values(tmp_path / "a", Counting(), Inline())
    found, report = values(tmp_path / "b", Counting(), Processes(workers=workers))
    assert found == expected
    assert report == {"executor": "processes", "mode": "exact", "workers": workers}
    assert not multiprocessing.active_children()


def test_a_process_that_dies_is_replaced_and_its_task_executed_again(tmp_path, caplog):
    expected, _ = values(tmp_path / "a", Counting(), Inline())
    killed = []

    def kill(task, done, needed):
        if done in (5, 12):
            alive = [each.pid for each in multiprocessing.active_children()]
            killed.append(next(pid for pid in alive if pid not in killed))
            os.kill(killed[-1], signal.SIGKILL)

    store = Store(tmp_path / "b")
    with TaskGraph(Counting(), store, kill, executor=Processes(workers=2)) as graph:
        keys = rounds(graph)
        graph.compute(keys)
        assert [dict(graph.values(key)) for key in keys] == expected
    assert len(killed) == 2


def test_a_task_that_kills_its_processes_ends_the_run(tmp_path, caplog):
    with pytest.raises(WorkerError, match=r"LocalUpdate of device 3 has cost 3 processes, .*sig"):
        values(tmp_path, Deadly(), Processes(workers=2))
    assert caplog.text.count("executed again") == 2
    assert not multiprocessing.active_children()


def test_diverged_training_arrives_as_such(tmp_path):
    with pytest.raises(FloatingPointError, match=r"^training diverged$"):
        values(tmp_path, Diverging(), Processes(workers=2))


def test_a_mistake_in_code_arrives_with_its_traceback(tmp_path):
    with pytest.raises(WorkerError, match=r"(?s)LocalUpdate of device 3 failed\nTrace.*'a bug'"):
        values(tmp_path, Stumbling(), Processes(workers=2))


@pytest.mark.slow
def test_training_in_processes_has_the_digests_of_inline(tmp_path):
    straight = Simulation(scenario(tmp_path, text=TRAINING)).run(Store(tmp_path / "inline"))
    spread = scenario(tmp_path, "execution={kind: processes, workers: 2}", text=TRAINING)
    killed = []

    def kill(task, done, needed):
        if isinstance(task, LocalUpdate) and not killed:
            killed.append(multiprocessing.active_children()[0].pid)
            os.kill(killed[0], signal.SIGKILL)

    outcome = Simulation(spread).run(Store(tmp_path / "processes"), kill)
    assert killed
    assert digests(outcome) == digests(straight)
    assert outcome.totals["tasks_executed"] == straight.totals["tasks_executed"]
    assert outcome.totals["execution"]["workers"] == 2


@pytest.fixture
def hasty(monkeypatch):
    """Let `auto` judge soon, on a machine with two cores, where a task takes 0.02 s."""
    clock = SimpleNamespace(perf_counter=itertools.count(step=0.02).__next__)
    monkeypatch.setattr("wfl_sim.execution.executors.auto.time", clock)
    monkeypatch.setattr("wfl_sim.execution.executors.auto._LOOK", 0.1)
    monkeypatch.setattr("wfl_sim.execution.executors.auto._START", 0.1)
    monkeypatch.setattr("wfl_sim.execution.executors.auto.cores", lambda: 2)


def test_auto_goes_on_in_processes_where_that_saves_time(tmp_path, hasty):
    expected, _ = values(tmp_path / "a", Counting(), Inline())
    found, report = values(tmp_path / "b", Slow(), Auto())
    assert found == expected
    assert (report["executor"], report["asked"], report["workers"]) == ("processes", "auto", 2)
    assert re.fullmatch(r"\d+ tasks of 0\.02 s each left after 0\.1 s", report["why"])
    assert report["mode"] == "exact"


def test_auto_stays_inline_where_there_is_little_to_do(tmp_path):
    _, report = values(tmp_path, Counting(), Auto())
    assert (report["executor"], report["why"]) == ("inline", "little to do")


def test_auto_stays_inline_where_the_learner_cannot_leave(tmp_path, hasty):
    expected, _ = values(tmp_path / "a", Counting(), Inline())
    found, report = values(tmp_path / "b", Homeless(), Auto())
    assert found == expected
    assert report["executor"] == "inline"
    assert report["why"] == "the learner cannot go to another process: cannot be pickled"


def test_auto_groups_only_where_bits_do_not_matter(tmp_path):
    learner = Grouping()
    _, report = values(tmp_path / "a", learner, Auto())
    assert (learner.groups, report["mode"]) == ([], "exact")
    _, report = values(tmp_path / "b", learner, Auto(exact=False))
    assert learner.groups
    assert (report["executor"], report["mode"]) == ("grouped", "grouped")


SCRIPT = """
print("begins")
import sys
from pathlib import Path
from tests.execution.test_executors import values
from tests.execution.test_graph import Counting
from wfl_sim.execution.executors import Auto, Processes
from wfl_sim.execution.executors import auto

auto._LOOK = auto._START = 0.0
auto.cores = lambda: 2

class Mine(Counting):
    def workload(self, device):
        return type("", (), {"memory": 1e6})

out = Path(sys.argv[1])
print(values(out / "a", Counting(), Processes(workers=2))[1]["executor"])
print(values(out / "b", Mine(), Auto())[1]["why"])
"""


def test_a_script_is_not_run_again_by_the_processes_that_it_starts(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py", tmp_path],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    assert done.stdout.splitlines() == [
        "begins",
        "processes",
        "the learner cannot go to another process: a class of a script or notebook: "
        "put it into a file of its own (Mine; `kind: ./mine.py:Mine`), or use `inline`",
    ], done.stderr
