"""A device's own way of writing: words of the region, habits and sentence order."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from wfl_sim.learning.data.lexicon import Lexicon

NOUNS = ("role", "thing", "event", "place")
WORDS_PER_NOUN = 2
ORDERS = 3

# plain ways of saying the same; a device is used to one of each
VARIANTS: Mapping[str, tuple[str, ...]] = {
    "said": ("said", "reported", "stated", "noted"),
    "about": ("about", "regarding", "on"),
    "during": ("during", "throughout", "amid"),
    "near": ("near", "beside", "outside"),
    "but": ("but", "yet", "however"),
    "before": ("before", "ahead of", "prior to"),
}


@dataclass(frozen=True)
class Dialect:
    """How one device writes.

    Attributes:
        strength: chance, at each opportunity, of the device's own way instead of the plain one.
        nouns: the regional words that stand for a topic's nouns here, by (topic, slot).
        habits: the preferred wording, by entry of VARIANTS.
        order: the preferred sentence order, 0 <= order < ORDERS.
    """

    strength: float
    nouns: Mapping[tuple[str, str], tuple[str, ...]]
    habits: Mapping[str, str]
    order: int


def plain() -> Dialect:
    """The language without any dialect."""
    return Dialect(strength=0.0, nouns={}, habits={}, order=0)


def draw(words: Lexicon, strength: float, rng: np.random.Generator) -> Dialect:
    """Draw a device's dialect.

    The region's words are shuffled and dealt to topics and noun slots: all devices use the same
    words, and the topic that a word points to is each device's own.
    """
    shuffled = iter(rng.permutation(len(words.regional)))
    nouns = {
        (topic, slot): tuple(words.regional[next(shuffled)] for _ in range(WORDS_PER_NOUN))
        for topic in words.topics
        for slot in NOUNS
    }
    habits = {name: ways[rng.integers(len(ways))] for name, ways in VARIANTS.items()}
    return Dialect(strength, nouns, habits, int(rng.integers(ORDERS)))
