"""Counted FLOPs and bytes against counts by hand."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional
from transformers import AutoModelForSequenceClassification, BertConfig, PreTrainedModel

from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.costs.counted_call import counted_call
from wfl_sim.learning.costs.counting import count_step
from wfl_sim.learning.objectives import loss_of
from wfl_sim.learning.tokenized import TokenizedTexts
from wfl_sim.methods.parts import Adapter, Head, LoRA, Part
from wfl_sim.methods.phases import Local, Phase

B, T, H, F, V, C = 8, 16, 64, 256, 50, 3
LORA = Part(name="lora", config=LoRA(rank=4), shared=True)
HEAD = Part(name="head", config=Head(), shared=True)


def phase(*trains: str, batch: int = B, **local: object) -> Phase:
    return Phase(trains=trains, local=Local(batch=batch, **local))  # type: ignore[arg-type]


def bert(layers: int = 2, device: str = "meta") -> PreTrainedModel:
    config = BertConfig(
        vocab_size=V,
        hidden_size=H,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=F,
        num_labels=C,
        max_position_embeddings=64,
    )
    with torch.device(device), torch.random.fork_rng(devices=[]):
        model = AutoModelForSequenceClassification.from_config(config, attn_implementation="eager")
    return model.requires_grad_(False)


def forward_by_hand(layers: int) -> float:
    """2 FLOP per multiply-add: four projections, two feed-forward, two attention products."""
    layer = 2 * B * T * (4 * H * H + 2 * H * F) + 2 * (2 * B * T * T * H)
    return layers * layer + 2 * B * H * H + 2 * B * H * C


def weights(layers: int) -> float:
    return layers * (4 * H * H + 2 * H * F)


def test_full_training_is_three_forwards() -> None:
    model = bert()
    flops = count_step(model, list(model.parameters()), phase(), T).flops.total
    assert flops == pytest.approx(3 * forward_by_hand(2), rel=0.03)


def test_a_head_costs_a_forward() -> None:
    adapted = AdaptedModel(bert(), [HEAD])
    one = phase("head")
    flops = count_step(adapted.model, adapted.trained(one), one, T).flops.total
    assert flops == forward_by_hand(2) + 2 * B * H * C


def test_lora_by_hand() -> None:
    """Frozen weights: no weight gradient, and no backward below the lowest trained part."""
    adapted = AdaptedModel(bert(), [LORA])
    one = phase("lora")
    flops = count_step(adapted.model, adapted.trained(one), one, T).flops.total
    rank, tokens = 4, B * T
    pair = 2 * tokens * (H * rank + rank * H)
    product = 2 * B * T * T * H
    values_and_weight_gradients = 4 * (pair + pair)
    input_gradients = 2 * (2 * tokens * H * rank) + 2 * pair  # of B in layer 0; of A, B in layer 1
    lora = values_and_weight_gradients + input_gradients
    whole_layer = 2 * tokens * (4 * H * H + 2 * H * F) + 4 * product
    first_layer = 2 * tokens * (H * H + 2 * H * F) + 3 * product  # no dq, dk, dv; no dK
    backward = whole_layer + first_layer + 2 * B * H * H + 2 * B * H * C
    assert flops == pytest.approx(forward_by_hand(2) + backward + lora, rel=0.03)


def test_frozen_layers_below_the_lowest_part_have_no_backward() -> None:
    counts = []
    for target in ("layer.0.output.dense", "layer.3.output.dense"):
        part = Part(name="lora", config=LoRA(rank=4, targets=(target,)), shared=True)
        adapted = AdaptedModel(bert(4), [part])
        one = phase("lora")
        counts.append(count_step(adapted.model, adapted.trained(one), one, T).flops.total)
    backward_of_a_layer = 2 * B * T * (4 * H * H + 2 * H * F) + 4 * (2 * B * T * T * H)
    assert counts[0] - counts[1] == pytest.approx(3 * backward_of_a_layer, rel=0.01)


def test_the_rules_of_2n_4n_and_6n() -> None:
    """Per token: forward 2N, LoRA about 4N, full training 6N (Kaplan et al. 2020, table 1)."""
    layers, thin = 8, Part(name="lora", config=LoRA(rank=1), shared=True)
    unit = weights(layers) * B * T
    model = bert(layers)
    full = count_step(model, list(model.parameters()), phase(), T).flops.total
    counted = []
    for part in (HEAD, thin):
        adapted = AdaptedModel(bert(layers), [part])
        one = phase(part.name)
        counted.append(count_step(adapted.model, adapted.trained(one), one, T).flops.total)
    assert counted[0] / unit == pytest.approx(2, rel=0.06)
    assert counted[1] / unit == pytest.approx(4, rel=0.06)
    assert full / unit == pytest.approx(6, rel=0.06)


def test_flops_are_linear_in_the_batch_and_clean_up() -> None:
    adapted = AdaptedModel(bert(), [LORA, HEAD])
    counts = []
    for batch in (4, 8):
        one = phase("lora", "head", batch=batch)
        counts.append(count_step(adapted.model, adapted.trained(one), one, T).flops.total)
    assert counts[1] == pytest.approx(2 * counts[0], rel=1e-12)
    assert all(parameter.grad is None for parameter in adapted.model.parameters())


def test_only_the_phase_is_counted() -> None:
    adapted = AdaptedModel(bert(), [LORA, HEAD])
    head, both = phase("head"), phase("lora", "head")
    cheap = count_step(adapted.model, adapted.trained(head), head, T).flops.total
    expensive = count_step(adapted.model, adapted.trained(both), both, T).flops.total
    again = count_step(adapted.model, adapted.trained(head), head, T).flops.total
    assert cheap == again < expensive


PARTS = [LORA, HEAD, Part(name="adapter", config=Adapter(bottleneck=4), shared=True)]


def real(adapted: AdaptedModel) -> TokenizedTexts:
    ids = torch.randint(1, V, (B, T), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    ids[0, 10:], mask[0, 10:] = 0, 0
    return TokenizedTexts(ids, mask, ids[:, 0] % C)


def test_meta_counts_equal_counts_on_a_real_network(monkeypatch: pytest.MonkeyPatch) -> None:
    one = phase("lora", "head", "adapter")
    meta = AdaptedModel(bert(), PARTS)
    expected = (
        count_step(meta.model, meta.trained(one), one, T).flops.total,
        count_step(meta.model, meta.trained(one), one, T).footprint.held,
    )
    adapted = AdaptedModel(bert(device="cpu"), PARTS)
    monkeypatch.setattr("wfl_sim.learning.costs.counting.dummy_batch", lambda *_: real(adapted))
    trained = adapted.trained(one)
    assert count_step(adapted.model, trained, one, T).flops.total == expected[0]
    # The mask of padding is a tensor more on a real network.
    assert count_step(adapted.model, trained, one, T).footprint.held == pytest.approx(
        expected[1], rel=0.01
    )


def test_memory_by_hand_of_a_head() -> None:
    """A head on a frozen backbone keeps its input and the probabilities, not the layers."""
    adapted = AdaptedModel(bert(), [HEAD])
    one = phase("head")
    footprint = count_step(adapted.model, adapted.trained(one), one, T).footprint
    learned = 4 * (H * C + C)
    assert (footprint.trained, footprint.moments) == (learned, 2 * learned)
    assert footprint.frozen + learned == sum(
        each.numel() * each.element_size()
        for each in (*adapted.model.parameters(), *adapted.model.buffers())
    )
    # Also labels and the loss's divisor.
    assert footprint.activations == 4 * B * (H + C) + 8 * B + 4


def test_memory_grows_with_batch_and_what_is_trained() -> None:
    adapted = AdaptedModel(bert(), PARTS)

    def memory(*names: str, **local: object) -> float:
        one = phase(*names, **local)  # type: ignore[arg-type]
        return count_step(adapted.model, adapted.trained(one), one, T).footprint.held

    assert memory("head") < memory("head", "lora") < memory("head", "lora", "adapter")
    small, middle, large = (memory("lora", batch=batch) for batch in (4, 8, 12))
    assert large - middle == pytest.approx(middle - small, rel=0.01)
    assert small > 4 * sum(p.numel() for p in adapted.model.parameters())


@pytest.mark.parametrize(
    ("local", "moments"),
    [
        ({}, 2),
        ({"optimizer": "sgd"}, 0),
        ({"optimizer": "sgd", "momentum": 0.9}, 1),
    ],
)
def test_memory_of_optimisers(local: dict[str, object], moments: int) -> None:
    adapted = AdaptedModel(bert(), [LORA])
    learned = 4 * sum(v.numel() for v in adapted.parameters.values())
    one = phase("lora", **local)  # type: ignore[arg-type]
    plain = phase("lora", optimizer="sgd")
    trained = adapted.trained(one)
    more = (
        count_step(adapted.model, trained, one, T).footprint.held
        - count_step(adapted.model, trained, plain, T).footprint.held
    )
    assert more == moments * learned


def test_an_objective_without_a_loss_is_refused() -> None:
    with pytest.raises(ValueError, match="no loss for the objective object"):
        loss_of(object())  # type: ignore[arg-type]


def _attends(backward: bool) -> None:
    q = torch.randn(2, 8, 24, 16, requires_grad=backward)
    # torch 2.8 fuses groups of queries forward alone.
    k = torch.randn(2, 8 if backward else 2, 12, 16)
    found = functional.scaled_dot_product_attention(q, k, k, enable_gqa=not backward)
    if backward:
        found.sum().backward()


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: _attends(False), 2 * 2 * (2 * 8 * 24 * 12 * 16)),
        (lambda: _attends(True), 7 * 2 * (2 * 8 * 24 * 12 * 16)),
        (lambda: nn.LSTM(5, 6)(torch.randn(7, 3, 5)), 2 * 7 * 3 * 4 * 6 * (5 + 6)),
        (
            lambda: nn.LSTM(5, 6)(torch.randn(7, 3, 5))[0].sum().backward(),
            3 * 2 * 7 * 3 * 4 * 6 * (5 + 6),
        ),
        (
            torch.no_grad()(
                lambda: nn.TransformerEncoderLayer(8, 2, 16).eval()(torch.randn(7, 3, 8))
            ),
            2 * 21 * (4 * 64 + 2 * 128) + 2 * 2 * 3 * 49 * 8,
        ),
        (lambda: nn.Linear(5, 4, bias=False)(torch.randn(5)), 2 * 5 * 4),
    ],
    ids=["attention", "its-backward", "lstm", "lstm-backward", "encoder", "vector"],
)
def test_what_torch_fuses_is_counted(call: Callable[[], object], expected: float) -> None:
    """torch's own counter has 0 for each on a CPU."""
    assert counted_call(call, 0)[1] == expected
    assert torch.backends.mha.get_fastpath_enabled()
