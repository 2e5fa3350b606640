"""Alpaca: instructions with inputs and outputs, one JSON object a line."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

import numpy as np

from wfl_sim.config.registry import From
from wfl_sim.data.examples import Shards
from wfl_sim.data.instructions import Instructions, PromptLengths, held_out
from wfl_sim.data.partition import IID, PARTITIONS, Partition, divided
from wfl_sim.data.sharding import check_test_fraction, draw_rows, left_out
from wfl_sim.data.text_file import TextFile, scalar

KINDS = ("open", "classification")


@dataclass(frozen=True, kw_only=True)
class Alpaca(TextFile):
    """A UTF-8 file with one JSON object a line: `instruction`, `input`, `output`.

    The form of R. Taori et al., Stanford Alpaca, 2023. A line with `instances`, a list of inputs
    and outputs, as in the seed tasks of Y. Wang et al., Self-Instruct, arXiv:2212.10560, gives an
    example for each. The kinds that a partition divides are the values of `topic` where the lines
    have it, else tasks marked `is_classification` and all others.

    Attributes:
        request_tokens, answer_tokens: lengths of requests and of answers.
        test_fraction: part of a device's requests held out.
        partition: which device holds which examples.
        limit: at most this many examples, drawn at random; all without it.
        decoding: whether an evaluated network samples its tokens, or writes the most likely.
    """

    request_tokens: int = 96
    answer_tokens: int = 32
    test_fraction: float = 0.2
    partition: Annotated[Partition, From(PARTITIONS)] = field(default_factory=IID)
    limit: int | None = None
    decoding: Literal["sampled", "greedy"] = "greedy"

    def __post_init__(self) -> None:
        PromptLengths(request=self.request_tokens, answer=self.answer_tokens)
        check_test_fraction(self.test_fraction)
        if self.limit is not None and self.limit < 2:
            raise ValueError(f"limit must be at least 2 examples, got {self.limit}")

    @property
    def tokens(self) -> int:
        """Number of tokens of a request with its answer."""
        return self.request_tokens + self.answer_tokens

    def shards(self, devices: int, seed: int) -> Shards:
        """Read the file and divide its examples over `devices` devices.

        Raises FileNotFoundError without the file, ValueError for a file that cannot be read as
        stated or a partition that leaves a device with too few examples.
        """
        column = getattr(self.partition, "column", None)
        found = (
            row for source, record in self.json_lines() for row in _examples(record, source, column)
        )
        rows = draw_rows(list(found), self.limit, seed)
        if not rows:
            raise ValueError(f"{self.path}: no examples")
        texts, answers, kind_of, values = zip(*rows, strict=True)
        named = set(kind_of)
        kinds = KINDS if named <= {*KINDS} else tuple(sorted(named))
        everything = Instructions(
            texts,
            np.array([kinds.index(kind) for kind in kind_of]),
            answers=answers,
            layout=PromptLengths(request=self.request_tokens, answer=self.answer_tokens),
            greedy=self.decoding == "greedy",
        )
        parts = divided(self.partition, everything.labels, devices, seed, values)
        held = [everything.subset(part) for part in parts]
        made = held_out(held, kinds, self.test_fraction, seed)
        return replace(made, remarks=left_out(len(rows), parts, column))


def _examples(
    record: Mapping[str, Any], source: str, column: str | None
) -> list[tuple[str, str, str, str]]:
    """Return request, answer, kind and value in a column of each instance of a task."""
    instances = record.get("instances", [record])
    if not isinstance(instances, list) or not all(isinstance(each, dict) for each in instances):
        raise ValueError(f"{source}: 'instances' must be a list of JSON objects")
    kind = _text(record, "topic", source) if "topic" in record else ""
    kind = kind or KINDS[record.get("is_classification") is True]
    value = "" if column is None else scalar(record, column, source)
    return [
        (
            "\n".join(filter(None, [_text(record, "instruction", source), _input(each, source)])),
            _text(each, "output", source),
            kind,
            value,
        )
        for each in instances
    ]


def _input(record: Mapping[str, Any], source: str) -> str:
    return _text(record, "input", source) if record.get("input") else ""


def _text(record: Mapping[str, Any], key: str, source: str) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value.strip():
        found = "nothing" if value is None else "an empty text" if value == "" else repr(value)
        raise ValueError(f"{source}: {key!r} must be a text, found {found}")
    return value.strip()
