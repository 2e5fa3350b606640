"""Labelled texts, requests with answers, and those of all devices as train and test shards."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, cast

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from wfl_sim.config.fields import Bounded
from wfl_sim.data.dialogues import Turn
from wfl_sim.records import LabelCount

Held = TypeVar("Held", bound="Examples")
Length = Annotated[int, Ge(2)]
"""Number of tokens of a request or an answer."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Texts and their labels, in one order; `labels` is int64 of shape (len,) and read-only.

    `pairs` has the second text of each example where texts come in pairs, else nothing.

    Raises ValueError when there are not as many labels as texts, or one is no whole number from 0.
    """

    columns: ClassVar[tuple[str, ...]] = ("texts", "pairs")
    """Fields with a value for each example, or with none at all."""

    texts: tuple[str, ...]
    labels: NDArray[np.int64]
    pairs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        labels = np.array(self.labels, dtype=np.int64)
        if labels.shape != (len(self.texts),):
            raise ValueError(
                f"labels must have shape ({len(self.texts)},), one per text, got {labels.shape}"
            )
        if labels.size and labels.min() < 0:
            raise ValueError(f"labels must not be negative, got {labels.min()}")
        if (cut := labels != self.labels).any():
            raise ValueError(f"labels must be whole, got {np.asarray(self.labels)[cut][0]}")
        for name in self.columns[1:]:
            if len(getattr(self, name)) not in (0, len(labels)):
                found = len(getattr(self, name))
                raise ValueError(f"{name} must be {len(labels)}, one per text, got {found}")
        labels.setflags(write=False)
        object.__setattr__(self, "texts", tuple(self.texts))
        object.__setattr__(self, "labels", labels)

    def __len__(self) -> int:
        return len(self.texts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Examples):
            return NotImplemented
        return self.fingerprint() == other.fingerprint()

    def __hash__(self) -> int:
        return hash(self.fingerprint())

    def __repr__(self) -> str:
        return f"Examples({len(self)} texts, {len(np.unique(self.labels))} labels)"

    def subset(self, indices: Sequence[int] | NDArray[np.int64]) -> Self:
        """The examples at `indices`, in the order given."""
        chosen = np.asarray(indices, dtype=np.int64)
        taken: dict[str, Any] = {
            name: tuple(rows[i] for i in chosen) if (rows := getattr(self, name)) else ()
            for name in self.columns
        }
        return replace(self, labels=self.labels[chosen], **taken)

    def relabelled(self, labels: NDArray[np.int64]) -> Self:
        """The same texts under other labels."""
        return replace(self, labels=labels)

    def counts(self, classes: int) -> NDArray[np.int64]:
        """How many examples each of `classes` labels has; shape (classes,)."""
        return np.bincount(self.labels, minlength=classes).astype(np.int64)

    def fingerprint(self) -> str:
        """sha256 over texts and labels in order: equal exactly when the examples are."""
        digest = hashlib.sha256()
        for text in self.texts + self.pairs:
            encoded = text.encode("utf-8")
            digest.update(len(encoded).to_bytes(8, "little"))
            digest.update(encoded)
        digest.update(self.labels.astype("<i8").tobytes())
        return digest.hexdigest()


def joined(parts: Sequence[Held]) -> Held:
    """All examples of `parts`, one part after the other."""
    parts = parts or [cast(Held, Examples((), np.empty(0, dtype=np.int64)))]
    rows: dict[str, Any] = {
        name: tuple(row for part in parts for row in getattr(part, name))
        for name in parts[0].columns
    }
    return replace(parts[0], labels=np.concatenate([part.labels for part in parts]), **rows)


@dataclass(frozen=True)
class Shards:
    """What every device is trained on and evaluated on.

    `train[k]` and `test[k]` belong to device k; `pooled` is every device's test text under the
    labels all devices started from (before any concept shift); `classes[i]` names label i;
    `remarks` say which examples were left out; `documents` lie at the server, to be retrieved.
    """

    train: tuple[Examples, ...]
    test: tuple[Examples, ...]
    pooled: Examples
    classes: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.train) != len(self.test):
            raise ValueError(
                f"test must have one shard per device, {len(self.train)}, got {len(self.test)}"
            )
        most = max(each.labels.max(initial=0) for each in (*self.train, *self.test, self.pooled))
        if most >= max(1, len(self.classes)):
            raise ValueError(f"labels must be below the {len(self.classes)} classes, got {most}")

    def __len__(self) -> int:
        return len(self.train)

    @property
    def gathered(self) -> Examples:
        """The training examples of all devices, one after the other."""
        return joined(self.train)

    def __repr__(self) -> str:
        train = sum(len(shard) for shard in self.train)
        return (
            f"Shards({len(self)} devices, {train} train, {len(self.pooled)} test, "
            f"{len(self.classes)} classes)"
        )


def label_counts(shards: Shards) -> Iterator[LabelCount]:
    """Yield how many examples of each label every device holds, those of which it holds any."""
    for part, each in (("train", shards.train), ("test", shards.test)):
        for device, examples in enumerate(each):
            counts = examples.counts(len(shards.classes)).tolist()
            for label, count in zip(shards.classes, counts, strict=True):
                if count:
                    yield LabelCount(
                        device=f"device-{device}",
                        part=cast(Literal["train", "test"], part),
                        label=label,
                        count=count,
                    )


Padding = Literal["fixed", "longest", "bucketed"]
"""All texts to `tokens`; or to the longest of the batch, up to a multiple of 8; or the latter, with
texts of similar length in one batch."""


@dataclass(frozen=True, kw_only=True)
class PromptLengths(Bounded):
    """Lengths, in tokens, to which requests and answers are cut or padded.

    An answer that a network writes has `answer` tokens, too: after its end it writes padding, so
    that what it costs is known before it is written.
    """

    request: Length
    answer: Length

    @property
    def tokens(self) -> int:
        """Number of tokens of both."""
        return self.request + self.answer


@dataclass(frozen=True, eq=False)
class Instructions(Examples):
    """Requests (`texts`) with an answer each; `labels` are the kinds of the requests.

    Attributes:
        answers: what is learned by example.
        rejected: for each request the less preferred answer; empty without preference pairs.
        earlier: for each request what was said before it; empty where nothing was.
        retrieved: for each request the documents that stand before it; empty without retrieval.
        layout: lengths in tokens.
        preference: of the device, for helpfulness over safety, in [0, 1].
        ruled: whether the rules of the small world can judge an answer (instruct_rules.py).
        greedy: whether an evaluated network writes the most likely token, or samples one.
    """

    columns: ClassVar[tuple[str, ...]] = ("texts", "answers", "rejected", "earlier", "retrieved")

    answers: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    earlier: tuple[tuple[Turn, ...], ...] = ()
    retrieved: tuple[tuple[str, ...], ...] = ()
    layout: PromptLengths = PromptLengths(request=24, answer=12)
    preference: float = 0.5
    ruled: bool = False
    greedy: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.answers) != len(self):
            raise ValueError(
                f"answers must be {len(self)}, one per request, got {len(self.answers)}"
            )
        if not 0 <= self.preference <= 1:
            raise ValueError(f"preference must lie in [0, 1], got {self.preference}")

    def __repr__(self) -> str:
        return f"Instructions({len(self)} requests, preference {self.preference:g})"

    @property
    def requests(self) -> tuple[str, ...]:
        """What a reward model reads as the request: all that was said, a paragraph for each."""
        if not self.earlier:
            return self.texts
        both = zip(self.earlier, self.texts, strict=True)
        return tuple("\n\n".join([*(said for _, said in turns), text]) for turns, text in both)

    def fingerprint(self) -> str:
        """sha256 over all of it: equal exactly when the examples are."""
        rest = (
            self.answers,
            self.rejected,
            self.layout.request,
            self.layout.answer,
            self.preference,
            self.ruled,
            self.greedy,
            *([self.earlier] if self.earlier else []),
            *([self.retrieved] if self.retrieved else []),
        )
        return hashlib.sha256(f"{super().fingerprint()} {rest!r}".encode()).hexdigest()
