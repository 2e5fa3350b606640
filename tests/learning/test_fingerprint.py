"""The recipe covers all code that decides a learning result."""

from pathlib import Path

import torch

from tools.import_graph import imports, module_files, room_of
from wfl_sim.codecs.dense import Float32
from wfl_sim.learning import fingerprint
from wfl_sim.learning.base_models import pretrained_model
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.fingerprint import SOURCES, learner_fingerprint
from wfl_sim.methods.fedit import FedIT

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


def test_what_an_accelerator_computes_with_is_in_the_recipe(monkeypatch) -> None:
    """The library that restores its weights, and a variable that cuBLAS reads by itself."""
    versions = {"bitsandbytes": "0.45.0"}
    known = fingerprint.version
    monkeypatch.setattr(pretrained_model, "find_spec", lambda _: True)
    monkeypatch.setattr(fingerprint, "version", lambda name: versions.get(name) or known(name))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)

    def recipe(**settings: str) -> str:
        model = Pretrained(pretrained="builtin:tiny-bert", **settings)
        codecs = Float32(), Float32()
        own = {"method": FedIT(), "codecs": codecs, "tokens": 16, "classes": 2, "threads": 1}
        return learner_fingerprint(model=model, **own)

    asked = {"device": "cuda", "quantise": "bnb-nf4"}
    before = recipe(), recipe(device="cuda"), recipe(**asked)
    versions["bitsandbytes"] = "0.46.0"
    newer = recipe(), recipe(device="cuda"), recipe(**asked)
    assert [one == other for one, other in zip(before, newer, strict=True)] == [True, True, False]
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    forced = recipe(), recipe(device="cuda"), recipe(**asked)
    assert [one == other for one, other in zip(newer, forced, strict=True)] == [True, False, False]
