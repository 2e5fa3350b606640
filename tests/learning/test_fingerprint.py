"""The recipe covers all code that decides a learning result."""

from pathlib import Path

from tools.import_graph import imports, module_files, room_of
from wfl_sim.learning.fingerprint import SOURCES

ROOT = Path(__file__).parents[2] / "wfl_sim"

DECIDES_NOTHING = {
    "config",  # reads scenarios; their values are in the recipe by repr
    "device_models",  # costs, which are no result of a task
    "wfl_sim.execution.learner",  # a contract
    "wfl_sim.execution.processor",  # what it tells is in the recipe
    "wfl_sim.records",  # of what a run tells
}


def covered() -> set[Path]:
    return {file for pattern in SOURCES for file in ROOT.glob(pattern)}


def test_every_pattern_finds_files() -> None:
    assert all(any(ROOT.glob(pattern)) for pattern in SOURCES)


def test_every_module_that_trains_or_is_imported_to_train_is_covered() -> None:
    files = module_files()
    targets: dict[str, set[str]] = {}
    for each in imports():
        targets.setdefault(each.source, set()).add(each.target)
    rooms = ("learning", "methods", "codecs")
    pending = {name for name in files if room_of(name) in rooms and name.startswith("wfl_sim.")}
    reached: set[str] = set()
    while pending:
        module = pending.pop()
        if not {module, room_of(module)} & DECIDES_NOTHING:
            reached.add(module)
            pending |= targets.get(module, set()) - reached
    assert len(reached) > 80
    missing = {name for name in reached if files[name] not in covered()}
    assert not {name for name in missing if name.startswith("wfl_sim.")}
