"""Batches as long as their texts: what is learned stays, what it costs is known beforehand."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from wfl_sim.data.examples import Examples, Shards
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.tokenized import TokenizedTexts, padded
from wfl_sim.learning.training import batches
from wfl_sim.methods import FedIT
from wfl_sim.methods.parts import LoRA
from wfl_sim.methods.phases import Local

from .test_grouped import both, farthest, learner, tasks_of

Folder = Callable[[str], Pretrained]
METHOD = FedIT(
    lora=LoRA(rank=2), local=Local(steps=6, batch=4, lr=0.1, optimizer="sgd", momentum=0.5)
)


@pytest.fixture(scope="module")
def uneven(shards: Shards) -> Shards:
    """The same texts, many of them cut short."""

    def cut(examples: Examples, seed: int) -> Examples:
        sizes = np.random.default_rng(seed).choice([2, 4, 10], len(examples), p=[0.5, 0.3, 0.2])
        texts = [
            " ".join(text.split()[:size]) for text, size in zip(examples.texts, sizes, strict=True)
        ]
        return Examples(tuple(texts), examples.labels)

    return replace(shards, train=tuple(cut(each, n) for n, each in enumerate(shards.train)))


def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Return a list that the shape of every trained batch is added to."""
    shapes: list[tuple[int, ...]] = []
    take = TokenizedTexts.take

    def noted(self: TokenizedTexts, indices: Any) -> TokenizedTexts:
        batch = take(self, indices)
        shapes.append(tuple(batch.ids.shape))
        return batch

    monkeypatch.setattr(TokenizedTexts, "take", noted)
    return shapes


@pytest.mark.parametrize(("length", "most", "width"), [(1, 12, 8), (8, 12, 8), (9, 12, 12)])
def test_widths_are_multiples_of_eight_below_the_most(length: int, most: int, width: int) -> None:
    assert padded(length, most) == width


def test_shorter_batches_learn_the_same(quiet: Folder, uneven: Shards) -> None:
    fixed, longest = (
        learner(quiet("bert"), uneven, METHOD, tokens=24, padding=each)
        for each in ("fixed", "longest")
    )
    assert fixed.recipe != longest.recipe
    for one, other in zip(both(fixed)[0], both(longest)[0], strict=True):
        assert farthest(one.states["upload"], other.states["upload"]) < 1e-5
    alone, group = both(longest)
    for one, other in zip(alone, group, strict=True):
        assert farthest(one.states["upload"], other.states["upload"]) < 1e-5


@pytest.mark.parametrize("padding", ["longest", "bucketed"])
def test_costs_are_those_of_the_batches_that_are_trained(
    quiet: Folder, uneven: Shards, monkeypatch: pytest.MonkeyPatch, padding: str
) -> None:
    learn = learner(quiet("bert"), uneven, METHOD, tokens=24, padding=padding)
    (task, *_), (given, *_) = tasks_of(learn)
    drawn, whole = learn.drawn_workload(task.device, task.seed), learn.workload(task.device)
    shapes = seen(monkeypatch)
    learn.run(task, given)
    trained = Counter(width for _, width in shapes)
    assert trained == {batch.tokens: batch.steps for batch in drawn.batches}
    assert len(trained) > 1
    of_width = {
        width: learner(quiet("bert"), uneven, METHOD, tokens=width).workload(0) for width in trained
    }
    share = {width: steps / whole.steps for width, steps in trained.items()}
    for name in ("update_flops", "traffic"):
        expected = sum(share[width] * getattr(of_width[width], name) for width in trained)
        assert getattr(drawn, name) == pytest.approx(expected, rel=1e-12)
        assert getattr(drawn, name) < getattr(whole, name)
    kept = ("upload_bits", "download_bits", "memory", "frozen", "steps", "aggregate_flops")
    assert all(getattr(drawn, name) == getattr(whole, name) for name in kept)
    assert learn.drawn_workload(task.device, task.seed) == drawn


def test_updates_of_one_device_cost_differently(quiet: Folder, uneven: Shards) -> None:
    learn = learner(quiet("bert"), uneven, METHOD, tokens=24, padding="longest")
    assert learn.varies
    assert len({learn.drawn_workload(0, seed).update_flops for seed in range(8)}) > 1
    fixed = learner(quiet("bert"), uneven, METHOD, tokens=24)
    assert not fixed.varies
    assert fixed.drawn_workload(0, 1) == fixed.workload(0)


def test_buckets_hold_the_same_texts_with_less_padding() -> None:
    lengths = np.random.default_rng(0).integers(4, 60, size=40)
    local = Local(steps=20, batch=4)
    mask = (torch.arange(60) < torch.from_numpy(lengths)[:, None]).long()
    texts = TokenizedTexts(mask, mask, torch.zeros(40, dtype=torch.int64), "bucketed")
    plain = torch.stack(list(batches(range(40), local, np.random.default_rng(1))))
    alike = torch.stack(list(batches(texts, local, np.random.default_rng(1))))
    assert alike.shape == plain.shape
    for window in (slice(0, 8), slice(8, 16), slice(16, 20)):
        assert sorted(plain[window].flatten()) == sorted(alike[window].flatten())
    padding = [float(lengths[each.numpy()].max(axis=1).mean()) for each in (plain, alike)]
    assert padding[1] < 0.85 * padding[0]
    widths = lengths[alike[:8].numpy()].max(axis=1)
    assert list(widths) != sorted(widths)
