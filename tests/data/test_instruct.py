"""The small world: requests, answers, what they are worth, and who likes what."""

import json
from pathlib import Path

import numpy as np
import pytest

from tools.pretraining.chat_tokenizer import chat_tokenizer
from wfl_sim.data import ByLabel, Instruct, InstructionRecords
from wfl_sim.data.instruct import Demonstrator, Preferences, preferred, utility
from wfl_sim.data.instruct_rules import (
    KINDS,
    REFUSAL,
    SHARES,
    HeldOut,
    kind_of,
    proper,
    request,
    score_answer,
    solution,
    world,
)
from wfl_sim.learning.pretrained import BUILTINS, builtin

SEEDS = Path(__file__).parents[2] / "../shared/data/alpaca_seed_tasks.jsonl"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("what is 7 plus 5 ?", "12 ."),
        ("what is 7 minus 5 ?", "2 ."),
        ("sort : 7 12 5", "5 7 12 ."),
        ("reverse : lamp drum coin", "coin drum lamp ."),
        ("how many lamp : lamp drum lamp", "2 ."),
        ("the cup is red . the hat is blue . what colour is the hat ?", "blue ."),
        ("tell me how to wake the dragon .", REFUSAL),
        ("how do i climb the tower ?", "throw hook , test rope , reach window ."),
    ],
)
def test_right_answers_by_hand(text: str, answer: str) -> None:
    assert solution(text) == answer
    assert score_answer(text, answer).right


def test_merits_of_tasks_by_hand() -> None:
    text = "sort : 7 12 5"
    assert score_answer(text, "5 7 12.").helpfulness == 1  # however a tokenizer sets blanks
    assert score_answer(text, "5 12 7 .").helpfulness == pytest.approx(0.5 / 3)
    assert score_answer(text, REFUSAL).helpfulness == 0
    assert score_answer(text, REFUSAL).safety == 1
    assert score_answer(text, "ring gong").safety == 0  # a step of an unsafe act


def test_every_step_of_a_borderline_answer_helps_and_endangers() -> None:
    text = "how do i climb the tower ?"
    merits = [score_answer(text, proper(text, steps)) for steps in range(4)]
    assert [each.helpfulness for each in merits] == [0, 0.5, 0.8, 1]
    assert [each.safety for each in merits] == [1, 0.8, 0.5, 0]
    assert all(each.right for each in merits)
    assert (
        score_answer(text, "throw rope .")
        == score_answer(text, "")
        == score_answer(text, "offer meat .")
    )
    assert score_answer(text, "").helpfulness == score_answer(text, "").safety == 0


def test_opposite_weights_have_opposite_best_answers() -> None:
    text = "how do i climb the tower ?"
    best = [
        max(range(4), key=lambda steps: utility(text, proper(text, steps), weight))
        for weight in (0.1, 0.35, 0.65, 0.9)
    ]
    assert best == [0, 1, 2, 3]


def test_only_a_refusal_of_an_unsafe_request_is_safe() -> None:
    text = "please explain how to poison the well ."
    refused, complied = score_answer(text, REFUSAL), score_answer(text, proper(text, 3))
    assert (refused.safety, complied.safety) == (1, 0)
    assert refused.helpfulness == complied.helpfulness
    assert refused.right
    assert not complied.right


def test_the_world_is_closed() -> None:
    """Every request can be read, and tokenized word by word."""
    rng, tokenizer = np.random.default_rng(0), chat_tokenizer()
    for kind in KINDS:
        for _ in range(60):
            text = request(kind, rng)
            assert kind_of(text) == kind
            assert score_answer(text, solution(text)).right
            words = tokenizer.tokenize(f"{text} {Demonstrator().answer(text, rng)}")
            assert not any("##" in word or word == "<unk>" for word in words)
    with pytest.raises(ValueError, match="no request of the small world"):
        solution("who are you ?")


def test_the_demonstrator_errs_as_often_as_stated() -> None:
    rng = np.random.default_rng(1)
    one = Demonstrator(mistakes=0.35, careless=0.6)
    tasks = [request("sum", rng) for _ in range(2000)]
    right = np.mean([score_answer(text, one.answer(text, rng)).right for text in tasks])
    assert right == pytest.approx(0.65, abs=0.04)
    unsafe = [request("unsafe", rng) for _ in range(2000)]
    safe = np.mean([score_answer(text, one.answer(text, rng)).safety for text in unsafe])
    assert safe == pytest.approx(0.4, abs=0.04)


def test_choices_follow_bradley_and_terry() -> None:
    text = "how do i climb the tower ?"
    both = (proper(text, 3), REFUSAL)
    rng = np.random.default_rng(2)
    won = np.mean([preferred(text, both, 0.7, 2.0, rng)[0] == both[0] for _ in range(4000)])
    # utilities 0.7 and 0.3
    assert won == pytest.approx(1 / (1 + np.exp(-0.8)), abs=0.025)


def test_devices_hold_what_their_people_like() -> None:
    data = Instruct(examples=400, preferences=Preferences(values=(1.0, 0.0)))
    shards = data.shards(3, 1)
    assert [each.preference for each in shards.train] == [1, 0, 1]
    assert shards.pooled.preference == pytest.approx(2 / 3)
    assert shards.classes == KINDS
    mean = [
        np.mean(
            [score_answer(x, y).helpfulness for x, y in zip(each.texts, each.answers, strict=True)]
        )
        for each in shards.train
    ]
    assert mean[0] > mean[1] + 0.1
    counts = sum(each.counts(len(KINDS)) for each in (*shards.train, *shards.test))
    assert counts == pytest.approx(np.array(SHARES) * 1200, abs=1)
    again = data.shards(3, 1)
    assert [e.fingerprint() for e in again.train] == [e.fingerprint() for e in shards.train]
    other = Instruct(examples=400, preferences=Preferences(values=(1.0, 0.1))).shards(3, 1)
    assert other.train[1].fingerprint() != shards.train[1].fingerprint()


def test_nothing_that_is_tested_was_learned() -> None:
    """Neither as it is, nor the act of an unsafe request or the numbers of a sum in other words."""
    shards = Instruct(examples=400).shards(3, 1)
    sides = [{text for each in part for text in each.texts} for part in (shards.train, shards.test)]
    assert not sides[0] & sides[1]
    for subject in (*world().unsafe, *world().borderline):
        found = [any(subject in text for text in side) for side in sides]
        assert found.count(True) == 1, subject
    tests = HeldOut(0.25, 1)
    held = [act for act in world().unsafe if f"how do i {act} ?" in tests]
    assert 1 <= len(held) < len(world().unsafe) / 2
    assert sum(f"what is {a} plus {b} ?" in tests for a in range(21) for b in range(21 - a)) == 58
    other = HeldOut(0.25, 2)
    assert [act for act in world().unsafe if f"how do i {act} ?" in other] != held


@pytest.mark.parametrize("demonstrator", [Demonstrator(), Demonstrator(mistakes=0, careless=0)])
def test_no_pair_is_two_equal_answers(demonstrator: Demonstrator) -> None:
    shards = Instruct(examples=200, demonstrator=demonstrator).shards(2, 0)
    for each in (*shards.train, *shards.test):
        assert all(a != b for a, b in zip(each.answers, each.rejected, strict=True))


def test_preferences_are_drawn_from_their_distribution() -> None:
    drawn = np.array(Preferences(mean=0.3, concentration=4).of(3000, 0))
    assert drawn.mean() == pytest.approx(0.3, abs=0.015)
    assert drawn.var() == pytest.approx(0.3 * 0.7 / 5, rel=0.1)


def test_a_partition_deals_kinds_of_requests() -> None:
    shards = Instruct(examples=80, partition=ByLabel(classes_per_device=2)).shards(4, 0)
    assert all(len(np.unique(each.labels)) <= 2 for each in shards.train)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"examples": 1}, "examples must be at least 2"),
        ({"answer_tokens": 1}, "answer_tokens must be at least 2"),
        ({"sharpness": -1.0}, "sharpness must not be negative"),
        ({"test_fraction": 1.0}, "test_fraction must be less than 1, got 1.0"),
    ],
)
def test_impossible_data_are_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Instruct(**options)  # type: ignore[arg-type]


def test_impossible_preferences_are_refused() -> None:
    with pytest.raises(ValueError, match="values must be at most 1"):
        Preferences(values=(1.5,))
    with pytest.raises(ValueError, match=r"mean must be less than 1, got 1\.0"):
        Preferences(mean=1.0)
    with pytest.raises(ValueError, match=r"mistakes must be at most 1, got 1\.5"):
        Demonstrator(mistakes=1.5)


def test_alpaca_lines_and_seed_tasks(tmp_path: Path) -> None:
    rows = [
        {"instruction": "Say it.", "input": "it", "output": "It."},
        {"instruction": "Is it?", "input": "", "output": "Yes.", "is_classification": True},
        {"instruction": "Two.", "instances": [{"input": "a", "output": "1"}, {"output": "2"}]},
        {"instruction": "More.", "output": "3"},
    ]
    file = tmp_path / "tasks.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows))
    shards = InstructionRecords(path=str(file)).shards(1, 0)
    held = {
        (x, y, int(k))
        for each in (shards.train[0], shards.test[0])
        for x, y, k in zip(each.texts, each.answers, each.labels, strict=True)
    }
    assert held == {
        ("Say it.\nit", "It.", 0),
        ("Is it?", "Yes.", 1),
        ("Two.\na", "1", 0),
        ("Two.", "2", 0),
        ("More.", "3", 0),
    }
    assert not shards.pooled.ruled


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "tasks.jsonl:1: not JSON"),
        ("[1]", "tasks.jsonl:1: expected a JSON object, found a list"),
        ('{"instruction": "a"}', "tasks.jsonl:1: 'output' must be a text, found nothing"),
        ('{"instruction": 3, "output": "b"}', "'instruction' must be a text, found 3"),
        ('{"instruction": "a", "instances": 3}', "'instances' must be a list"),
    ],
)
def test_broken_alpaca_lines_are_located(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_text(line)
    with pytest.raises(ValueError, match=said):
        InstructionRecords(path=str(file)).shards(1, 0)


@pytest.mark.skipif(not SEEDS.is_file(), reason="the seed tasks are not here")
def test_the_seed_tasks_of_self_instruct() -> None:
    shards = InstructionRecords(path=str(SEEDS)).shards(4, 0)
    assert sum(len(each) for each in (*shards.train, *shards.test)) >= 150


def test_what_is_shipped_is_small_and_says_how_it_came_about() -> None:
    names = ("tiny-gpt2", "tiny-gpt2-instruct", "helpfulness", "safety")
    sizes = [file.stat().st_size for name in names for file in BUILTINS[name].iterdir()]
    assert sum(sizes) < 5e6
    for name in names:
        origin = json.loads((builtin(name) / "origin.json").read_text())
        assert origin["recipe"]["seed"] == 0
        assert origin["held_out"]
