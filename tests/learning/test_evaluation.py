"""Evaluation, batches and the repeatable scope."""

import numpy as np
import pytest
import torch
from torch import nn

from wfl_sim.data.metrics import Judge, MacroF1, named
from wfl_sim.learning.objectives import evaluate
from wfl_sim.learning.tokenized import TokenizedTexts
from wfl_sim.learning.torch_settings import deterministic
from wfl_sim.learning.training import batches
from wfl_sim.methods.phases import Local


class Echo(nn.Module):
    """Logits that depend on the first token alone."""

    dtype = torch.float32

    def get_input_embeddings(self) -> nn.Module:
        return nn.Embedding(1, 1)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> object:
        logits = nn.functional.one_hot(input_ids[:, 0], 3).float() * 2.0
        return type("Output", (), {"logits": logits})()


def encoded(first: list[int], labels: list[int]) -> TokenizedTexts:
    ids = torch.tensor(first)[:, None].repeat(1, 4)
    return TokenizedTexts(ids, torch.ones_like(ids), torch.tensor(labels))


def test_values_by_hand() -> None:
    values = evaluate(Echo(), encoded([0, 1, 2, 2], [0, 1, 2, 0]))  # type: ignore[arg-type]
    right = np.log(np.exp(2) + 2) - 2
    assert values["accuracy"] == 0.75
    assert values["loss"] == pytest.approx((3 * right + right + 2) / 4, rel=1e-6)


def test_a_judge_is_told_the_names_of_classes_over_all_passes() -> None:
    judge = Judge(metrics=named([MacroF1()]), classes=("x", "y", "z"))
    first, labels = [0] * 130 + [1] * 5, [0] * 125 + [1] * 10
    values = evaluate(Echo(), encoded(first, labels), judge)  # type: ignore[arg-type]
    # x: 125 of 125 given and 130 said; y: 5 of 10 given and 5 said
    assert values["macro_f1"] == pytest.approx((250 / 255 + 10 / 15) / 2)


@pytest.mark.parametrize("size", [1, 127, 128, 129, 300])
def test_batches_of_evaluation_do_not_show(size: int) -> None:
    rng = np.random.default_rng(size)
    first, labels = rng.integers(3, size=size), rng.integers(3, size=size)
    values = evaluate(Echo(), encoded(first.tolist(), labels.tolist()))  # type: ignore[arg-type]
    assert values["accuracy"] == pytest.approx((first == labels).mean())


def test_a_pass_shows_every_example_once() -> None:
    local = Local(steps=5, batch=4)
    drawn = torch.cat(list(batches(range(10), local, np.random.default_rng(0)))).tolist()
    assert sorted(drawn[:10]) == sorted(drawn[10:]) == list(range(10))
    assert drawn[:10] != drawn[10:]


@pytest.mark.parametrize("size", [1, 3, 16, 17])
def test_every_batch_is_full(size: int) -> None:
    local = Local(steps=3, batch=16)
    drawn = list(batches(range(size), local, np.random.default_rng(0)))
    assert [len(batch) for batch in drawn] == [16] * 3
    counts = np.bincount(torch.cat(drawn).numpy(), minlength=size)
    assert counts.max() - counts.min() <= 1


def test_exact_leaves_no_trace() -> None:
    def settings() -> tuple[object, ...]:
        return (
            torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
        )

    before, rng = settings(), torch.get_rng_state()
    with deterministic(seed=1, threads=2):
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.get_num_threads() == 2
        drawn = torch.rand(3)
    assert settings() == before
    assert torch.equal(torch.get_rng_state(), rng)
    with deterministic(seed=1):
        assert torch.equal(torch.rand(3), drawn)
    with pytest.raises(RuntimeError), deterministic(seed=1, threads=2):
        torch.zeros(2) @ torch.zeros(3)
    assert settings() == before
