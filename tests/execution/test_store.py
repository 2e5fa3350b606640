import numpy as np
import pytest

from wfl_sim.execution.store import Store
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
