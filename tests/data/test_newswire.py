"""Newswire: repeatable, skewed as asked, hard for counters of words, and different by author."""

from dataclasses import replace

import numpy as np
import pytest

from wfl_sim.data import IID, Newswire
from wfl_sim.data.examples import joined
from wfl_sim.data.newswire_grammar import NOUNS, draw, lexicon
from wfl_sim.randomness import stream

EVEN = Newswire(partition=IID())


def words(text: str) -> list[str]:
    return text.lower().replace(",", "").replace(".", "").split()


class TestShards:
    def test_a_seed_is_a_data_set(self):
        first, again, other = (Newswire().shards(4, seed) for seed in (1, 1, 2))
        for a, b, c in zip(first.train, again.train, other.train, strict=True):
            assert a.fingerprint() == b.fingerprint() != c.fingerprint()

    def test_sizes_and_balance(self):
        shards = replace(EVEN, topics=5, examples=40).shards(6, seed=0)
        assert [len(shard) for shard in shards.train] == [30] * 6
        assert [len(shard) for shard in shards.test] == [10] * 6
        everything = joined([*shards.train, *shards.test])
        assert everything.counts(5).tolist() == [48] * 5
        assert shards.classes == tuple(lexicon().topics)[:5]

    def test_pooled_is_every_device_s_test_part(self):
        shards = Newswire().shards(4, seed=0)
        assert shards.pooled == joined(shards.test)

    @pytest.mark.parametrize("tokens", [16, 24, 32, 64])
    def test_articles_fit(self, tokens):
        shards = replace(EVEN, tokens=tokens, dialect=0.0).shards(2, seed=0)
        lengths = [len(words(text)) for text in joined(shards.train).texts]
        assert min(lengths) >= 8
        assert max(lengths) <= max(tokens - 2, 16)

    def test_one_noise_more_changes_no_label(self):
        quiet, loud = (replace(EVEN, noise=noise).shards(3, seed=0) for noise in (0.0, 0.5))
        assert np.array_equal(quiet.pooled.labels, loud.pooled.labels)


class TestDialect:
    def test_changes_texts_and_no_label(self):
        plain, own = (replace(EVEN, dialect=strength).shards(4, seed=0) for strength in (0.0, 0.6))
        for a, b in zip(plain.train, own.train, strict=True):
            assert np.array_equal(a.labels, b.labels)
            assert np.mean([x != y for x, y in zip(a.texts, b.texts, strict=True)]) > 0.9

    def test_plain_text_has_no_word_of_the_region(self):
        regional = set(lexicon().regional)
        assert not regional & set(lexicon().common["name"])
        shards = replace(EVEN, dialect=0.0).shards(3, seed=0)
        assert not any(regional & set(words(text)) for text in shards.pooled.texts)

    @pytest.mark.parametrize("strength", [0.3, 0.7])
    def test_its_strength_is_the_share_of_a_topic_s_nouns(self, strength):
        regional = set(lexicon().regional)
        nouns = {
            word for topic in lexicon().topics.values() for noun in NOUNS for word in topic[noun]
        }
        # a verb or a body may read like a noun ("board"): leave those words out of the count
        others = {
            word
            for topic in lexicon().topics.values()
            for slot in ("verb", "body", "quality")
            for word in topic[slot]
        }
        bare = nouns - others
        plain, own = (
            [
                w
                for text in replace(EVEN, dialect=s).shards(6, seed=0).pooled.texts
                for w in words(text)
            ]
            for s in (0.0, strength)
        )
        full = sum(word in bare for word in plain) / len(plain)
        left = sum(word in bare for word in own) / len(own)
        assert 1 - left / full == pytest.approx(strength, abs=0.05)
        assert sum(word in regional for word in own) > 0

    def test_a_word_of_the_region_means_another_topic_elsewhere(self):
        dialects = [draw(lexicon(), 1.0, stream(0, "dialect", device)) for device in range(8)]
        meanings: dict[str, set[str]] = {}
        for dialect in dialects:
            own = [word for ways in dialect.nouns.values() for word in ways]
            assert len(own) == len(set(own))
            for (topic, _), ways in dialect.nouns.items():
                for word in ways:
                    meanings.setdefault(word, set()).add(topic)
        assert np.mean([len(topics) for topics in meanings.values()]) > 2

    def test_one_device_more_leaves_the_others_dialects(self):
        four, five = (replace(EVEN, dialect=1.0).shards(count, seed=0) for count in (4, 5))
        regional = set(lexicon().regional)
        for a, b in zip(four.train, five.train, strict=False):
            ours, theirs = ({w for t in e.texts for w in words(t)} & regional for e in (a, b))
            assert len(ours ^ theirs) <= 0.1 * len(ours | theirs)


class TestConceptShift:
    @pytest.mark.parametrize(("fraction", "count"), [(0.0, 0), (0.25, 3), (1.0, 12)])
    def test_exactly_the_stated_devices_change(self, fraction, count):
        before = Newswire().shards(12, seed=3)
        after = Newswire(concept_shift=fraction).shards(12, seed=3)
        assert before.pooled == after.pooled
        changed = 0
        for device in range(12):
            assert before.train[device].texts == after.train[device].texts
            old = joined([before.train[device], before.test[device]])
            new = joined([after.train[device], after.test[device]])
            if old == new:
                continue
            changed += 1
            top = set(np.argsort(-old.counts(8), kind="stable")[:2].tolist())
            moved = old.labels != new.labels
            assert set(old.labels[moved].tolist()) <= top
            assert moved.sum() == np.isin(old.labels, list(top)).sum()
        assert changed == count


def probe(train, test, classes: int) -> float:
    """Accuracy of ridge regression on word counts."""
    known = {word: i for i, word in enumerate(sorted({w for t in train.texts for w in words(t)}))}

    def counts(texts):
        table = np.zeros((len(texts), len(known) + 1))
        table[:, -1] = 1.0
        for row, text in enumerate(texts):
            for word in words(text):
                if word in known:
                    table[row, known[word]] += 1.0
        return table

    x, y = counts(train.texts), np.eye(classes)[train.labels]
    weights = np.linalg.solve(x.T @ x + 3.0 * np.eye(x.shape[1]), x.T @ y)
    return float(np.mean(np.argmax(counts(test.texts) @ weights, axis=1) == test.labels))


class TestDifficulty:
    def test_counting_words_learns_but_does_not_solve_it(self):
        shards = EVEN.shards(12, seed=0)
        accuracy = probe(joined(shards.train), shards.pooled, 8)
        assert 0.6 < accuracy < 0.93

    def test_noise_makes_it_harder(self):
        accuracies = []
        for noise in (0.0, 0.2, 0.4):
            shards = replace(EVEN, noise=noise, dialect=0.0).shards(8, seed=0)
            accuracies.append(probe(joined(shards.train), shards.pooled, 8))
        assert accuracies[0] > accuracies[1] > accuracies[2] > 0.5

    def test_a_strong_dialect_is_learned_from_its_own_device(self):
        shards = replace(EVEN, dialect=1.0, noise=0.1).shards(8, seed=0)
        own = np.mean([probe(a, b, 8) for a, b in zip(shards.train, shards.test, strict=True)])
        strangers = np.mean(
            [probe(shards.train[k - 1], shards.test[k], 8) for k in range(len(shards))]
        )
        assert own > strangers + 0.3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"topics": 1}, "topics must be at least 2, got 1"),
        ({"topics": 9}, "topics must be at most 8, got 9"),
        ({"examples": 1}, "examples must be at least 2, got 1"),
        ({"tokens": 10}, "tokens must be at least 16"),
        ({"dialect": 1.1}, "dialect must be at most 1, got 1.1"),
        ({"noise": 0.7}, "noise must be at most 0.6, got 0.7"),
        ({"concept_shift": -0.1}, "concept_shift must not be negative, got -0.1"),
        ({"test_fraction": 0.0}, "test_fraction must be greater than 0, got 0.0"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(ValueError, match=message):
        Newswire(**options)
