"""Types of PEFT as parts: each trains one step, is sent whole, averaged, and leaves as it came."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForSequenceClassification

from tests.learning.test_learner import Device, learner
from tests.learning.test_peft_folder import CLASSES, logits, trained
from wfl_sim.config.documents import SourcedStr
from wfl_sim.config.errors import LocatedError
from wfl_sim.data.examples import Shards
from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.base_models.model_loading import load_model
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.objectives import supervised_loss
from wfl_sim.learning.peft.peft_folder import write_peft
from wfl_sim.methods.aggregation import Upload
from wfl_sim.methods.fedpeft import FedPEFT
from wfl_sim.methods.parts import Head, LoRA, Part, Tuner
from wfl_sim.methods.phases import Local, Phase, one_phase

Folder = Callable[[str], Pretrained]
LOCAL = Local(steps=1, batch=4, lr=1e-2)
HEAD = 3 * 32 + 3
QV = 2 * 2
"""Query and value projections of two layers, 32 wide, with feed-forward layers of 64."""
TYPES = {
    "dora": (Tuner(type="dora", options={"r": 2}), QV * (2 * 2 * 32 + 32)),
    "ia3": (Tuner(type="ia3"), 2 * (32 + 32 + 32 + 64)),
    "vera": (Tuner(type="vera", options={"r": 4}), QV * (4 + 32)),
    "bitfit": (Tuner(type="bitfit"), 32 + 2 * (4 * 32 + 32 + 64 + 32 + 32) + 32),
}
"""Each with the number of its values on the BERT of the tests."""


def method(tuner: Tuner) -> FedPEFT:
    return FedPEFT(tuner=tuner, local=LOCAL)


@pytest.mark.parametrize("kind", TYPES)
def test_one_step_is_trained_sent_and_averaged(quiet: Folder, shards: Shards, kind: str) -> None:
    tuner, values = TYPES[kind]
    bench = learner(quiet("bert"), shards, method(tuner))
    device = Device(bench)
    begin = device.shared.states["shared"]
    assert sum(value.size for value in begin.values()) == values + HEAD
    header = bench.workload(0).upload_bits - 32 * (values + HEAD)
    assert 0 < header < 0.5 * 8 * 1024 * len(begin)
    uploads = [device.update(each).states["upload"] for each in (0, 1)]
    moved = [name for name in begin if (uploads[0][name] != begin[name]).any()]
    assert any(name.startswith("tuner/") for name in moved)
    mean = bench.method.aggregate(begin, [Upload(uploads[0], 3), Upload(uploads[1], 1)])
    for name, value in mean.items():
        expected = 0.75 * uploads[0][name] + 0.25 * uploads[1][name]
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)


def test_a_type_of_peft_goes_on_beside_a_lora_that_is_muted(quiet: Folder) -> None:
    parts = Part(name="l", config=LoRA(rank=2)), Part(name="t", config=TYPES["dora"][0])
    adapted = AdaptedModel(load_model(quiet("bert"), 3, 0), parts)
    drawn = {name: value + 0.1 for name, value in adapted.read(["t"]).items()}
    adapted.load(drawn, adapted.read(["l"]))  # the LoRA is new, and adds nothing
    expected = logits(adapted.model)
    with adapted.muted(Phase(trains=("t",), local=LOCAL, mutes=("l",))):
        assert torch.allclose(logits(adapted.model), expected)
    assert torch.allclose(logits(adapted.model), expected)


@pytest.mark.parametrize("kind", ["dora", "ia3", "vera"])
def test_a_new_one_is_the_network_itself(quiet: Folder, kind: str) -> None:
    """And a reset brings it back, whatever the seed."""
    plain = load_model(quiet("bert"), 3, 0)
    expected = logits(plain)
    adapted = AdaptedModel(
        load_model(quiet("bert"), 3, 0), (Part(name="t", config=TYPES[kind][0]),)
    )
    for seed in (1, 2):
        adapted.load({name: value + 1 for name, value in adapted.read(adapted.parts).items()})
        assert not torch.allclose(logits(adapted.model), expected, atol=2e-5, rtol=0)
        adapted.reset(adapted.parts, seed)
        torch.testing.assert_close(logits(adapted.model), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "tuner",
    [
        TYPES["dora"][0],
        TYPES["ia3"][0],
        Tuner(type="lora", options={"bias": "all"}),
        Tuner(type="lora", options={"modules_to_save": ["pooler"]}),
    ],
)
def test_it_loads_in_peft(quiet: Folder, tmp_path: Path, tuner: Tuner) -> None:
    parts = method(tuner).parts
    adapted, state = trained(quiet("bert"), parts)
    write_peft(quiet("bert"), parts, state, CLASSES, tmp_path)
    base = AutoModelForSequenceClassification.from_pretrained(
        quiet("bert").pretrained, num_labels=3, ignore_mismatched_sizes=True
    )
    network = PeftModel.from_pretrained(base, tmp_path).eval()
    torch.testing.assert_close(logits(network), logits(adapted.model), atol=1e-5, rtol=1e-4)


@pytest.mark.filterwarnings("ignore::UserWarning:peft")  # of layers that it does not list
def test_whole_modules_are_in_a_merged_network(quiet: Folder, tmp_path: Path) -> None:
    """PEFT leaves the head in a wrapper for some types."""
    parts = method(Tuner(type="ln-tuning", options={"target_modules": ["LayerNorm"]})).parts
    adapted, state = trained(quiet("bert"), parts)
    write_peft(quiet("bert"), parts, state, CLASSES, tmp_path, merge=True)
    network = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(logits(network), logits(adapted.model), atol=1e-5, rtol=1e-4)


def test_what_peft_cannot_merge_is_one_line(quiet: Folder, tmp_path: Path) -> None:
    parts = method(Tuner(type="ia3", options={"modules_to_save": ["pooler"]})).parts
    _, state = trained(quiet("bert"), parts)
    with pytest.raises(ValueError, match="PEFT cannot merge IA3: leave --merge out"):
        write_peft(quiet("bert"), parts, state, CLASSES, tmp_path, merge=True)


def test_biases_of_a_lora_are_trained(quiet: Folder) -> None:
    tuner = Tuner(type="lora", options={"r": 2, "bias": "lora_only"})
    adapted = AdaptedModel(load_model(quiet("bert"), 3, 0), (Part(name="t", config=tuner),))
    found = adapted.parameters
    assert sum(each.numel() for each in found.values()) == QV * (2 * 2 * 32 + 32)


def test_texts_of_a_scenario_are_options(quiet: Folder, tmp_path: Path) -> None:
    """They have the folder of their file, which copies of PEFT's configuration keep."""
    written = [SourcedStr("key", tmp_path), SourcedStr("lora_only", tmp_path)]
    tuner = Tuner(type="lora", options={"target_modules": written[:1], "bias": written[1]})
    adapted = AdaptedModel(load_model(quiet("bert"), 3, 0), (Part(name="t", config=tuner),))
    assert len(adapted.parameters) == 2 * 3


@pytest.mark.parametrize(
    ("tuner", "said"),
    [
        (Tuner(type="bitfi"), r"PEFT has no type 'bitfi', did you mean 'bitfit'\?"),
        (Tuner(type="bitfit", options={"r": 3}), "bitfit has no options, got r"),
        (Tuner(type="ia3", options={"rank": 3}), "ia3: .*unexpected keyword argument 'rank'"),
        (
            Tuner(type="prompt-tuning", options={"num_virtual_tokens": 4}),
            "choose a type that adapts",
        ),
        (Tuner(type="adalora", options={"total_step": 9}), "adalora needs a network around"),
        (Tuner(type="poly"), "poly needs a network around"),
        (
            Tuner(type="lora", options={"alora_invocation_tokens": [1], "task_type": "CAUSAL_LM"}),
            "lora needs a network",
        ),
        (Tuner(type="trainable-tokens"), "trainable-tokens trains nothing in 'bert'"),
        (Tuner(type="ia3", options={"target_modules": ["no"], "feedforward_modules": []}), "'t': "),
    ],
)
def test_what_cannot_be_is_one_line(quiet: Folder, tuner: Tuner, said: str) -> None:
    with pytest.raises(LocatedError, match=said) as caught:
        AdaptedModel(load_model(quiet("bert"), 3, 0), (Part(name="t", config=tuner),))
    assert caught.value.path == ("method",)


@pytest.mark.filterwarnings("ignore::UserWarning:peft")  # BOFT looks for a compiler
@pytest.mark.parametrize("kind", ["boft", "loha", "lokr"])
def test_what_cannot_be_counted_on_shapes_is_one_line(
    quiet: Folder, shards: Shards, kind: str
) -> None:
    said = "cannot be counted on shapes .*: choose another .*type of PEFT"
    with pytest.raises(ValueError, match=said):
        learner(quiet("bert"), shards, FedPEFT(tuner=Tuner(type=kind))).workload(0)


@dataclass(frozen=True)
class Scale:
    """A part of one's own: one factor of the logits."""

    def attach(self, model: Any, name: str) -> dict[str, Any]:
        model.scale = torch.nn.Parameter(torch.ones(1))
        model.register_forward_hook(self._scaled)
        return {"factor": model.scale}

    def initialize(self, model: Any, name: str, value: Any, rng: Any) -> None:
        torch.nn.init.ones_(value)

    @staticmethod
    def _scaled(model: Any, inputs: Any, output: Any) -> Any:
        output.logits = output.logits * model.scale
        return output


@dataclass(frozen=True)
class Twice:
    """An objective of one's own."""

    def loss(self, model: Any, batch: Any) -> Any:
        return 2 * supervised_loss(model, batch)


def test_parts_and_objectives_may_be_ones_own(quiet: Folder, shards: Shards) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Own(FedPEFT):
        objective: Any = None

        @property
        def parts(self) -> Any:
            return Part(name="scale", config=Scale(), shared=True), Part(name="head", config=Head())  # type: ignore[arg-type]

        @property
        def phases(self) -> Any:
            local = Local(steps=1, batch=4, lr=1.0, optimizer="sgd")
            return one_phase("scale", local=local, objective=self.objective)

    moves = []
    for objective in (None, Twice()):
        device = Device(learner(quiet("bert"), shards, Own(objective=objective)))
        begin = device.shared.states["shared"]["scale/factor"]
        assert begin.tolist() == [1.0]
        moves.append(float((device.update().states["upload"]["scale/factor"] - begin)[0]))
    assert moves[0] != 0
    assert moves[1] == pytest.approx(2 * moves[0], rel=1e-3)
