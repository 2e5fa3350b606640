"""The store: what is put comes back, and nothing else."""

import errno

import numpy as np
import pytest
from safetensors.numpy import load, save

from tests.execution.test_executors import rounds
from tests.execution.test_graph import Counting
from wfl_sim.execution.executors import Inline, Processes
from wfl_sim.execution.graph import TaskGraph
from wfl_sim.execution.result_file import add_checksum
from wfl_sim.execution.store import Store
from wfl_sim.execution.store_maintenance import damaged
from wfl_sim.execution.task import Result

KEY = "0123456789abcdef" * 2


def result(seed=0):
    rng = np.random.default_rng(seed)
    return Result(
        {
            "upload": {"lora/a": rng.normal(size=(3, 2)).astype(np.float32)},
            "private": {"head/b": rng.normal(size=4).astype(np.float32), "x/y.z": np.float32([1])},
            "empty": {},
        },
        {"loss": 1 / 3, "accuracy": 0.5},
    )


def written(folder, key):
    store = Store(folder)
    store.put(key, result())
    store.flush()


def same(a, b):
    return (
        a.values == b.values
        and a.states.keys() == b.states.keys()
        and all(
            (a.states[o][n] == b.states[o][n]).all()
            and a.states[o][n].dtype == b.states[o][n].dtype
            for o in a.states
            for n in a.states[o] | b.states[o]
        )
    )


def test_what_is_put_comes_back_from_disk(tmp_path):
    written(tmp_path, KEY)
    store = Store(tmp_path)
    assert KEY in store
    assert same(store.get(KEY), result())


def test_the_order_of_tensors_is_kept_on_disk(tmp_path):
    """Sums over tensors, and noise that is drawn for one after the other, depend on it."""
    array = np.ones(2, np.float32)
    states = {"upload": {"lora/b": array, "lora/a": array, "head/w": array}, "private": {}}
    with Store(tmp_path) as store:
        store.put(KEY, Result(states, {}))
    read = Store(tmp_path).get(KEY)
    assert list(read.states["upload"]) == ["lora/b", "lora/a", "head/w"]
    assert read.states["private"] == {}


def test_what_was_never_put_is_not_there(tmp_path):
    store = Store(tmp_path)
    assert KEY not in store
    with pytest.raises(KeyError):
        store.get(KEY)


@pytest.mark.parametrize("damage", ["cut", "flip", "value", "empty", "text"])
def test_a_damaged_entry_is_reported_discarded_and_made_again(tmp_path, caplog, damage):
    written(tmp_path, KEY)
    (file,) = tmp_path.rglob("*.safetensors")
    content = bytearray(file.read_bytes())
    if damage == "cut":
        content = content[:-5]
    elif damage == "flip":
        content[-3] ^= 1
    elif damage == "value":
        content = content.replace(b"0.5", b"0.6")
    elif damage == "empty":
        content = bytearray()
    else:
        content = bytearray(b"not a tensor file at all")
    file.write_bytes(content)
    store = Store(tmp_path)
    assert KEY not in store
    assert not file.exists()
    assert "is damaged" in caplog.text
    store.put(KEY, result())
    store.flush()
    assert same(Store(tmp_path).get(KEY), result())


def test_memory_is_bounded_and_disk_remembers(tmp_path):
    store = Store(tmp_path, memory=100)
    keys = [f"{n:032x}" for n in range(20)]
    for n, key in enumerate(keys):
        store.put(key, result(n))
    assert repr(store).endswith("2 in memory)")
    assert all(same(store.get(key), result(n)) for n, key in enumerate(keys))


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    store = Store(tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)

    def one():
        store.put(KEY, result())
        store.flush()

    with pytest.raises(OSError, match=r"cannot be written \(No space left") as caught:
        one()
    assert caught.value.filename == str(tmp_path)
    assert not [*tmp_path.rglob("*.part"), *tmp_path.rglob("*.safetensors")]
    assert KEY not in Store(tmp_path)


def test_a_full_disk_is_noticed_by_and_by_without_a_flush(tmp_path, monkeypatch):
    store = Store(tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    def many():
        for n in range(10_000):
            store.put(f"{n:032x}", result())

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space left"):
        many()


OTHER = "fedcba9876543210" * 2


def file_of(folder, key):
    return folder / key[:2] / f"{key}.safetensors"


def test_an_entry_in_the_place_of_another_is_damaged(tmp_path, caplog):
    written(tmp_path, KEY)
    file_of(tmp_path, OTHER).parent.mkdir()
    file_of(tmp_path, KEY).rename(file_of(tmp_path, OTHER))
    ((entry, reason),) = damaged(tmp_path)
    assert (entry.key, reason) == (OTHER, f"it holds the result of {KEY}")
    store = Store(tmp_path)
    assert OTHER not in store
    assert f"is damaged (it holds the result of {KEY}): made again" in caplog.text
    assert not file_of(tmp_path, OTHER).exists()


def test_an_entry_that_names_no_key_is_damaged(tmp_path):
    written(tmp_path, KEY)
    file = file_of(tmp_path, KEY)
    content = load(file.read_bytes())
    metadata = {"outputs": '["empty", "private", "upload"]', "values": "{}", "checksum": "0" * 64}
    file.write_bytes(add_checksum(save(content, metadata)))
    ((_, reason),) = damaged(tmp_path)
    assert reason == "it holds the result of a key that it does not name, of an earlier version"


def test_an_entry_that_cannot_be_read_is_written_anew(tmp_path, caplog, monkeypatch):
    written(tmp_path, KEY)

    def refused(path, *rest, **options):
        if str(path).endswith(f"{KEY}.safetensors"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return open(path, *rest, **options)

    monkeypatch.setattr("wfl_sim.execution.store.open", refused, raising=False)
    store = Store(tmp_path)
    assert KEY not in store
    assert KEY not in store
    assert not store.holds(KEY)
    assert caplog.text.count("cannot be read (Permission denied): made again") == 1
    store.put(KEY, result())
    store.flush()
    monkeypatch.undo()
    assert store.holds(KEY)
    assert same(Store(tmp_path).get(KEY), result())


def test_an_entry_of_another_owner_is_used(tmp_path, monkeypatch):
    written(tmp_path, KEY)

    def refused(*_, **__):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("wfl_sim.execution.store.os.utime", refused)
    assert KEY in Store(tmp_path)


@pytest.mark.parametrize("executor", [Inline(), Processes(workers=2)], ids=["inline", "processes"])
def test_a_folder_in_the_place_of_an_entry_is_one_line(tmp_path, executor, caplog):
    with TaskGraph(Counting(), Store(tmp_path / "alone")) as graph:
        (first, *_) = rounds(graph)
    file_of(tmp_path, first).mkdir(parents=True)
    with (
        Store(tmp_path) as store,
        pytest.raises(OSError, match=rf"cannot be written \(Is a directory\).*{first}"),
        TaskGraph(Counting(), store, executor=executor) as graph,
    ):
        graph.compute(rounds(graph))
    assert len(caplog.records) < 10
