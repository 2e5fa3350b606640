"""Compiled steps learn what the others learn, whichever network was compiled before."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.fixtures.runs import scenario
from tests.learning.test_grouped import farthest, learner, tasks_of
from tests.simulation.test_training_runs import TRAINING, digests
from wfl_sim.config.errors import LocatedError, ScenarioError
from wfl_sim.data.examples import Shards
from wfl_sim.execution.store import Store
from wfl_sim.learning import compiled
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.pretrained import builtin
from wfl_sim.methods import PFTT, FedIT
from wfl_sim.methods.parts import Adapter, LoRA
from wfl_sim.methods.phases import Local
from wfl_sim.simulation.simulation import Simulation

Folder = Callable[[str], Pretrained]
LOCAL = Local(steps=3, batch=4, optimizer="sgd", lr=0.1)
METHODS: list[Any] = [
    FedIT(lora=LoRA(rank=2), local=LOCAL),
    PFTT(adapter=Adapter(bottleneck=4), lora=LoRA(rank=2), local=LOCAL),
    FedIT(lora=LoRA(rank=2), local=LOCAL),
]

compiler = pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("clang++")), reason="no C++ compiler"
)


def one_layer(network: str | Path, folder: Path) -> Pretrained:
    """Copy a network without all layers but the first: a compiler takes ten seconds for each."""
    shutil.copytree(network, folder)
    config = json.loads((folder / "config.json").read_text()) | {"num_hidden_layers": 1}
    (folder / "config.json").write_text(json.dumps(config))
    return Pretrained(pretrained=str(folder))


@compiler
@pytest.mark.slow
def test_compiled_steps_learn_the_same_in_any_company(
    quiet: Folder, shards: Shards, tmp_path: Path
) -> None:
    """Torch keeps what it compiles by code: adapters must not be lost to a network without them."""
    shallow = one_layer(quiet("bert").pretrained, tmp_path / "shallow")
    for method in METHODS:
        plain = learner(shallow, shards, method)
        quick = learner(replace(shallow, compile=True), shards, method)
        assert quick.recipe != plain.recipe
        assert quick.workload(0) == plain.workload(0)
        for task, given in list(zip(*tasks_of(quick), strict=True))[:2]:
            expected = plain.run(replace(task, recipe=plain.recipe), given)
            found = quick.run(task, given)
            assert quick.run(task, given).values == found.values
            assert found.values["train_loss"] == pytest.approx(
                expected.values["train_loss"], rel=1e-5
            )
            assert farthest(expected.states["upload"], found.states["upload"]) < 1e-5
            assert farthest(expected.states["private"], found.states["private"]) < 1e-5


@compiler
@pytest.mark.slow
def test_another_process_compiles_to_the_same_bits(tmp_path: Path) -> None:
    shallow = one_layer(builtin("tiny-bert"), tmp_path / "shallow")
    own = f"model={{pretrained: {shallow.pretrained}, compile: true}}"
    one = Simulation(scenario(tmp_path, own, text=TRAINING)).run(Store(tmp_path / "one"))
    spread = scenario(tmp_path, own, "execution={kind: processes, workers: 1}", text=TRAINING)
    assert digests(Simulation(spread).run(Store(tmp_path / "two"))) == digests(one)


def test_where_torch_cannot_compile_one_line_says_so(
    quiet: Folder, shards: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(model: Any) -> Any:
        def forward(**inputs: Any) -> Any:
            raise torch._dynamo.exc.TorchDynamoException("no compiler\nhere")

        return forward

    monkeypatch.setattr(compiled.torch, "compile", refuse)
    learn = learner(replace(quiet("bert"), compile=True), shards, METHODS[0])
    task, given = (each[0] for each in tasks_of(learn))
    with pytest.raises(OSError, match=r"^model\.compile: torch cannot compile here: no compiler$"):
        learn.run(task, given)


def test_what_does_not_go_together_is_one_line(tmp_path: Path) -> None:
    both = "model={pretrained: builtin:tiny-bert, compile: true, activations: 1 MB}"
    with pytest.raises(
        ScenarioError, match=r"model\.compile: does not go with activations"
    ) as caught:
        scenario(tmp_path, both, text=TRAINING)
    assert "\n" not in str(caught.value)
    speaks = "model={pretrained: builtin:tiny-gpt2, compile: true}"
    with pytest.raises(LocatedError, match="compile is for classifiers") as refused:
        Simulation(
            scenario(
                tmp_path,
                speaks,
                "data={kind: instruct}",
                "method={kind: fedit}",
                text=TRAINING,
            )
        )
    assert refused.value.path == ("model",)
