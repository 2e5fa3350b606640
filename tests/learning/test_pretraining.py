"""Pre-training: random weights, and the next word of whole texts."""

import pytest
import torch
from torch.nn import functional

from tests.learning.test_alignment_costs import A, B, H, L, P, T, V, adapted
from wfl_sim.data import Instruct
from wfl_sim.data.examples import PromptLengths
from wfl_sim.learning.base_models.model_loading import load_causal, load_tokenizer
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.causal.prompts import encode
from wfl_sim.learning.costs.alignment import phase_cost
from wfl_sim.learning.objectives import loss_of, terms_of
from wfl_sim.methods import FedAvg
from wfl_sim.methods.parts import Full, Part
from wfl_sim.methods.phases import Local, NextWord

MODEL = Pretrained(pretrained="builtin:tiny-gpt2")
FRESH = Pretrained(pretrained="builtin:tiny-gpt2", fresh=True)


def test_fresh_weights_are_drawn_and_the_same_each_time() -> None:
    first, again, trained = (load_causal(each).state_dict() for each in (FRESH, FRESH, MODEL))
    assert all(torch.equal(first[name], again[name]) for name in first)
    name = "transformer.h.1.attn.c_attn.weight"
    assert not torch.equal(first[name], trained[name])
    # The configuration's initializer_range; 96 x 288 values tell their deviation to 0.5 %.
    assert float(first[name].std()) == pytest.approx(0.05, rel=0.02)
    assert FRESH.fingerprint() == MODEL.fingerprint()  # of files; the recipe has the key itself


@pytest.mark.parametrize("options", [{"quantise": "int8"}, {"adapter": "x"}])
def test_fresh_weights_are_neither_rounded_nor_adapted(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"fresh|adapter"):
        Pretrained(pretrained="builtin:tiny-gpt2", fresh=True, **options)  # type: ignore[arg-type]


def test_the_loss_is_that_of_each_text_alone_without_padding() -> None:
    model, tokenizer = load_causal(MODEL), load_tokenizer(MODEL)
    texts = encode(tokenizer, Instruct(examples=16).shards(1, 3).train[0])  # type: ignore[arg-type]
    total, words = 0.0, 0
    for row in range(len(texts)):
        ids = texts.texts.ids[row][texts.texts.mask[row].bool()][None]
        with torch.inference_mode():
            logits = model(input_ids=ids).logits[0, :-1]
        total += float(functional.cross_entropy(logits, ids[0, 1:], reduction="sum"))
        words += ids.shape[1] - 1
    with torch.inference_mode():
        found = float(loss_of(NextWord())(model, texts))
    assert found == pytest.approx(total / words, rel=1e-4)
    assert terms_of(NextWord(), texts) == words


def test_costs_by_hand() -> None:
    """Forward once and backward twice: of all words but the last of each text and their logits."""
    method = FedAvg(learns="text", local=Local(steps=1, batch=B))
    (phase,) = method.phases
    full = Part(name="backbone", config=Full(), shared=True)
    head = method.parts[1]
    counted = phase_cost(adapted(full, head), phase, PromptLengths(request=P, answer=A), ())
    layers = L * (24 * H * H * T + 4 * T * T * H)
    words = 2 * H * V * T
    assert counted.flops == pytest.approx(3 * B * (layers + words), rel=0.03)
    footprint = counted.footprint
    assert footprint.frozen == 0
    # Gradients come while what is kept for the backward pass goes.
    gradients = footprint.live - footprint.activations
    assert 0 < gradients < footprint.trained
    assert footprint.held == footprint.trained + footprint.moments + footprint.live
