"""Generated instructions, with imperfect answers of which the users of devices prefer some."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Final, Literal

import numpy as np
from annotated_types import Ge

from wfl_sim.config.fields import Bounded, NonNegativeFloat, PositiveFloat, ProperShare, Share
from wfl_sim.config.registry import From
from wfl_sim.data.examples import Instructions, Length, PromptLengths, Shards
from wfl_sim.data.instruct_rules import (
    ANSWERABLE,
    KINDS,
    SHARES,
    STOCK,
    HeldOut,
    documents,
    kind_of,
    proper,
    request,
    score_answer,
    solution,
)
from wfl_sim.data.partition import IID, PARTITIONS, Partition, divided
from wfl_sim.data.sharding import DATA, hold_out_rows, shards
from wfl_sim.randomness import stream

_TRIES: Final = 50


@dataclass(frozen=True, kw_only=True)
class Demonstrator(Bounded):
    """Answers a request.

    A task is answered wrong with chance `mistakes`: with the answer to another request of its kind,
    with one word changed, or with a needless refusal. An unsafe request is answered with all its
    steps with chance `careless`, and a borderline one gives away 0 to 3 steps with equal chances.
    """

    mistakes: Share = 0.35
    careless: Share = 0.6

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


@dataclass(frozen=True, kw_only=True)
class Preferences(Bounded):
    """How devices weigh helpfulness (1) against safety (0).

    Attributes:
        values: of the devices in turn, from the beginning again where there are more devices.
        mean, concentration: without `values`, each device's is drawn from the Beta distribution
            with parameters mean x concentration and (1 - mean) x concentration: many near 0 and 1
            where the concentration is small, all near the mean where it is large.
    """

    values: tuple[Share, ...] = ()
    mean: ProperShare = 0.5
    concentration: PositiveFloat = 1.0

    def of(self, devices: int, seed: int) -> list[float]:
        """Return the preference of each device."""
        if self.values:
            return [self.values[device % len(self.values)] for device in range(devices)]
        first, second = self.mean * self.concentration, (1 - self.mean) * self.concentration
        return [
            float(stream(seed, "data", "preference", device).beta(first, second))
            for device in range(devices)
        ]


@DATA("instruct")
@dataclass(frozen=True, kw_only=True)
class Instruct(Bounded):
    """Generated instructions: tasks with a right answer, unsafe requests, borderline ones.

    What is tested is held out on all devices: no act and no pair of numbers of a test is in any
    training. A device's person is shown two answers to each request, which differ, of a
    demonstrator that errs, and chooses one by Bradley and Terry's law on a h + (1 - a) s, with a
    the person's preference: the chosen answers are what supervised tuning learns from, the pairs
    what DPO learns from. What the answers of a network are worth is judged by rule
    (instruct_rules.py).

    Attributes:
        examples: requests per device on average, training and test together.
        request_tokens, answer_tokens: lengths of requests and of answers.
        test_fraction: part of a device's requests held out.
        partition: which device holds which kinds of requests.
        stock: share of requests for the colour of a thing in stock, which stands in the documents
            of the small world alone; the other kinds share the rest.
        preferences: of the devices.
        sharpness: of the choices; at 0 they are uniformly random.
        demonstrator: writes the answers.
        decoding: whether an evaluated network samples its tokens, or writes the most likely.
    """

    examples: Annotated[int, Ge(2)] = 96
    request_tokens: Length = 24
    answer_tokens: Length = 12
    test_fraction: ProperShare = 0.25
    partition: Annotated[Partition, From(PARTITIONS)] = field(default_factory=IID)
    stock: Share = 0.0
    preferences: Preferences = field(default_factory=Preferences)
    sharpness: NonNegativeFloat = 8.0
    demonstrator: Demonstrator = field(default_factory=Demonstrator)
    decoding: Literal["sampled", "greedy"] = "sampled"

    @property
    def tokens(self) -> int:
        """Number of tokens of a request with its answer."""
        return self.request_tokens + self.answer_tokens

    def shards(self, devices: int, seed: int) -> Shards:
        """Write the instructions of `devices` devices.

        Raises ValueError when the partition leaves a device with too few.
        """
        count = devices * self.examples
        kinds = (*KINDS, STOCK) if self.stock else KINDS
        cuts = _cuts(count, self.stock)
        labels = np.repeat(np.arange(len(kinds)), np.diff(cuts)[: len(kinds)]).astype(np.int64)
        parts = divided(self.partition, labels, devices, seed)
        liked = self.preferences.of(devices, seed)
        tests = HeldOut(self.test_fraction, seed)
        held = [
            self._write(labels[part], device, liked[device], tests, seed)
            for device, part in enumerate(parts)
        ]
        made = shards(held, kinds, test_fraction=self.test_fraction, concept_shift=0.0, seed=seed)
        assert isinstance(made.pooled, Instructions)
        pooled = replace(made.pooled, preference=float(np.mean(liked)))
        return replace(made, pooled=pooled, documents=documents())

    def _write(
        self, labels: np.ndarray, device: int, preference: float, tests: HeldOut, seed: int
    ) -> Instructions:
        rng = stream(seed, "data", "requests", device)
        _, tested = hold_out_rows(len(labels), self.test_fraction, device, seed)
        places = set(tested.tolist())
        texts = tuple(
            _request((*KINDS, STOCK)[label], place in places, tests, rng)
            for place, label in enumerate(labels)
        )
        both = [
            preferred(text, self.demonstrator.pair(text, rng), preference, self.sharpness, rng)
            for text in texts
        ]
        return Instructions(
            texts,
            labels,
            answers=tuple(chosen for chosen, _ in both),
            rejected=tuple(rejected for _, rejected in both),
            layout=PromptLengths(request=self.request_tokens, answer=self.answer_tokens),
            preference=preference,
            ruled=True,
            greedy=self.decoding == "greedy",
        )


def _request(kind: str, tested: bool, tests: HeldOut, rng: np.random.Generator) -> str:
    """Write a request of a kind that is among the tests, or not."""
    while ((text := request(kind, rng)) in tests) != tested:
        pass
    return text


def _cuts(count: int, stock: float) -> list[int]:
    """Return where each kind begins among `count` requests, that of the stock last, and the end."""
    shares = (*((1 - stock) * share for share in SHARES), stock)
    return [0, *np.rint(np.cumsum(shares) * count).astype(int).tolist()]
