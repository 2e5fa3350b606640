"""The words of the newswire grammar, read from `lexicon.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

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
