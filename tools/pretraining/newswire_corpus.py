"""The corpus of tiny-bert: plain newswire, entries of its archive, and small talk.

It has no labels, devices or dialects. The regional words occur in small talk without a topic, so
that the tokenizer knows them.
"""

from collections.abc import Iterator
from itertools import islice

import numpy as np

from wfl_sim.data.newswire_grammar import Dialect, Lexicon, Words, Writer, lexicon
from wfl_sim.randomness import stream

NOISE = 0.15
SMALL_TALK_SHARE, ARCHIVE_SHARE = 0.15, 0.35
ARCHIVE = (
    "see also {role}, {thing}, {event}, {place} and {body}",
    "filed under {quality} {thing}, {verb} {thing} and {role}",
    "more on {thing}, {role}, {thing}, {event} and {place}",
    "{thing}, {event}, {role}, {body}, {thing}: see the {place}",
)
SMALL_TALK = (
    "{folk} in {city} call it the {regional}",
    "on {day} {name} asked the {folk} about the {regional}",
    "the {regional} and the {regional} were {mood} that {day}",
    "{name} noted the {matter} before the {regional} on {day}",
    "the {matter} of the {regional} is {mood}, {name} said",
    "another {regional} was what {folk} near {city} stated",
    "{but} the {folk} had the {regional} for the {matter}",
    "{name} and {name}, the {mood} {folk} of {city}, reported its {regional}",
)


def documents(count: int, sentences: int, seed: int) -> Iterator[list[str]]:
    """Yield `count` documents of `sentences` sentences each."""
    words = lexicon()
    plain = Dialect(strength=0.0, nouns={}, habits={}, order=0)
    writer = Writer(words, tuple(words.topics), plain, NOISE)
    rng = stream(seed, "pretraining", "corpus")
    for _ in range(count):
        kind = rng.random()
        slots = words.topics[writer.topics[rng.integers(len(writer.topics))]]
        if kind < SMALL_TALK_SHARE:
            yield [_line(SMALL_TALK, _small_talk(words), rng) for _ in range(sentences)]
        elif kind < SMALL_TALK_SHARE + ARCHIVE_SHARE:
            yield [_line(ARCHIVE, slots, rng) for _ in range(sentences)]
        else:
            topic = int(rng.integers(len(words.topics)))
            yield list(islice(writer.sentences(topic, rng), sentences))


def _small_talk(words: Lexicon) -> Words:
    return {**words.common, "regional": words.regional, "but": ("but", "yet", "however")}


def _line(frames: tuple[str, ...], slots: Words, rng: np.random.Generator) -> str:
    frame = frames[rng.integers(len(frames))].split()
    text = " ".join(_filled(word, slots, rng) for word in frame)
    return text[0].upper() + text[1:] + "."


def _filled(word: str, slots: Words, rng: np.random.Generator) -> str:
    if not word.startswith("{"):
        return word
    bare = word.strip("{},:")
    chosen = slots[bare][rng.integers(len(slots[bare]))]
    return chosen + word[len(bare) + 2 :]
