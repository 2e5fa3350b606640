"""Methods, models and data that do not go together: one located line each."""

from pathlib import Path

import pytest

from wfl_sim.config.errors import ScenarioError
from wfl_sim.config.plugin_code import plugins_allowed
from wfl_sim.scenario import resolve
from wfl_sim.scenario.loading import load
from wfl_sim.scenario.scenario import Scenario
from wfl_sim.simulation.run import prepare

SCENARIO = """name: bad
model: {pretrained: builtin:tiny-gpt2-instruct}
data:
  kind: instruct
  examples: 8
method:
  kind: pfit
rounds: {kind: synchronous, count: 1}
devices:
  - {count: 2, hardware: jetson-orin-nano}
"""


def complaint(folder: Path, *settings: str) -> str:
    file = folder / "bad.yaml"
    file.write_text(SCENARIO)

    def start() -> None:
        (loaded,) = load(file, settings=settings)
        prepare(loaded, print)

    with pytest.raises(ScenarioError) as caught:
        start()
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["model.pretrained=builtin:tiny-bert"], "writes no text"),
        (["model.pretrained=builtin:tiny-gtp2"], "did you mean 'tiny-gpt2'?"),
        (["data={kind: newswire}"], "has labels, and pfit learns to answer"),
        (["method.rewards={safety: 'builtin:saftey'}"], "did you mean 'safety'?"),
        (["method.rewards={safety: ./nowhere}"], "no such folder"),
        (
            ["method.rewards={safety: 'builtin:tiny-gpt2'}"],
            "which gives no scores",
        ),
        (["method.rewards={safety: ./mine.py}"], "names a file: add the class in it"),
        (["method.rewards={safety: ./mine.py:Mine}"], "give --allow-plugins if you trust it"),
        (["method.rewards={safety: 5}"], "safety: must be a kind of reward (given-answer)"),
        (["method.temperature=1e-40"], "temperature: must be at least 0.001, got 1e-40"),
        (
            ["method.rewards={safety: {kind: given-answer, metric: mcc}}"],
            "metric: must be of answers, and mcc is not",
        ),
        (["method.layers=9"], "method: part 'layers': 'gpt2' has 4 layers, not 9"),
        (["method.layers=0"], "method.layers: must be at least 1, got 0"),
        (
            ["method=fdlora", "method.outer_momentum=1"],
            "method.outer_momentum: must be less than 1, got 1",
        ),
        (["method.algorithm={kind: pppo}"], "unknown algorithm 'pppo', did you mean 'ppo'?"),
        (["method.algorithm={kind: ppo, clip: 0}"], "clip: must be greater than 0, got 0"),
        (["method.algorithm={kind: grpo, group: 1}"], "group: must be at least 2, got 1"),
        (["method.attention={ratio: 0}"], "ratio: must be greater than 0, got 0"),
        (["method={kind: pwff, algorithm: dpo}"], "it must be linear"),
        (["method={kind: fedmoa, algorithm: ppo}"], "algorithm: must be grpo"),
        (["method={kind: fedmoa, weight: 2}"], "weight: must be at most 1, got 2"),
        (["method={kind: fedmoa, sharpness: -1}"], "sharpness: must not be negative, got -1"),
        (["method.weight=2"], "weight: must be at most 1, got 2"),
        (["data.request_tokens=120"], "reads at most 128 tokens"),
        (["data.request_tokens=120", "method=fedit"], "tokens must be at most 128"),
        (["data.preferences={values: [2]}"], "values.0: must be at most 1, got 2"),
        (["method=fedper"], "fedper keeps the head alone on the device"),
        (
            ["method={kind: scaffold}", "rounds={kind: asynchronous, count: 1}"],
            "rounds.buffer: must be at least 2 for scaffold",
        ),
        (
            ["method=hetlora", "rounds={kind: asynchronous, count: 1}"],
            "rounds.buffer: must be at least 2 for hetlora",
        ),
    ],
)
def test_one_line_says_what_is_wrong(tmp_path: Path, settings: list[str], said: str) -> None:
    line = complaint(tmp_path, *settings)
    assert said in line
    assert "\n" not in line
    assert line.startswith(("bad.yaml:", "--set "))


def test_weights_that_learn_need_their_part(tmp_path: Path) -> None:
    """A method of one's own that learns them may have forgotten it."""
    (tmp_path / "w.py").write_text(
        "from wfl_sim.methods.fedmoa import FedMOA\n"
        "class W(FedMOA):\n"
        "    parts = property(lambda self: FedMOA.parts.fget(self)[:1])\n"
    )
    (tmp_path / "bad.yaml").write_text(SCENARIO)
    (loaded,) = load(
        tmp_path / "bad.yaml", settings=[f"method={tmp_path}/w.py:W"], allow_plugins=True
    )
    with pytest.raises(ScenarioError, match="method: combine: hypergradient needs one part Rew"):
        prepare(loaded, print)


def test_alpaca_has_neither_pairs_nor_rules(tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_text('{"instruction": "a", "output": "b"}\n' * 20)
    data = f"data={{kind: alpaca, path: {file}, request_tokens: 20, answer_tokens: 8}}"
    assert "these data have none" in complaint(tmp_path, data, "method.algorithm=dpo")
    rules = "method.rewards={helpfulness: rules, safety: rules}"
    assert "judge only requests of kind: instruct" in complaint(tmp_path, data, rules)


def test_a_reward_of_a_file_is_read_and_written_as_any_kind(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    source = (
        "from dataclasses import dataclass\n\n\n@dataclass(frozen=True)\nclass Mine:\n"
        "    words: int = 4\n\n    def rewards(self, requests, answers, given):\n"
        "        return [1.0] * len(answers)\n"
    )
    digests = []
    for text in (source, source.replace("1.0", "2.0")):
        mine.write_text(text)
        file = tmp_path / "good.yaml"
        file.write_text(SCENARIO)
        own = f"{{kind: '{mine}:Mine', words: 2}}"
        one = f"method.rewards={{helpfulness: given-answer, safety: {own}}}"
        with plugins_allowed():
            (loaded,) = load(file, settings=[one])
            written = resolve.to_dict(loaded.scenario)
            assert written["method"]["rewards"]["safety"] == {"kind": f"{mine}:Mine", "words": 2}
            assert Scenario.from_dict(written) == loaded.scenario
        digests.append(resolve.digest(loaded.scenario))
    assert digests[0] != digests[1]
