"""The cache of learners: scenarios share what depends on equal settings, and nothing else."""

import pytest

from tests.fixtures.runs import BASE, scenario
from wfl_sim.simulation.learner_cache import LearnerCache, learning_of

NEWSWIRE = BASE.replace(
    "model: {kind: synthetic, payload: 2 Mbit, flops_per_step: 20 GFLOP}",
    "model: {pretrained: builtin:tiny-bert}\ndata: {kind: newswire, examples: 24}",
)


@pytest.mark.parametrize(
    "setting",
    [
        "cells.0.bandwidth=20 MHz",
        "devices.0.speed=9 km/h",
        "rounds.count=2",
        "name=other",
        "label=other",
    ],
)
def test_what_does_not_concern_learning_is_shared(tmp_path, setting):
    cache = LearnerCache()
    one = scenario(tmp_path, text=NEWSWIRE)
    other = scenario(tmp_path, setting, text=NEWSWIRE)
    assert cache.shards(one) is cache.shards(other)
    assert cache.learner(one) is cache.learner(other)


@pytest.mark.parametrize(
    "setting",
    [
        "seed=6",
        "data.dialect=0.1",
        "devices.0.count=5",
        "method.local.lr=0.1",
        "payload.upload=int8",
        "data.tokens=24",
        "evaluation.personal_examples=2",
    ],
)
def test_what_concerns_learning_is_not(tmp_path, setting):
    cache = LearnerCache()
    one = scenario(tmp_path, text=NEWSWIRE)
    other = scenario(tmp_path, setting, text=NEWSWIRE)
    assert learning_of(one) != learning_of(other)
    assert cache.learner(one) is not cache.learner(other)


def test_only_the_last_ones_are_kept(tmp_path):
    cache = LearnerCache()
    first = scenario(tmp_path, text=NEWSWIRE)
    learner = cache.learner(first)
    for seed in (6, 7):
        cache.learner(scenario(tmp_path, f"seed={seed}", text=NEWSWIRE))
    assert cache.learner(first) is not learner


@pytest.mark.parametrize("judged", [0, 3, 9])
def test_a_sample_of_an_official_test_set_is_said(tmp_path, judged):
    for name, rows in (("train", 40), ("test", 8)):
        lines = "\n".join(f"{name} {n},{'ab'[n % 2]}" for n in range(rows))
        (tmp_path / f"{name}.csv").write_text(f"text,label\n{lines}\n")
    data = f"{{kind: csv, path: {tmp_path}/train.csv, test: {tmp_path}/test.csv, partition: iid}}"
    text = NEWSWIRE.replace("{kind: newswire, examples: 24}", data)
    shards = LearnerCache().shards(
        scenario(tmp_path, f"evaluation.global_examples={judged}", text=text)
    )
    assert len(shards.pooled) == min(judged, 8)
    said = "shared models are judged on 3 of the 8 examples of `test`, drawn at random"
    assert [line.startswith(said) for line in shards.remarks] == [True] * (judged == 3)
