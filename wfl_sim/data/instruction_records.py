"""Instructions, conversations and pairs of answers, from a file or the Hub."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from annotated_types import Ge

from wfl_sim.config.errors import counted
from wfl_sim.config.fields import Bounded, FilePath, ProperShare
from wfl_sim.config.registry import From
from wfl_sim.data.dialogues import KINDS, Exchange, conversations, kind_of
from wfl_sim.data.examples import Instructions, Length, PromptLengths, Shards, joined
from wfl_sim.data.hub import load_hub
from wfl_sim.data.partition import IID, PARTITIONS, Partition, divided
from wfl_sim.data.sharding import DATA, draw_rows, hold_out_rows, left_out
from wfl_sim.data.text_file import TextFile, check_apart, scalar

FILES: Final = (".json", ".jsonl")


@dataclass(frozen=True, kw_only=True)
class Talk:
    """A conversation, which one device holds as a whole."""

    exchanges: tuple[Exchange, ...]
    kind: str
    value: str
    """In the column of the partition; empty without one."""


@DATA("instructions")
@DATA("alpaca")
@dataclass(frozen=True, kw_only=True)
class InstructionRecords(Bounded, TextFile):
    """Instructions, conversations or pairs of answers: a JSON array or JSON lines, or of the Hub.

    A record has one of these forms: `instruction`, `input`, `output` (R. Taori et al., Stanford
    Alpaca, 2023), with `instances`, a list of inputs and outputs, where a task has several (Y. Wang
    et al., Self-Instruct, arXiv:2212.10560); `instruction`, `context`, `response`, `category` (M.
    Conover et al., Dolly, 2023); `messages` of `role` and `content`, or `conversations` of `from`
    and `value` (ShareGPT); `chosen` and `rejected`, as texts in the form of Y. Bai et al.,
    arXiv:2204.05862 (HH-RLHF), or with a `prompt`, as texts or messages (G. Cui et al.,
    UltraFeedback, arXiv:2310.01377). Each answer of a conversation is an example, with what was
    said before it; one device holds the whole conversation, to train or to test. The kinds that a
    partition divides are the values of `topic` or of Dolly's `category`, else tasks marked
    `is_classification` and all others.

    Attributes:
        path: a file, a folder that `datasets` can load, or the name of a data set on the Hub.
        config: of a data set on the Hub, where it has several.
        split: of a data set on the Hub.
        request_tokens, answer_tokens: lengths of requests and of answers.
        test_fraction: part of a device's conversations held out.
        test: official test set, another file or split, on which shared models are evaluated.
        documents: text file with a document on each line, for methods that retrieve.
        partition: which device holds which conversations.
        limit: at most this many conversations, drawn at random; all without it.
        decoding: whether an evaluated network samples its tokens, or writes the most likely.
    """

    path: Annotated[str, FilePath(or_name=True, files=FILES)]
    config: str | None = None
    split: str = "train"
    request_tokens: Length = 96
    answer_tokens: Length = 32
    test_fraction: ProperShare = 0.2
    test: Annotated[str, FilePath(or_name=True, files=FILES)] | None = None
    documents: Annotated[str, FilePath(files=(".txt",))] | None = None
    partition: Annotated[Partition, From(PARTITIONS)] = field(default_factory=IID)
    limit: Annotated[int, Ge(2)] | None = None
    decoding: Literal["sampled", "greedy"] = "greedy"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_apart(self.test, self.path if self._is_file else self.split)

    @property
    def tokens(self) -> int:
        """Number of tokens of a request with its answer."""
        return self.request_tokens + self.answer_tokens

    def shards(self, devices: int, seed: int) -> Shards:
        """Read the conversations and divide them over `devices` devices.

        Raises FileNotFoundError without the file, ImportError without `datasets`, ValueError for
        records that cannot be read as stated or a partition that leaves a device with too few.
        """
        found, remarks = self._talks()
        talks = draw_rows(found, self.limit, seed)
        official: list[Talk] = []
        if self.test is not None:
            official, more = self._official()._talks()
            remarks += more
        named = {talk.kind for talk in (*talks, *official)}
        kinds = KINDS if named <= {*KINDS} else tuple(sorted(named))
        labels = np.array([kinds.index(talk.kind) for talk in talks])
        values = [talk.value for talk in talks]
        parts = divided(self.partition, labels, devices, seed, values)
        held = []
        for device, part in enumerate(parts):
            rows = hold_out_rows(len(part), self.test_fraction, device, seed)
            held.append(
                [self._instructions([talks[i] for i in part[each]], kinds) for each in rows]
            )
        train, test = zip(*held, strict=True)
        pooled = self._instructions(official, kinds) if official else joined(test)
        remarks += left_out(len(talks), parts, getattr(self.partition, "column", None))
        return Shards(train, test, pooled, kinds, remarks, self._documents())

    def _documents(self) -> tuple[str, ...]:
        if self.documents is None:
            return ()
        with TextFile(path=self.documents).opened() as lines:
            found = tuple(line.strip() for line in lines if line.strip())
        if not found:
            raise ValueError(f"{self.documents}: no documents")
        return found

    def _official(self) -> Self:
        named = str(self.test)
        if self._is_file:
            return replace(self, test=None, partition=IID(), path=named)
        return replace(self, test=None, partition=IID(), split=named)

    @property
    def _is_file(self) -> bool:
        return self.path.endswith(FILES) or Path(self.path).is_file()

    def _records(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        if self._is_file:
            yield from self.json_records()
            return
        table = load_hub(self.path, self.config, self.split)
        yield from ((f"{self.path}: row {number}", row) for number, row in enumerate(table))

    def _talks(self) -> tuple[list[Talk], tuple[str, ...]]:
        """Return what is read, and lines that say what was left out."""
        column = getattr(self.partition, "column", None)
        talks, faults, total, paired = [], Counter[str](), 0, set[bool]()
        for source, record in self._records():
            value = "" if column is None else scalar(record, column, source)
            kind = kind_of(record, source)
            for said in conversations(record, source):
                total += len(said)
                kept = [each for each in said if isinstance(each, Exchange) and not each.fault]
                found = (each if isinstance(each, str) else each.fault for each in said)
                faults.update(filter(None, found))
                if kept:
                    talks.append(Talk(exchanges=tuple(kept), kind=kind, value=value))
                paired |= {each.rejected is not None for each in kept}
                if len(paired) > 1:
                    raise ValueError(f"{source}: either all records are pairs of answers, or none")
        if not talks:
            raise ValueError(f"{self.path}: no examples")
        return talks, tuple(
            f"{count:,} of {counted(total, 'example')} left out, with {fault}"
            for fault, count in faults.items()
        )

    def _instructions(self, talks: Sequence[Talk], kinds: Sequence[str]) -> Instructions:
        rows = [(each, kinds.index(talk.kind)) for talk in talks for each in talk.exchanges]
        said = [each for each, _ in rows]
        rejected = tuple(each.rejected for each in said if each.rejected is not None)
        earlier = tuple(each.earlier for each in said)
        return Instructions(
            tuple(each.request for each in said),
            np.array([label for _, label in rows]),
            answers=tuple(each.answer for each in said),
            rejected=rejected,
            earlier=earlier if any(earlier) else (),
            layout=PromptLengths(request=self.request_tokens, answer=self.answer_tokens),
            greedy=self.decoding == "greedy",
        )
