"""Instructions: requests with answers, where a classifier's data has texts with labels."""

import hashlib
from dataclasses import dataclass
from typing import ClassVar

from wfl_sim.data.dialogues import Turn
from wfl_sim.data.examples import Examples


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
