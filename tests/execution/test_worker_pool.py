"""Worker processes: results, mistakes and deaths."""

import os
import signal
import subprocess
import sys
import time
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import pytest

from wfl_sim.config.errors import ScenarioError
from wfl_sim.execution import worker_pool
from wfl_sim.execution.worker_pool import WorkerError, run_in_processes


class Notes:
    def __init__(self):
        self.said = []

    def progress(self, number, done, needed):
        self.said.append((number, done, needed))

    def simulated(self, number, now):
        self.said.append((number, now))

    def measured(self, number, metric, value):
        self.said.append((metric, number, value))

    def kept(self, number):
        self.said.append(("kept", number))

    def warn(self, text):
        self.said.append(text)


def square(number, listener):
    listener.progress(number, 1, 2)
    listener.simulated(number, 0.5)
    listener.simulated(number, 1.5)
    listener.warn(f"run {number} is odd")
    return number**2


def report(number, listener):
    """Report in every way that there is, more than once, before it ends."""
    for now in (0.5, 1.5):
        listener.simulated(number, now)
        listener.measured(number, "accuracy", now)
    listener.kept(number)
    time.sleep(0.2)
    return number


def refuse(number, listener):
    raise ScenarioError(f"run {number} cannot be")


def stumble(number, listener):
    raise KeyError("a bug")


def die(number, listener):
    os.kill(os.getpid(), signal.SIGKILL)


def hang(number, listener):
    if number == 1:
        raise ScenarioError("enough")
    try:
        time.sleep(600)
    finally:
        listener.warn("tidied up")


def test_every_job_is_done_once_and_reported():
    notes = Notes()
    assert dict(run_in_processes(square, "abcde", 2, notes)) == {0: 0, 1: 1, 2: 4, 3: 9, 4: 16}
    said = [each for each in notes.said if isinstance(each, tuple)]
    assert {each for each in said if len(each) == 3} == {(number, 1, 2) for number in range(5)}
    assert {each for each in said if len(each) == 2} == {
        (number, now) for number in range(5) for now in (0.5, 1.5)
    }
    assert "run 3 is odd" in notes.said


def test_a_job_that_reports_is_still_busy():
    notes = Notes()
    assert dict(run_in_processes(report, "abcd", 2, notes)) == {0: 0, 1: 1, 2: 2, 3: 3}
    assert {each for each in notes.said if 3 in each} == {
        ("accuracy", 3, 0.5),
        ("accuracy", 3, 1.5),
        ("kept", 3),
        (3, 0.5),
        (3, 1.5),
    }


def test_what_a_user_can_mend_arrives_as_it_is():
    with pytest.raises(ScenarioError, match=r"^run 0 cannot be$"):
        list(run_in_processes(refuse, "a", 2, Notes()))


def test_a_mistake_in_code_arrives_with_its_traceback():
    with pytest.raises(WorkerError, match=r"(?s)^run 1 failed\nTraceback .*KeyError: 'a bug'"):
        list(run_in_processes(stumble, "a", 1, Notes()))


def test_a_worker_that_dies_is_noticed():
    with pytest.raises(WorkerError) as caught:
        list(run_in_processes(die, "a", 1, Notes()))
    assert str(caught.value) == (
        "the process of run 1 died (signal 9, perhaps for want of memory): "
        "the same command continues where it stopped"
    )


def die_once(number, listener):
    """Job 1 dies until a file is there, and job 2 always."""
    flag = Path(os.environ["WFL_SIM_TEST_FLAG"])
    if number == 2 or (number == 1 and not flag.exists()):
        if number == 1:
            flag.touch()
        die(number, listener)
    return number


def test_a_worker_that_is_killed_costs_its_job_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("WFL_SIM_TEST_FLAG", str(tmp_path / "flag"))
    notes, done = Notes(), []
    cause = "signal 9, perhaps for want of memory"
    with pytest.raises(WorkerError, match=rf"^the process of run 3 died \({cause}\): the same"):
        done.extend(run_in_processes(die_once, "abcde", 2, notes))
    assert sorted(done) == [(number, number) for number in (0, 1, 3, 4)]
    assert f"the process of run 2 died ({cause}): it is run again" in notes.said


def test_one_refusal_stops_the_others_at_once():
    started = time.monotonic()
    with pytest.raises(ScenarioError, match=r"^enough$"):
        list(run_in_processes(hang, "ab", 2, Notes()))
    assert time.monotonic() - started < 300


def search_path(number, listener):
    return os.environ.get("PATH")


def test_workers_have_the_environment_of_when_they_begin(monkeypatch):
    """Also where they are forks of a server, which has had the variable since it began."""
    assert dict(run_in_processes(search_path, "a", 1, Notes())) == {0: os.environ["PATH"]}
    monkeypatch.delenv("PATH")
    assert dict(run_in_processes(search_path, "a", 1, Notes())) == {0: None}


def test_files_of_the_working_folder_take_the_place_of_no_module(tmp_path):
    here, script = tmp_path / "here", tmp_path / "script.py"
    here.mkdir()
    (here / "numbers.py").write_text("raise SystemExit('not the library')")
    script.write_text(
        "import wfl_sim.cli.options, tests.execution.test_worker_pool as jobs\n"
        "from wfl_sim.execution.worker_pool import run_in_processes\n"
        "print(list(run_in_processes(jobs.square, 'a', 1, jobs.Notes())))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    words = [sys.executable, script]
    said = subprocess.run(words, cwd=here, env=environment, capture_output=True, text=True)
    assert said.stdout == "[(0, 0)]\n", said.stderr


@pytest.mark.skipif(not isinstance(worker_pool._context(), ForkServerContext), reason="spawns")
def test_ctrl_c_is_heard_while_the_server_of_forks_imports(monkeypatch):
    """A fork blocks SIGINT as its server does, which begins with SIGINT blocked."""
    blocked = {}

    def noted(name, function):
        def noting(*arguments):
            blocked.setdefault(name, signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))
            return function(*arguments)

        return noting

    began = noted("server", forkserver.ensure_running)
    monkeypatch.setattr(forkserver, "ensure_running", began)
    monkeypatch.setattr(ForkServerProcess, "start", noted("worker", ForkServerProcess.start))
    assert dict(run_in_processes(square, "a", 1, Notes())) == {0: 0}
    assert blocked == {"server": True, "worker": False}
