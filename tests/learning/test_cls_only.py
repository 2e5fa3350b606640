"""The last layer computes the first token alone, where a classifier's head reads no other."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    AutoModelForSequenceClassification,
    CamembertConfig,
    ElectraConfig,
    PreTrainedModel,
    XLMRobertaConfig,
)

from wfl_sim.learning.adapted_model import AdaptedModel, behind_attention, cls_token_only
from wfl_sim.learning.objectives import logits, supervised_loss
from wfl_sim.learning.peft import attach
from wfl_sim.learning.peft.architecture import layers_of
from wfl_sim.learning.tokenized import TokenizedTexts
from wfl_sim.methods.parts import Adapter, Head, LoRA, Part

Build = Callable[..., PreTrainedModel]
PARTS = (
    Part(name="adapter", config=Adapter(bottleneck=4), shared=True),
    Part(name="lora", config=LoRA(rank=2), shared=False),
    Part(name="head", config=Head(), shared=True),
)
OTHERS = {"electra": ElectraConfig, "camembert": CamembertConfig, "xlm-roberta": XLMRobertaConfig}
TOKENS, HIDDEN = 10, 32


@pytest.fixture
def built(network: Build) -> Callable[[str], PreTrainedModel]:
    """A function from an architecture to a small network of it."""

    def of(kind: str) -> PreTrainedModel:
        if kind not in OTHERS:
            return network(kind)
        config = OTHERS[kind](
            vocab_size=60,
            hidden_size=HIDDEN,
            embedding_size=HIDDEN,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=40,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            num_labels=3,
        )
        torch.manual_seed(0)
        model: PreTrainedModel = AutoModelForSequenceClassification.from_config(config)
        return model.requires_grad_(False).eval()

    return of


def batch() -> TokenizedTexts:
    rng = torch.Generator().manual_seed(3)
    ids = torch.randint(4, 40, (6, TOKENS), generator=rng)
    mask = torch.ones_like(ids)
    mask[2, 7:] = 0
    ids[2, 7:] = 1
    return TokenizedTexts(ids, mask, torch.tensor([0, 1, 2, 0, 1, 2]))


def widths(model: PreTrainedModel) -> list[int]:
    """Return a list that is told how many tokens leave the last layer."""
    found: list[int] = []
    layers_of(model)[-1].register_forward_hook(lambda m, i, output: found.append(output.shape[1]))
    return found


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", *OTHERS])
def test_logits_and_gradients_stay(built: Callable[[str], PreTrainedModel], kind: str) -> None:
    model = built(kind)
    parameters = attach(model, PARTS)
    rng = torch.Generator().manual_seed(0)
    for value in parameters.values():
        value.data = torch.randn(value.shape, generator=rng) * 0.1
        value.requires_grad_(True)
    leaving = widths(model)
    whole = logits(model, batch())
    expected = torch.autograd.grad(supervised_loss(model, batch()), list(parameters.values()))
    with cls_token_only(behind_attention(model)):
        first = logits(model, batch())
        found = torch.autograd.grad(supervised_loss(model, batch()), list(parameters.values()))
    again = logits(model, batch())
    assert leaving == [TOKENS, TOKENS, 1, 1, TOKENS]
    torch.testing.assert_close(first, whole, rtol=1e-5, atol=1e-6)
    assert torch.equal(again, whole)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_heads_that_read_the_last_word_get_every_token(network: Build, kind: str) -> None:
    model = network(kind)
    leaving = widths(model)
    with cls_token_only(behind_attention(model)):
        logits(model, batch())
    assert leaving == [TOKENS]


def test_an_unknown_network_and_one_without_a_head_stay_as_they_are(network: Build) -> None:
    class Other(nn.Module):
        config = type("config", (), {"model_type": "other"})

    for model in (network("bert").base_model, Other()):
        assert behind_attention(model) is None  # type: ignore[arg-type]
    with cls_token_only(None):
        pass


def test_a_layer_that_counts_tokens_gets_them_all(
    network: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = network("bert")
    monkeypatch.setattr(model.config, "chunk_size_feed_forward", 5)
    assert behind_attention(model) is None


def test_what_is_left_out_is_what_follows_attention(network: Build) -> None:
    """Output projection and feed-forward of one of two layers, by hand."""
    model, texts = network("bert"), batch()
    flops = []
    with FlopCounterMode(display=False) as counter:
        logits(model, texts)
    flops.append(counter.get_total_flops())
    with cls_token_only(behind_attention(model)), FlopCounterMode(display=False) as counter:
        logits(model, texts)
    flops.append(counter.get_total_flops())
    wide = model.config.intermediate_size
    of_a_token = 2 * (HIDDEN * HIDDEN + 2 * HIDDEN * wide)
    assert flops[0] - flops[1] == len(texts) * (TOKENS - 1) * of_a_token


def test_an_adapted_model_trains_and_evaluates_so_and_describes_whole_texts(network: Build) -> None:
    from wfl_sim.methods.phases import Local, Phase

    adapted = AdaptedModel(network("bert"), PARTS, 1)
    leaving = widths(adapted.model)
    adapted.train_phase(0, Phase(trains=("lora",), local=Local(steps=2, batch=2)), batch(), 0)
    adapted.evaluate(batch())
    adapted.describe(batch())
    whole = Phase(trains=("lora",), local=Local(steps=1, batch=2))
    adapted.train_phase(0, whole, batch(), 0, whole=True)
    assert leaving == [1, 1, 1, TOKENS, TOKENS]
