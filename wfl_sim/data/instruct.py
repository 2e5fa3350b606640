"""Generated instructions, and devices whose users prefer different answers."""

from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

import numpy as np

from wfl_sim.config.registry import From
from wfl_sim.data.demonstrations import Demonstrator, preferred
from wfl_sim.data.examples import Shards
from wfl_sim.data.instruct_rules import KINDS, SHARES, STOCK, HeldOut, documents, request
from wfl_sim.data.instructions import Instructions, PromptLengths
from wfl_sim.data.partition import IID, PARTITIONS, Partition, divided
from wfl_sim.data.sharding import DATA, check_test_fraction, hold_out_rows, shards
from wfl_sim.randomness import stream


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """How devices weigh helpfulness (1) against safety (0).

    Attributes:
        values: of the devices in turn, from the beginning again where there are more devices.
        mean, concentration: without `values`, each device's is drawn from the Beta distribution
            with parameters mean x concentration and (1 - mean) x concentration: many near 0 and 1
            where the concentration is small, all near the mean where it is large.
    """

    values: tuple[float, ...] = ()
    mean: float = 0.5
    concentration: float = 1.0

    def __post_init__(self) -> None:
        for value in self.values:
            if not 0 <= value <= 1:
                raise ValueError(f"values must lie in [0, 1], got {value}")
        if not 0 < self.mean < 1:
            raise ValueError(f"mean must lie between 0 and 1, both excluded, got {self.mean}")
        if not self.concentration > 0:
            raise ValueError(f"concentration must be greater than 0, got {self.concentration}")

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
class Instruct:
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

    examples: int = 96
    request_tokens: int = 24
    answer_tokens: int = 12
    test_fraction: float = 0.25
    partition: Annotated[Partition, From(PARTITIONS)] = field(default_factory=IID)
    stock: float = 0.0
    preferences: Preferences = field(default_factory=Preferences)
    sharpness: float = 8.0
    demonstrator: Demonstrator = field(default_factory=Demonstrator)
    decoding: Literal["sampled", "greedy"] = "sampled"

    def __post_init__(self) -> None:
        PromptLengths(request=self.request_tokens, answer=self.answer_tokens)
        if self.examples < 2:
            raise ValueError(f"examples must be at least 2 per device, got {self.examples}")
        check_test_fraction(self.test_fraction)
        if not 0 <= self.stock <= 1:
            raise ValueError(f"stock must lie in [0, 1], got {self.stock}")
        if not self.sharpness >= 0:
            raise ValueError(f"sharpness must not be negative, got {self.sharpness}")

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
