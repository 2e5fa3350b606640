"""Instructions in the forms in which they are published."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from wfl_sim.data import ByColumn, InstructionRecords
from wfl_sim.data.examples import Instructions

Row = dict[str, Any]
HELLO = [("user", "Hi"), ("assistant", "Hello"), ("user", "How?"), ("assistant", "So.")]


def everything(file: Path, content: object, **settings: Any) -> dict[str, Instructions]:
    file.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
    shards = InstructionRecords(path=str(file), **settings).shards(1, 0)
    assert isinstance(shards.train[0], Instructions)
    assert isinstance(shards.test[0], Instructions)
    return {"train": shards.train[0], "test": shards.test[0]}


def lines(rows: list[Row]) -> str:
    return "\n".join(json.dumps(row) for row in rows)


def told(parts: dict[str, Instructions]) -> set[tuple[str, str]]:
    return {pair for part in parts.values() for pair in zip(part.texts, part.answers, strict=True)}


def test_an_array_reads_as_its_lines_do(tmp_path: Path) -> None:
    rows = [{"instruction": f"Do {n}", "input": "", "output": f"Done {n}"} for n in range(9)]
    array = everything(tmp_path / "a.json", rows)
    assert array == everything(tmp_path / "a.jsonl", lines(rows))
    assert array == everything(tmp_path / "b.json", json.dumps(rows))
    assert told(array) == {(f"Do {n}", f"Done {n}") for n in range(9)}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            '[\n{"instruction": "a", "output": "b"},\n{"instruction": 3}]',
            r"a.json:3: 'output' must",
        ),
        (
            '[\n{"instruction": "a", "output": "b"},\n3]',
            "a.json:3: expected a JSON object, found the number 3",
        ),
        ('[\n{"instruction": "a"},\n{"instruction": ]', "a.json:3: not JSON"),
        ('{"messages": 3}', "a.json:1: 'messages' must be a list of messages, found the number 3"),
        (
            '{"messages": [{"role": "tool", "content": "x"}]}',
            "a.json:1: 'messages': no role 'tool'",
        ),
        ('{"question": "a", "answer": "b"}', "must have 'instruction', .*, found question, answer"),
        ('{"prompt": "a", "chosen": "b", "rejected": null}', "'rejected' must be a text or a list"),
        ('{"chosen": "a", "rejected": "b"}', "a.json:1: a pair must have a request"),
        ('{"prompt": "a", "chosen": [], "rejected": "b"}', "'chosen' must end with an answer"),
        (
            '{"prompt": "a", "chosen": "b", "rejected": "c"}\n{"instruction": "a", "output": "b"}',
            "a.json:2: either all records are pairs of answers, or none",
        ),
        ('{"instruction": "a", "output": ""}', "a.json: no examples"),
    ],
)
def test_broken_records_are_located(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        everything(tmp_path / "a.json", content)


def test_empty_outputs_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [{"instruction": f"Do {n}", "output": "x" if n else " "} for n in range(5)]
    file = tmp_path / "a.json"
    file.write_text(json.dumps(rows))
    shards = InstructionRecords(path=str(file)).shards(1, 0)
    assert len(shards.train[0]) + len(shards.test[0]) == 4
    said = "1 of 5 examples left out, with an empty request or answer"
    assert shards.remarks == (said,)


def test_dolly(tmp_path: Path) -> None:
    rows = [
        {"instruction": f"Q{n}", "context": "C" * n, "response": f"R{n}", "category": f"c{n % 2}"}
        for n in range(4)
    ]
    file = tmp_path / "dolly.jsonl"
    file.write_text(lines(rows))
    shards = InstructionRecords(path=str(file)).shards(1, 0)
    assert shards.classes == ("c0", "c1")
    assert told({"train": shards.train[0], "test": shards.test[0]}) == {
        ("Q0", "R0"),
        ("Q1\nC", "R1"),
        ("Q2\nCC", "R2"),
        ("Q3\nCCC", "R3"),
    }


@pytest.mark.parametrize("form", ["messages", "conversations"])
def test_each_answer_of_a_conversation_is_an_example(tmp_path: Path, form: str) -> None:
    names = {"messages": ("role", "content"), "conversations": ("from", "value")}[form]
    speak = {"user": "human", "assistant": "gpt"} if form == "conversations" else {}
    rows: list[Row] = []
    for n in range(10):
        turns = [("system", f"Be {n}."), *HELLO]
        said = [dict(zip(names, (speak.get(a, a), b), strict=True)) for a, b in turns]
        rows.append({form: said})
    parts = everything(tmp_path / "talk.json", rows, test_fraction=0.3)
    assert (len(parts["train"]), len(parts["test"])) == (14, 6)
    for part in parts.values():
        assert part.texts[:2] == ("Hi", "How?")
        assert part.answers[:2] == ("Hello", "So.")
        system, *rest = part.earlier[1]
        assert part.earlier[0] == (system,)
        assert rest == HELLO[:2]
    # A conversation is on one side as a whole.
    heads = [{each[0] for each in part.earlier} for part in parts.values()]
    assert not heads[0] & heads[1]
    assert {role for head in heads for role, _ in head} == {"system"}


def test_a_conversation_without_requests_or_that_ends_with_one(tmp_path: Path) -> None:
    turns = [("assistant", "I am first."), ("user", "a"), ("user", "b"), ("assistant", "c")]
    messages = [{"role": role, "content": text} for role, text in [*turns, ("user", "late")]]
    file = tmp_path / "talk.json"
    file.write_text(json.dumps([{"messages": messages}] * 2))
    shards = InstructionRecords(path=str(file)).shards(1, 0)
    assert shards.train[0].texts == ("a\nb",)
    assert isinstance(shards.pooled, Instructions)
    assert shards.pooled.earlier == (((("assistant", "I am first.")),),)
    said = "2 of 4 examples left out, with an empty request or answer"
    assert shards.remarks == (said,)


ASKED = "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: How?\n\nAssistant:"
MESSAGES = [{"role": role, "content": text} for role, text in HELLO]


@pytest.mark.parametrize(
    "pair",
    [
        {"chosen": f"{ASKED} So.", "rejected": f"{ASKED} No."},
        {"prompt": ASKED, "chosen": " So.", "rejected": " No."},
        {"prompt": MESSAGES[:3], "chosen": "So.", "rejected": "No."},
        {
            "prompt": MESSAGES[:3],
            "chosen": MESSAGES[3:],
            "rejected": [{**MESSAGES[3], "content": "No."}],
        },
        {
            "prompt": "Hi",
            "chosen": MESSAGES,
            "rejected": [*MESSAGES[:3], {"role": "assistant", "content": "No."}],
        },
    ],
    ids=["hh", "hh-prompt", "prompt-messages", "answers-as-messages", "ultrafeedback"],
)
def test_pairs_of_answers(tmp_path: Path, pair: Row) -> None:
    held = everything(tmp_path / "pairs.jsonl", lines([pair] * 3))["train"]
    assert held.texts == ("How?",) * 2
    assert held.answers == ("So.",) * 2
    assert held.rejected == ("No.",) * 2
    assert held.earlier[0] == tuple(HELLO[:2])


def test_a_plain_prompt_with_plain_answers(tmp_path: Path) -> None:
    row = {"prompt": "Name two roles.", "chosen": "Such as\n\nHuman: and so on", "rejected": "No."}
    held = everything(tmp_path / "pairs.jsonl", lines([row] * 3))["train"]
    assert held.texts[0] == "Name two roles."
    assert held.answers[0] == "Such as\n\nHuman: and so on"
    assert held.earlier == ()


def test_pairs_from_which_nothing_can_be_learned(tmp_path: Path) -> None:
    good = {"prompt": "a", "chosen": "b", "rejected": "c"}
    apart = {"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: x\n\nAssistant: b"}
    file = tmp_path / "pairs.jsonl"
    file.write_text(lines([good, good, {**good, "rejected": "b"}, apart]))
    shards = InstructionRecords(path=str(file)).shards(1, 0)
    assert len(shards.train[0]) == len(shards.test[0]) == 1
    assert shards.remarks == (
        "1 of 4 examples left out, with two answers that are the same",
        "1 of 4 examples left out, with answers to two different requests",
    )


def test_an_official_test_set_is_the_pooled_one(tmp_path: Path) -> None:
    rows = [{"instruction": f"Do {n}", "output": f"Done {n}"} for n in range(9)]
    (tmp_path / "t.json").write_text(json.dumps([{"instruction": "Q", "output": "A"}]))
    (tmp_path / "a.json").write_text(json.dumps(rows))
    data = InstructionRecords(path=str(tmp_path / "a.json"), test=str(tmp_path / "t.json"))
    assert data.shards(2, 0).pooled.texts == ("Q",)
    assert len(data.shards(2, 0).test[0]) == 1
    named = [{**row, "user": n % 2} for n, row in enumerate(rows)]
    (tmp_path / "a.json").write_text(json.dumps(named))
    by_user = replace(data, partition=ByColumn(column="user"))
    assert by_user.shards(2, 0).pooled.texts == ("Q",)
