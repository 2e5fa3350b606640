"""The newswire grammar: sentences with slots, and the writer that fills them.

An article is a lead and then background sentences. Each content word comes from the article's
topic or, by mistake of theme, from a second topic: half as often as `noise` in the lead, half as
often again in the background. So a reader who knows where the lead ends does better than one
who counts words.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Formatter

import numpy as np

# one row per statement, one column per sentence order: subject, adverbial or object first
LEADS = (
    (
        "the {quality} {role} {verb} the {thing} {during} the {event}",
        "{during} the {event} the {quality} {role} {verb} the {thing}",
        "the {thing} was {verb} by the {quality} {role} {during} the {event}",
    ),
    (
        "{role} {name} {verb} the {thing} at the {place} on {day}",
        "on {day} at the {place} {role} {name} {verb} the {thing}",
        "the {thing} was {verb} at the {place} by {role} {name} on {day}",
    ),
    (
        "the {city} {body} {verb} its {quality} {thing} {before} the {event}",
        "{before} the {event} the {city} {body} {verb} its {quality} {thing}",
        "the {quality} {thing} was {verb} by the {city} {body} {before} the {event}",
    ),
    (
        "{name}, the {quality} {role}, {verb} another {thing} for the {body}",
        "for the {body}, {quality} {role} {name} {verb} another {thing}",
        "another {thing} was {verb} for the {body} by {name}, the {quality} {role}",
    ),
    (
        "the {event} at the {city} {place} {verb} the {role} and the {thing}",
        "on {day} the {event} in {city} {verb} the {thing} of the {role}",
        "the {role} and the {thing} were {verb} at the {event} in {city}",
    ),
)
BACKGROUNDS = (
    (
        "{name} {said} the {thing} was {mood} for the {role}",
        "for the {role}, {name} {said}, the {thing} was {mood}",
        "the {thing} was {mood} for the {role}, {name} {said}",
    ),
    (
        "{folk} {near} the {place} asked {about} the {quality} {thing}",
        "{near} the {place} {folk} asked {about} the {quality} {thing}",
        "the {quality} {thing} is what {folk} {near} the {place} asked {about}",
    ),
    (
        "{but} the {body} {said} the {matter} of the {event} was {mood}",
        "{but} {mood}, the {body} {said}, was the {matter} of the {event}",
        "{but} the {matter} of the {event} was {mood}, the {body} {said}",
    ),
    (
        "the {role} {said} the {place} had {verb} the {thing} on {day}",
        "on {day} the {place} had {verb} the {thing}, the {role} {said}",
        "the {thing} had been {verb} by the {place} on {day}, the {role} {said}",
    ),
)
LEAD_NOISE, BACKGROUND_NOISE = 0.5, 1.5
CAPITALISED = ("name", "day", "city")

Frames = Sequence[Sequence[str]]


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


Words = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Lexicon:
    """Words by topic and slot, words common to all topics by slot, and the region's words.

    `topics[name][slot]`: slot is role, thing, event, place, body, verb or quality.
    `regional`: coined words without a meaning of their own.
    """

    topics: Mapping[str, Words]
    common: Words
    regional: tuple[str, ...]


@dataclass(frozen=True)
class Writer:
    """Writes articles of the first `topics` topics in one dialect.

    A second topic is, half of the time, a neighbour of the first in the lexicon's ring.
    """

    words: Lexicon
    topics: tuple[str, ...]
    dialect: Dialect
    noise: float

    def article(self, topic: int, tokens: int, rng: np.random.Generator) -> str:
        """Write about `topics[topic]`: the lead, then all background that `tokens` leave room for.

        Words and punctuation marks are counted as one token each, and two tokens are kept free for
        the marks that an encoder adds.
        """
        written: list[str] = []
        left = tokens - 2
        for sentence in self.sentences(topic, rng):
            left -= _length(sentence)
            if written and left < 0:
                break
            written.append(sentence)
        return " ".join(written)

    def sentences(self, topic: int, rng: np.random.Generator) -> Iterator[str]:
        """Write on without end: the lead, then one background sentence after the other."""
        second = self._second(topic, rng)
        yield self._sentence(LEADS, topic, second, LEAD_NOISE * self.noise, rng)
        while True:
            yield self._sentence(BACKGROUNDS, topic, second, BACKGROUND_NOISE * self.noise, rng)

    def _second(self, topic: int, rng: np.random.Generator) -> int:
        count = len(self.topics)
        near = rng.random() < 0.5
        step = (1, count - 1)[_pick(2, rng)] if near else 1 + _pick(count - 1, rng)
        return (topic + step) % count

    def _sentence(
        self, frames: Frames, topic: int, second: int, noise: float, rng: np.random.Generator
    ) -> str:
        orders = frames[_pick(len(frames), rng)]
        own = rng.random() < self.dialect.strength
        order = self.dialect.order if own else _pick(ORDERS, rng)
        written = []
        for literal, slot in _parsed(orders[order]):
            written.append(literal)
            if slot in VARIANTS:
                written.append(self._variant(slot, rng))
            elif slot in self.words.common:
                word = _choice(self.words.common[slot], rng)
                written.append(word.capitalize() if slot in CAPITALISED else word)
            elif slot:
                about = second if rng.random() < noise else topic
                written.append(self._content(self.topics[about], slot, rng))
        text = "".join(written)
        return text[0].upper() + text[1:] + "."

    def _variant(self, slot: str, rng: np.random.Generator) -> str:
        if rng.random() < self.dialect.strength:
            return self.dialect.habits[slot]
        return _choice(VARIANTS[slot], rng)

    def _content(self, topic: str, slot: str, rng: np.random.Generator) -> str:
        own = self.dialect.nouns.get((topic, slot))
        if own and rng.random() < self.dialect.strength:
            return _choice(own, rng)
        return _choice(self.words.topics[topic][slot], rng)


@cache
def _parsed(frame: str) -> tuple[tuple[str, str], ...]:
    return tuple((literal, slot or "") for literal, slot, _, _ in Formatter().parse(frame))


def _length(sentence: str) -> int:
    return len(sentence.split()) + sum(sentence.count(mark) for mark in ",.-")


def _pick(count: int, rng: np.random.Generator) -> int:
    return int(rng.random() * count)


def _choice(words: Sequence[str], rng: np.random.Generator) -> str:
    return words[_pick(len(words), rng)]


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


@cache
def lexicon() -> Lexicon:
    """Read the lexicon that ships with the package."""
    raw = tomllib.loads(files(__package__).joinpath("lexicon.toml").read_text(encoding="utf-8"))
    onsets, rimes = raw["regional"]["onset"].split(), raw["regional"]["rime"].split()
    return Lexicon(
        topics={name: _split(slots) for name, slots in raw["topics"].items()},
        common=_split(raw["common"]),
        regional=tuple(onset + rime for onset in onsets for rime in rimes),
    )


def _split(slots: Mapping[str, str]) -> Words:
    return {slot: tuple(words.split()) for slot, words in slots.items()}
