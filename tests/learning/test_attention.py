"""Torch's fused attention against attention that is written out."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma2Config

from tests.learning.test_grouped import learner
from wfl_sim.data.examples import Shards
from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.base_models.model_loading import load_causal, load_model
from wfl_sim.learning.base_models.network_options import attention_of
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.causal.log_probabilities import log_probabilities
from wfl_sim.learning.causal.prompts import PromptBatch
from wfl_sim.learning.objectives import supervised_loss
from wfl_sim.learning.tokenized import TokenizedTexts
from wfl_sim.methods import FedIT
from wfl_sim.methods.objectives import Sparsity

Folder = Callable[[str], Pretrained]


@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama"])
def test_fused_attention_computes_the_same_of_padded_texts(quiet: Folder, kind: str) -> None:
    rng = torch.Generator().manual_seed(1)
    ids, mask = torch.randint(4, 40, (4, 12), generator=rng), torch.ones(4, 12, dtype=torch.int64)
    for row in range(4):
        mask[row, 12 - 2 * row :] = 0
    texts = TokenizedTexts(ids * mask, mask, torch.tensor([0, 1, 2, 0]))
    found = []
    for attention in ("eager", "sdpa"):
        model = load_model(replace(quiet(kind), attention=attention), 3, 0)
        assert model.config._attn_implementation == attention
        adapted = AdaptedModel(model, FedIT().parts, 1)
        adapted.reset(adapted.parts, 0)
        weights = [value.requires_grad_() for value in adapted.parameters.values()]
        loss = supervised_loss(model, texts)
        found.append((loss.detach(), *torch.autograd.grad(loss, weights)))
    assert any(gradient.abs().max() > 1e-4 for gradient in found[0][1:])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_fused_attention_heeds_the_words_that_sparse_attention_leaves(dtype: str) -> None:
    """Of requests with padding on the left; bf16 rounds to three digits."""
    model = Pretrained(pretrained="builtin:tiny-gpt2-instruct", dtype=dtype)  # type: ignore[arg-type]
    ids = torch.randint(4, 90, (3, 20), generator=torch.Generator().manual_seed(2))
    mask = torch.ones_like(ids)
    mask[0, :7] = 0
    texts = PromptBatch(ids[:, :12], mask[:, :12], ids[:, 12:], mask[:, 12:])
    found = {}
    for attention in ("eager", "sdpa"):
        network = load_causal(replace(model, attention=attention))  # type: ignore[arg-type]
        for ratio in (0.5, 1.0):
            with torch.no_grad():
                scores = log_probabilities(network, texts, Sparsity(ratio=ratio))
            found[attention, ratio] = scores.log_probabilities
    near = 1e-4 if dtype == "fp32" else 0.15
    for ratio in (0.5, 1.0):
        eager, fused = found["eager", ratio], found["sdpa", ratio]
        torch.testing.assert_close(eager, fused, rtol=0, atol=near)
    assert (found["sdpa", 0.5] - found["sdpa", 1.0]).abs().max() > 2 * near


def test_costs_are_the_same_and_results_have_keys_of_their_own(
    quiet: Folder, shards: Shards
) -> None:
    eager, fused = (
        learner(replace(quiet("bert"), attention=attention), shards, FedIT())
        for attention in ("eager", "sdpa")
    )
    assert eager.workload(0) == fused.workload(0)
    assert eager.recipe != fused.recipe


def test_scores_with_a_bound_are_written_out() -> None:
    model = Pretrained(pretrained="builtin:tiny-bert", attention="sdpa")
    assert attention_of(model, AutoModelForCausalLM, Gemma2Config()) == "eager"
