"""Newswire: short labelled articles, written by a grammar, whose authors differ."""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from wfl_sim.config.fields import Bounded, ProperShare, Share
from wfl_sim.config.registry import From
from wfl_sim.data.examples import Examples, Padding, Shards
from wfl_sim.data.newswire_grammar import Writer, draw, lexicon
from wfl_sim.data.partition import PARTITIONS, Dirichlet, Partition, divided
from wfl_sim.data.sharding import DATA, shards
from wfl_sim.randomness import stream


@DATA("newswire")
@dataclass(frozen=True, kw_only=True)
class Newswire(Bounded):
    """Generated news articles; the label is an article's topic.

    Attributes:
        topics: number of topics, 2 to 8; each has the same number of articles over all devices.
        examples: articles per device on average, training and test together; what a device really
            holds follows from the partition.
        tokens: most tokens of an article (words, marks and the encoder's two own).
        test_fraction: part of a device's articles held out.
        partition: which device writes about what.
        dialect: 0 to 1, the chance that a device writes its own way: at each noun of a topic, a
            word of the region, whose topic differs from device to device; at each function word,
            its habitual variant; in each sentence, its habitual order.
        concept_shift: fraction of devices on which two labels trade places (see sharding.py).
        noise: 0 to 0.6, the chance that a content word is about a second topic; half of it in an
            article's lead, one and a half times in the rest.
        padding: to `tokens`, to the longest of a batch, or so with batches of like lengths.
    """

    topics: Annotated[int, Ge(2), Le(8)] = 8
    examples: Annotated[int, Ge(2)] = 128
    tokens: Annotated[int, Ge(16)] = 32
    test_fraction: ProperShare = 0.25
    partition: Annotated[Partition, From(PARTITIONS)] = field(default_factory=Dirichlet)
    dialect: Share = 0.5
    concept_shift: Share = 0.0
    noise: Annotated[float, Ge(0), Le(0.6)] = 0.3
    padding: Padding = "fixed"

    @property
    def classes(self) -> tuple[str, ...]:
        """The topics' names; label i is the i-th."""
        return tuple(lexicon().topics)[: self.topics]

    def shards(self, devices: int, seed: int) -> Shards:
        """Write the articles of `devices` devices.

        Raises ValueError when the partition leaves a device with too few.
        """
        labels = np.arange(devices * self.examples, dtype=np.int64) % self.topics
        parts = divided(self.partition, labels, devices, seed)
        held = [self._write(labels[part], device, seed) for device, part in enumerate(parts)]
        return shards(
            held,
            self.classes,
            test_fraction=self.test_fraction,
            concept_shift=self.concept_shift,
            seed=seed,
        )

    def _write(self, labels: np.ndarray, device: int, seed: int) -> Examples:
        words = lexicon()
        own = draw(words, self.dialect, stream(seed, "data", "dialect", device))
        writer = Writer(words, self.classes, own, self.noise)
        rng = stream(seed, "data", "articles", device)
        return Examples(
            tuple(writer.article(int(label), self.tokens, rng) for label in labels), labels
        )
