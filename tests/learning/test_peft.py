"""Parts in torch: identity at initialisation, names, initial values, places, and gradients."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from peft.tuners.lora import LoraLayer
from transformers import (
    AlbertConfig,
    AutoModelForSequenceClassification,
    OPTConfig,
    PreTrainedModel,
)

from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.objectives import logits, supervised_loss
from wfl_sim.learning.peft import attach, muted, reset
from wfl_sim.learning.tokenized import TokenizedTexts
from wfl_sim.methods.parts import Adapter, Head, LoRA, Part

Build = Callable[..., PreTrainedModel]
KINDS = ("bert", "roberta", "distilbert", "gpt2", "llama")
ADAPTER = Part(name="adapter", config=Adapter(bottleneck=4), shared=True)
LORA = Part(name="lora", config=LoRA(rank=2), shared=False)
HEAD = Part(name="head", config=Head(), shared=True)


def batch() -> TokenizedTexts:
    rng = torch.Generator().manual_seed(3)
    ids = torch.randint(4, 40, (6, 10), generator=rng)
    mask = torch.ones_like(ids)
    mask[2, 7:] = 0
    ids[2, 7:] = 0
    return TokenizedTexts(ids, mask, torch.tensor([0, 1, 2, 0, 1, 2]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [ADAPTER, LORA], ids=["adapter", "lora"])
def test_a_fresh_part_is_the_identity(network: Build, kind: str, part: Part) -> None:
    model = network(kind)
    before = logits(model, batch())
    parameters = attach(model, [part])
    reset(model, part, parameters, seed=1)
    assert torch.equal(logits(model, batch()), before)
    for value in parameters.values():
        value.data += torch.randn(value.shape, generator=torch.Generator().manual_seed(1))
    assert not torch.allclose(logits(model, batch()), before, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_of_a_part_matters_and_nothing_else_learns(
    network: Build, kind: str
) -> None:
    """With all parts away from their start, the gradient of each parameter is not zero."""
    model = network(kind)
    parameters = attach(model, [ADAPTER, LORA, HEAD])
    rng = torch.Generator().manual_seed(0)
    for value in parameters.values():
        value.data = torch.randn(value.shape, generator=rng) * 0.1
        value.requires_grad_(True)
    supervised_loss(model, batch()).backward()
    for name, value in parameters.items():
        assert value.grad is not None, name
        assert value.grad.abs().max() > 0, name
    trained = {id(value) for value in parameters.values()}
    others = [value for value in model.parameters() if id(value) not in trained]
    assert others
    assert all(value.grad is None for value in others)


def test_a_bottleneck_computes_what_its_formula_says(network: Build) -> None:
    model = network()
    part = Part(name="a", config=Adapter(bottleneck=4, placement="pfeiffer"), shared=True)
    parameters = attach(model, [part])
    for value in parameters.values():
        value.data = torch.randn(value.shape, generator=torch.Generator().manual_seed(1))
    layer = model.base_model.encoder.layer[1]
    x = torch.randn(2, 5, 64)
    down_w, down_b, up_w, up_b = (
        parameters[f"a/encoder.layer.1.feed_forward.{name}"]
        for name in ("down.weight", "down.bias", "up.weight", "up.bias")
    )
    h = layer.output.dense(x)
    expected = h + torch.nn.functional.gelu(h @ down_w.T + down_b) @ up_w.T + up_b
    assert torch.allclose(layer.output.dropout(h), expected, atol=1e-6)


def test_lora_computes_what_its_formula_says(network: Build) -> None:
    model = network()
    part = Part(name="l", config=LoRA(rank=2, alpha=6.0), shared=True)
    parameters = attach(model, [part])
    query = model.base_model.encoder.layer[0].attention.self.query
    x = torch.randn(2, 5, 32)
    frozen = query(x)
    prefix = "l/encoder.layer.0.attention.self.query"
    A, B = parameters[f"{prefix}.lora_A.weight"], parameters[f"{prefix}.lora_B.weight"]
    B.data = torch.randn(B.shape)
    assert torch.allclose(query(x), frozen + 6.0 / 2 * x @ A.T @ B.T, atol=1e-5)


@pytest.mark.parametrize(("placement", "per_layer"), [("houlsby", 2), ("pfeiffer", 1)])
@pytest.mark.parametrize("kind", KINDS)
def test_places_of_adapters(network: Build, kind: str, placement: str, per_layer: int) -> None:
    config = Adapter(bottleneck=4, placement=placement)  # type: ignore[arg-type]
    parameters = attach(network(kind), [Part(name="a", config=config, shared=True)])
    assert len(parameters) == 2 * per_layer * 4
    assert sum(v.numel() for v in parameters.values()) == 2 * per_layer * (2 * 32 * 4 + 4 + 32)


@pytest.mark.parametrize("kind", KINDS)
def test_the_head_is_what_lies_outside_the_backbone(network: Build, kind: str) -> None:
    first = {"roberta": "classifier.dense.weight", "distilbert": "pre_classifier.weight"}
    last = {"gpt2": "score.weight", "llama": "score.weight", "bert": "classifier.weight"}
    names = attach(network(kind), [HEAD])
    assert f"head/{first.get(kind) or last[kind]}" in names
    assert not any("pooler" in name or "layer." in name for name in names)


@pytest.mark.parametrize("kind", KINDS)
def test_the_meta_device_gives_the_same_names_and_shapes(network: Build, kind: str) -> None:
    parts = [HEAD, ADAPTER, LORA]
    real = attach(network(kind), parts)
    shapes = attach(network(kind, "meta"), parts)
    assert {n: v.shape for n, v in real.items()} == {n: v.shape for n, v in shapes.items()}
    assert all(value.is_meta for value in shapes.values())


def test_the_order_of_parts_decides_names_alone(network: Build) -> None:
    first, second = network(), network()
    one = attach(first, [ADAPTER, LORA])
    other = attach(second, [LORA, ADAPTER])
    assert list(one) == [*list(other)[len(other) - 16 :], *list(other)[: len(other) - 16]]
    for parameters in (one, other):
        for name, value in parameters.items():
            value.data = torch.full_like(value, 0.01 * len(name))
    assert torch.equal(logits(first, batch()), logits(second, batch()))


def test_two_loras_add_up(network: Build) -> None:
    parts = [
        Part(name=name, config=LoRA(rank=2), shared=name == "global") for name in ("global", "own")
    ]
    model = network()
    before = logits(model, batch())
    parameters = attach(model, parts)
    assert len(parameters) == 2 * 2 * 2 * 2
    for part in parts:
        reset(model, part, parameters, seed=1)
    assert torch.equal(logits(model, batch()), before)
    outputs = []
    for part in parts:
        name = f"{part.name}/encoder.layer.0.attention.self.value.lora_B.weight"
        parameters[name].data.fill_(0.5)
        outputs.append(logits(model, batch()))
    assert not torch.allclose(outputs[0], before)
    assert not torch.allclose(outputs[1], outputs[0])


def test_what_is_muted_within_leaves_what_is_muted_around(network: Build) -> None:
    """As where alignment asks the reference policy in a phase that mutes a LoRA."""
    model = network()
    parameters = attach(model, [Part(name=name, config=LoRA(rank=2)) for name in ("a", "b")])
    for name, value in parameters.items():
        value.data.fill_(0.5 if name.startswith("a/") else 0.3)

    def heard(*mutes: str) -> torch.Tensor:
        with muted(model, mutes):
            return logits(model, batch())

    whole, alone, nothing = heard(), heard("b"), heard("a", "b")
    assert not torch.equal(whole, alone)
    assert not torch.equal(alone, nothing)
    with muted(model, ("b",)):
        assert torch.equal(heard("b"), alone)
        assert torch.equal(heard("a"), nothing)
        assert torch.equal(heard(), alone)
    assert torch.equal(heard(), whole)


def test_two_adapters_follow_each_other(network: Build) -> None:
    parts = [Part(name=name, config=Adapter(bottleneck=2), shared=True) for name in ("a", "b")]
    model = network()
    parameters = attach(model, parts)
    assert len(parameters) == 32
    before = logits(model, batch())
    parameters["b/encoder.layer.0.attention.up.bias"].data.fill_(1.0)
    assert not torch.allclose(logits(model, batch()), before)


def test_adapter_follows_a_lora_on_the_same_layer(network: Build) -> None:
    """A bottleneck hooks on to what LoRA made of a layer, whichever part comes first."""
    on_output = Part(name="l", config=LoRA(rank=2, targets=("o_proj",)), shared=True)
    model = network("llama")
    parameters = attach(model, [ADAPTER, on_output])
    for part in (ADAPTER, on_output):
        reset(model, part, parameters, seed=1)
    output = model.base_model.layers[0].self_attn.o_proj
    assert isinstance(output, LoraLayer)
    parameters["adapter/layers.0.attention.up.bias"].data.fill_(1.0)
    parameters["l/layers.0.self_attn.o_proj.lora_B.weight"].data.fill_(0.3)
    x = torch.randn(1, 2, 32)
    delta = x @ parameters["l/layers.0.self_attn.o_proj.lora_A.weight"].T @ torch.full((2, 32), 0.3)
    expected = output.base_layer(x) + 2.0 * delta + 1.0
    assert torch.allclose(output(x), expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_initial_values_come_from_the_seed_alone(network: Build, kind: str) -> None:
    states = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        adapted = AdaptedModel(network(kind), [ADAPTER, LORA, HEAD])
        before = torch.get_rng_state()
        adapted.reset(adapted.parts, seed=7)
        assert torch.equal(torch.get_rng_state(), before)
        states.append(adapted.read(adapted.parts))
    for name, array in states[0].items():
        assert np.array_equal(array, states[1][name]), name
    adapted.reset(["head"], seed=8)
    changed = adapted.read(adapted.parts)
    for name, array in states[0].items():
        same = np.array_equal(array, changed[name])
        assert same == (not name.startswith("head/") or name.endswith("bias")), name


def test_initial_laws(network: Build) -> None:
    adapted = AdaptedModel(network("roberta"), [ADAPTER, LORA, HEAD])
    adapted.reset(adapted.parts, seed=7)
    for name, array in adapted.read(adapted.parts).items():
        if name.endswith(("lora_B.weight", "up.weight", "bias")):
            assert not array.any(), name
        elif name.startswith("head/"):
            assert array.std() == pytest.approx(0.02, rel=0.3), name
        else:
            bound = 1 / np.sqrt(32)
            assert np.abs(array).max() <= bound, name
            assert np.abs(array).max() > 0.8 * bound, name


def test_a_part_reset_does_not_depend_on_the_other_parts(network: Build) -> None:
    alone, together = (
        AdaptedModel(network(), [LORA]),
        AdaptedModel(network(), [HEAD, ADAPTER, LORA]),
    )
    for adapted in (alone, together):
        adapted.reset(["lora"], seed=3)
    for name, array in alone.read(["lora"]).items():
        assert np.array_equal(array, together.read(["lora"])[name])


def test_an_unknown_architecture_gets_adapters_by_its_sums() -> None:
    config = OPTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, ffn_dim=16)
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(config)
    names = {name.rpartition(".")[0] for name in attach(model, [ADAPTER])}
    layer = "adapter/decoder.layers.0"
    assert names == {
        f"{layer}.{place}.{side}"
        for place in ("attention", "feed_forward")
        for side in ("down", "up")
    }
    layers = model.get_submodule("model.decoder.layers.0")
    assert "adapter_adapter" in dict(layers.self_attn.out_proj.named_children())
    assert "adapter_adapter" in dict(layers.fc2.named_children())


@pytest.mark.parametrize(
    "targets", [("query", "valeu"), ("word_embeddings",), ("attention",)], ids=lambda t: t[-1]
)
def test_a_lora_target_that_is_no_linear_layer_is_named(
    network: Build, targets: tuple[str, ...]
) -> None:
    part = Part(name="lora", config=LoRA(targets=targets), shared=True)
    known = r"\(known: dense, key, query, value\)"
    with pytest.raises(ValueError, match=f"part 'lora': .*'{targets[-1]}' {known}"):
        attach(network(), [part])


def test_lora_may_name_one_layer(network: Build) -> None:
    part = Part(
        name="l", config=LoRA(rank=2, targets=("layer.1.attention.self.query",)), shared=True
    )
    assert len(attach(network(), [part])) == 2


def test_lora_stays_out_of_the_head(network: Build) -> None:
    part = Part(name="l", config=LoRA(rank=2, targets=("dense",)), shared=True)
    names = attach(network("roberta"), [part, HEAD])
    assert "head/classifier.dense.weight" in names
    assert not any("classifier" in name for name in names if name.startswith("l/"))


@pytest.mark.parametrize("names", [("a", "a"), ("a/b",), ("a.b",), ("",)])
def test_part_names_are_unique_words(network: Build, names: tuple[str, ...]) -> None:
    parts = [Part(name=name, config=LoRA(), shared=True) for name in names]
    with pytest.raises(ValueError, match="name of its own"):
        attach(network(), parts)


def test_a_part_without_a_torch_side_is_refused(network: Build) -> None:
    @dataclass(frozen=True)
    class Prompt:
        length: int = 4

    part = Part(name="p", config=Prompt(), shared=True)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="part 'p': no torch side for Prompt"):
        attach(network(), [part])


@pytest.mark.parametrize(
    ("targets", "adapted"),
    [
        ((), {"query", "value"}),
        ("all-linear", {"query", "key", "value", "dense", "ffn", "ffn_output"}),
    ],
)
def test_an_architecture_that_peft_does_not_know(targets: object, adapted: set[str]) -> None:
    """The mapping of ALBERT's embeddings to its hidden size is linear, and the pooler, too."""
    config = AlbertConfig(
        embedding_size=8, hidden_size=16, num_attention_heads=2, intermediate_size=16
    )
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(config)
    part = Part(name="lora", config=LoRA(rank=2, targets=targets), shared=True)  # type: ignore[arg-type]
    found = {name.split(".")[-3] for name in attach(model, [part])}
    extra = {"embedding_hidden_mapping_in", "lora/pooler"} if targets else set()
    assert found == adapted | extra


def test_a_network_without_a_head_is_refused(network: Build) -> None:
    with pytest.raises(ValueError, match="part 'head': 'bert' has no head"):
        attach(network().base_model, [HEAD])
