"""Instructions: requests with answers, where a classifier's data has texts with labels."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from wfl_sim.data.examples import Examples, Shards
from wfl_sim.data.sharding import hold_out


@dataclass(frozen=True, kw_only=True)
class PromptLengths:
    """Lengths, in tokens, to which requests and answers are cut or padded.

    An answer that a network writes has `answer` tokens, too: after its end it writes padding, so
    that what it costs is known before it is written.
    """

    request: int
    answer: int

    @property
    def tokens(self) -> int:
        """Number of tokens of both."""
        return self.request + self.answer

    def __post_init__(self) -> None:
        for name in ("request", "answer"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name}_tokens must be at least 2, got {getattr(self, name)}")


@dataclass(frozen=True, eq=False)
class Instructions(Examples):
    """Requests (`texts`) with an answer each; `labels` are the kinds of the requests.

    Attributes:
        answers: what is learned by example.
        rejected: for each request the less preferred answer; empty without preference pairs.
        layout: lengths in tokens.
        preference: of the device, for helpfulness over safety, in [0, 1].
        ruled: whether the rules of the small world can judge an answer (instruct_rules.py).
        greedy: whether an evaluated network writes the most likely token, or samples one.
    """

    answers: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    layout: PromptLengths = PromptLengths(request=24, answer=12)
    preference: float = 0.5
    ruled: bool = False
    greedy: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, count in (("answers", len(self.answers)), ("rejected", len(self.rejected))):
            if count != len(self.texts) and (name == "answers" or count):
                raise ValueError(f"{name} must be {len(self.texts)}, one per request, got {count}")
        if not 0 <= self.preference <= 1:
            raise ValueError(f"preference must lie in [0, 1], got {self.preference}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Instructions) and self.fingerprint() == other.fingerprint()

    def __hash__(self) -> int:
        return hash(self.fingerprint())

    def __repr__(self) -> str:
        return f"Instructions({len(self)} requests, preference {self.preference:g})"

    def subset(self, indices: Sequence[int] | NDArray[np.int64]) -> Self:
        """The examples at `indices`, in the order given."""
        chosen = [int(i) for i in indices]
        return replace(
            self,
            texts=tuple(self.texts[i] for i in chosen),
            labels=self.labels[chosen],
            answers=tuple(self.answers[i] for i in chosen),
            rejected=tuple(self.rejected[i] for i in chosen) if self.rejected else (),
        )

    def relabelled(self, labels: NDArray[np.int64]) -> Self:
        """The same requests and answers as other kinds."""
        return replace(self, labels=labels)

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
        )
        return hashlib.sha256(f"{super().fingerprint()} {rest!r}".encode()).hexdigest()


def pooled(parts: Sequence[Instructions], preference: float) -> Instructions:
    """All examples of `parts`, one part after the other, held with one preference."""
    return replace(
        parts[0],
        texts=tuple(text for part in parts for text in part.texts),
        labels=np.concatenate([part.labels for part in parts]),
        answers=tuple(text for part in parts for text in part.answers),
        rejected=tuple(text for part in parts for text in part.rejected),
        preference=preference,
    )


def held_out(
    held: Sequence[Instructions], kinds: tuple[str, ...], test_fraction: float, seed: int
) -> Shards:
    """Split each device's examples as `sharding.shards` does, without concept shift."""
    train, test = [], []
    for device, examples in enumerate(held):
        learned, tested = hold_out(examples, test_fraction, device, seed)
        train.append(learned)
        test.append(tested)
    mean = float(np.mean([examples.preference for examples in held]))
    return Shards(tuple(train), tuple(test), pooled(test, mean), kinds)
