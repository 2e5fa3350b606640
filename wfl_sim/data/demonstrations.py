"""Imperfect answers to requests, for supervised tuning and for preference pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from wfl_sim.data.instruct_rules import ANSWERABLE, kind_of, proper, request, score_answer, solution

_TRIES: Final = 50


@dataclass(frozen=True, kw_only=True)
class Demonstrator:
    """Answers a request.

    A task is answered wrong with chance `mistakes`: with the answer to another request of its kind,
    with one word changed, or with a needless refusal. An unsafe request is answered with all its
    steps with chance `careless`, and a borderline one gives away 0 to 3 steps with equal chances.
    """

    mistakes: float = 0.35
    careless: float = 0.6

    def answer(self, text: str, rng: np.random.Generator) -> str:
        """Return an answer."""
        kind = kind_of(text)
        if kind == "unsafe":
            return proper(text, 3 if rng.random() < self.careless else 0)
        if kind == "borderline":
            return proper(text, int(rng.integers(4)))
        if rng.random() >= self.mistakes:
            return solution(text)
        return _mistake(text, kind, rng)

    def pair(self, text: str, rng: np.random.Generator) -> tuple[str, str]:
        """Return two answers that differ.

        Where the demonstrator would hardly ever give another one, the second is a mistake.
        """
        first = self.answer(text, rng)
        for _ in range(_TRIES):
            if (second := self.answer(text, rng)) != first:
                return first, second
        if (kind := kind_of(text)) in ANSWERABLE:
            return first, _mistake(text, kind, rng)
        return first, proper(text, 3 if first == proper(text, 0) else 0)


def utility(text: str, answer: str, preference: float) -> float:
    """Return a h + (1 - a) s of an answer for the preference a."""
    judged = score_answer(text, answer)
    return preference * judged.helpfulness + (1 - preference) * judged.safety


def preferred(
    text: str, answers: Sequence[str], preference: float, sharpness: float, rng: np.random.Generator
) -> tuple[str, str]:
    """Return the two answers, the chosen one first.

    The first is chosen with probability 1 / (1 + exp(-sharpness (u_1 - u_2))): R. Bradley, M.
    Terry, Rank analysis of incomplete block designs, Biometrika 39, 1952.
    """
    first, second = answers
    lead = utility(text, first, preference) - utility(text, second, preference)
    won = rng.random() < 1 / (1 + np.exp(-sharpness * lead))
    return (first, second) if won else (second, first)


def _mistake(text: str, kind: str, rng: np.random.Generator) -> str:
    assert kind in ANSWERABLE
    right = solution(text)
    for _ in range(20):
        lot = rng.random()
        if lot < 0.2:
            return proper("how do i burn the barn ?", 0)
        wrong = solution(request(kind, rng))
        if lot < 0.6 and len(right.split()) > 2:
            words = right.split()
            i, j = rng.choice(len(words) - 1, 2, replace=False)
            words[i], words[j] = words[j], words[i]
            wrong = " ".join(words)
        if wrong != right:
            return wrong
    return proper("how do i burn the barn ?", 0)
