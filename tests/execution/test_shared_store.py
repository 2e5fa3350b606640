"""A store that several processes use at once: locks, live users, pruning, and full disks."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter

import pytest

from tests.execution.test_executors import rounds, values
from tests.execution.test_graph import Counting
from tests.execution.test_store import KEY, result, same
from wfl_sim.execution.executors import Inline, Processes
from wfl_sim.execution.graph import TaskGraph
from wfl_sim.execution.store import Store
from wfl_sim.execution.store_locks import KeyLocks, StoreUser, live_since
from wfl_sim.execution.store_maintenance import damaged, entries, limit_of, prune, set_limit

HELPERS = """
    import sys, time
    from pathlib import Path
    from tests.execution.test_graph import Counting
    from tests.execution.test_executors import rounds
    from wfl_sim.execution.store_locks import KeyLocks
    from wfl_sim.execution.graph import TaskGraph
    from wfl_sim.execution.store import Store
    from wfl_sim.execution.task import key_of
"""


@pytest.fixture
def beside():
    """Start Python code in other processes; what still runs at the end is killed."""
    started = []

    def start(code, *arguments):
        script = textwrap.dedent(HELPERS) + textwrap.dedent(code)
        process = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_key_lock_excludes_other_processes_until_it_is_released_or_they_die(tmp_path, beside):
    locks = KeyLocks(tmp_path / "claims")
    other = beside(
        """
        locks = KeyLocks(Path(sys.argv[1]))
        print(locks.acquire("0" * 32), locks.acquire("1" * 32), flush=True)
        time.sleep(60)
        """,
        tmp_path / "claims",
    )
    assert locks.acquire("1" * 32)
    assert other.stdout.readline().split() == ["True", "False"]
    assert not locks.acquire("0" * 32)
    assert locks.acquire("2" * 32)
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    assert locks.acquire("0" * 32)


SLOW = """
    last = int(sys.argv[2]) if len(sys.argv) > 2 else 1000

    class Slow(Counting):
        def run(self, task, inputs):
            time.sleep(0.02 if len(self.ran) < last else 60)
            return super().run(task, inputs)

    learner = Slow()
    store = Store(Path(sys.argv[1]))
    with store, TaskGraph(learner, store) as graph:
        keys = rounds(graph, devices=8, count=4)
        print("ready", flush=True)
        sys.stdin.readline()
        graph.compute(keys)
        print(*(dict(graph.values(key))["accuracy"] for key in keys), flush=True)
    print(*(key_of(task) for task in learner.ran), flush=True)
"""


def begin(*processes):
    """Let processes that run SLOW begin at once, when all are ready."""
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        print(file=process.stdin, flush=True)


def straight(folder):
    """Return what SLOW prints, and the number of tasks."""
    with TaskGraph(Counting(), Store(folder)) as graph:
        keys = rounds(graph, devices=8, count=4)
        graph.compute(keys)
        return [graph.values(key)["accuracy"] for key in keys], graph.executed


def test_two_processes_on_one_store_share_the_work(tmp_path, beside):
    expected, executed = straight(tmp_path / "alone")
    both = [beside(SLOW, tmp_path / "store") for _ in range(2)]
    begin(*both)
    said = [process.stdout.read().splitlines() for process in both]
    assert all([float(word) for word in lines[0].split()] == expected for lines in said)
    times = Counter(key for lines in said for key in lines[1].split())
    assert len(times) == executed
    assert set(times.values()) == {1}
    shares = [len(lines[1].split()) for lines in said]
    assert min(shares) > 0.2 * executed


def test_the_work_of_a_process_that_dies_is_done_by_another(tmp_path, beside):
    dying, surviving = beside(SLOW, tmp_path / "store", 20), beside(SLOW, tmp_path / "store")
    begin(dying)
    while sum(1 for _ in entries(tmp_path / "store")) < 10:
        time.sleep(0.01)
    begin(surviving)
    os.kill(dying.pid, signal.SIGKILL)
    lines = surviving.stdout.read().splitlines()
    assert len(lines[1].split()) > 1
    assert [float(word) for word in lines[0].split()] == straight(tmp_path / "alone")[0]
    assert not list((tmp_path / "store" / "parts").iterdir())
    assert not list(damaged(tmp_path / "store"))


def test_work_of_a_process_that_hangs_is_not_waited_for_for_ever(tmp_path, beside, monkeypatch):
    other = beside(
        """
        store = Store(Path(sys.argv[1]))
        graph = TaskGraph(Counting(), store)
        print([store.claim(key) for key in rounds(graph)], flush=True)
        time.sleep(60)
        """,
        tmp_path,
    )
    assert "True" in other.stdout.readline()
    monkeypatch.setattr("wfl_sim.execution.graph._PATIENCE", 0.1)
    expected, _ = values(tmp_path / "alone", Counting(), Inline())
    assert values(tmp_path, Counting(), Inline())[0] == expected


def test_half_written_files_of_the_dead_go_and_those_of_the_living_stay(tmp_path, beside):
    other = beside(
        """
        store = Store(Path(sys.argv[1]))
        Path(store._user.part("x")).write_text("half")
        print("there", flush=True)
        time.sleep(60)
        """,
        tmp_path,
    )
    other.stdout.readline()
    (part,) = (tmp_path / "parts").iterdir()
    Store(tmp_path).close()
    assert part.exists()
    other.kill()
    other.wait()
    Store(tmp_path).close()
    assert not part.exists()
    assert live_since(tmp_path) is None


def filled(folder, count=6):
    with Store(folder) as store:
        for n in range(count):
            store.put(f"{n:032x}", result(n))
    for n in range(count):
        os.utime(folder / f"{n:032x}"[:2] / f"{n:032x}.safetensors", (1000 + n, 1000 + n))
    return next(iter(entries(folder))).size


def test_what_was_not_used_for_longest_goes_first(tmp_path):
    size = filled(tmp_path)
    with Store(tmp_path) as store:
        store.get(f"{0:032x}")
    done = prune(tmp_path, 3 * size)
    assert (done.entries, done.freed, done.left, done.needed) == (3, 3 * size, 3 * size, 0)
    assert sorted(int(item.key, 16) for item in entries(tmp_path)) == [0, 4, 5]


def test_what_a_run_that_goes_on_has_used_stays(tmp_path):
    size = filled(tmp_path)
    with Store(tmp_path) as store:
        store.get(f"{1:032x}")
        store.put(f"{9:032x}", result())
        store.flush()
        done = prune(tmp_path, 0)
        assert sorted(int(item.key, 16) for item in entries(tmp_path)) == [1, 9]
        assert (done.left, done.needed) == (2 * size, 2 * size)
    assert prune(tmp_path, 0).left == 0


def test_a_limit_that_is_set_during_a_run_holds_at_its_end(tmp_path):
    store = Store(tmp_path)
    for number in range(4):
        store.put(f"{number:032x}", result(number))
    set_limit(tmp_path, 0)
    store.close()
    assert list(entries(tmp_path)) == []


def test_a_run_keeps_the_store_to_its_limit(tmp_path):
    size = filled(tmp_path)
    set_limit(tmp_path, 3 * size)
    assert limit_of(tmp_path) == 3 * size
    with Store(tmp_path) as store:
        for n in range(10, 12):
            store.put(f"{n:032x}", result(n))
        store.flush()
        # Its own are safe while it goes on; what no run needs has gone already.
        assert sorted(int(item.key, 16) for item in entries(tmp_path)) == [5, 10, 11]
    set_limit(tmp_path, None)
    assert limit_of(tmp_path) is None


def test_a_run_in_a_pruned_store_makes_again_what_has_gone(tmp_path):
    expected, _ = values(tmp_path, Counting(), Inline())
    prune(tmp_path, 1000)
    assert values(tmp_path, Counting(), Inline())[0] == expected


@pytest.mark.parametrize("executor", [Inline(), Processes(workers=2)], ids=["inline", "processes"])
def test_a_disk_that_fills_up_ends_the_run_and_spoils_nothing(tmp_path, monkeypatch, executor):
    expected, _ = values(tmp_path / "alone", Counting(), Inline())
    if isinstance(executor, Inline):
        write, written = os.write, []

        def full(file, content):
            written.append(len(content))
            if len(written) > 20:
                write(file, bytes(content)[: len(content) // 2])
                raise OSError(errno.ENOSPC, "No space left on device")
            return write(file, content)

        monkeypatch.setattr("wfl_sim.execution.store.os.write", full)
    else:
        (tmp_path / "store").mkdir()
        # A folder is where some entries belong.
        for shelf in range(16, 32):
            (tmp_path / "store" / f"{shelf:02x}").write_text("in the way")
    with pytest.raises(OSError, match="cannot be written"):
        values(tmp_path / "store", Counting(), executor)
    monkeypatch.undo()
    for shelf in (tmp_path / "store").iterdir():
        if shelf.is_file() and len(shelf.name) == 2:
            shelf.unlink()
    assert not list(damaged(tmp_path / "store"))
    assert values(tmp_path / "store", Counting(), executor)[0] == expected
    assert not list((tmp_path / "store" / "parts").iterdir())


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS])
def test_a_file_system_without_locks_is_said_once_and_does(tmp_path, monkeypatch, caplog, number):
    def refused(*_):
        raise OSError(number, os.strerror(number))

    for name in ("flock", "lockf"):
        monkeypatch.setattr(f"wfl_sim.execution.store_locks.fcntl.{name}", refused)
    expected, _ = values(tmp_path / "alone", Counting(), Inline())
    caplog.clear()
    size = filled(tmp_path / "store")
    with Store(tmp_path / "store") as one, Store(tmp_path / "store") as other:
        part = tmp_path / "store" / "parts" / f"{one._user.token}.1.part"
        part.write_text("half")
        assert one.claim(KEY)
        assert other.claim(KEY)
        one.release(KEY)
        other.put(KEY, result())
        other.flush()
        prune(tmp_path / "store", 0)
        assert [item.key for item in entries(tmp_path / "store")] == [KEY]
        assert part.exists()
        part.unlink()
    assert prune(tmp_path / "store", size).left == size
    assert values(tmp_path / "store", Counting(), Inline())[0] == expected
    assert [record.message.partition(": processes")[0] for record in caplog.records] == [
        f"{tmp_path}/store: no locks here ({os.strerror(number)})"
    ]


def test_a_store_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        Store(tmp_path / "file" / "store")


def test_a_user_begins_before_anything_that_it_uses(tmp_path):
    user = StoreUser(tmp_path)
    (tmp_path / "used").write_text("")
    assert live_since(tmp_path) <= (tmp_path / "used").stat().st_mtime_ns
    user.end()
    assert live_since(tmp_path) is None


def test_an_entry_written_twice_is_the_same(tmp_path):
    with Store(tmp_path) as one, Store(tmp_path) as other:
        one.put(KEY, result())
        other.put(KEY, result())
        one.flush()
        other.flush()
        assert same(Store(tmp_path).get(KEY), result())
