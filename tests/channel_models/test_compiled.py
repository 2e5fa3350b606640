"""When compiled loops are loaded."""

import os
import time
from types import ModuleType

import pytest

from channel_models import compiled


@pytest.fixture
def clock(monkeypatch):
    """Seconds of the processor, to be set; nothing is loaded, and nothing counted."""
    now = [100.0]
    loops = ModuleType("loops")
    monkeypatch.setattr(time, "process_time", lambda: now[0])
    monkeypatch.setattr(compiled, "_loaded", compiled.cache(lambda: loops))
    monkeypatch.setattr(compiled, "_are_compiled", lambda: False)
    monkeypatch.setattr(compiled, "_clock", compiled.cache(compiled._Clock))
    monkeypatch.delenv("WFL_SIM_COMPILED", raising=False)
    return now


def asked(clock, times, apart):
    """Return whether loops were there at each of so many questions."""
    there = []
    for _ in range(times):
        clock[0] += apart
        there.append(compiled.kernels() is not None)
    return there


def test_they_are_loaded_after_five_seconds_of_computing(clock):
    there = asked(clock, 60, 0.125)
    assert there.index(True) == 40, "the first question starts the clock"
    assert all(there[40:])


def test_what_is_compiled_is_loaded_after_one(clock, monkeypatch):
    monkeypatch.setattr(compiled, "_are_compiled", lambda: True)
    assert asked(clock, 60, 0.125).index(True) == 8


def test_code_of_this_version_is_seen(monkeypatch, tmp_path):
    source, made = tmp_path / "fading" / "kernels.py", tmp_path / "fading" / "__pycache__"
    made.mkdir(parents=True)
    source.write_text("")
    monkeypatch.setattr(compiled, "__file__", str(tmp_path / "compiled.py"))
    assert not compiled._are_compiled()
    code = made / "kernels.block_power-72.py311.nbi"
    code.write_bytes(b"")
    os.utime(source, (1000, 1000))
    assert compiled._are_compiled()
    os.utime(code, (999, 999))
    assert not compiled._are_compiled(), "of an older version"


def test_training_between_the_networks_of_runs_does_not_count(clock):
    for _ in range(10):
        clock[0] += 60.0
        assert not any(asked(clock, 10, 0.02))


@pytest.mark.parametrize(("wish", "there"), [("always", True), ("never", False)])
def test_a_wish_is_heard_at_once(clock, monkeypatch, wish, there):
    monkeypatch.setenv("WFL_SIM_COMPILED", wish)
    assert asked(clock, 100, 1.0) == [there] * 100


@pytest.mark.parametrize("there", [False, True])
def test_the_wait_for_the_compiler_is_said(monkeypatch, caplog, there):
    pytest.importorskip("numba")
    monkeypatch.setattr(compiled, "_are_compiled", lambda: there)
    assert compiled._loaded.__wrapped__() is not None
    lines = (
        [] if there else ["numba compiles the loops of the radio, once on this machine: 20 to 40 s"]
    )
    assert caplog.messages == lines
