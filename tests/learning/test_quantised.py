"""Frozen weights in 8 and 4 bits: what they are, what they hold, and what is trained over them."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers.pytorch_utils import Conv1D

from tests.learning.test_grouped import both, farthest, learner, tasks_of
from wfl_sim.config.errors import LocatedError
from wfl_sim.data import Instruct
from wfl_sim.data.examples import Shards
from wfl_sim.execution.task import Result
from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.base_models import quantised
from wfl_sim.learning.base_models.model_loading import load_causal, load_model
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.base_models.quantised import (
    Int8Linear,
    NF4Linear,
    QuantisedLinear,
    normal_quantiles,
    quantise,
)
from wfl_sim.learning.causal.prompts import PromptBatch
from wfl_sim.learning.learner import PeftLearner
from wfl_sim.learning.objectives import word_cross_entropy
from wfl_sim.learning.training import train_only
from wfl_sim.methods import FedIT, FedPEFT, FLoRA
from wfl_sim.methods.parts import LoRA, Tuner
from wfl_sim.methods.phases import Local

Folder = Callable[[str], Pretrained]
LAYERS = {"int8": Int8Linear, "nf4": NF4Linear}
BYTES = {"int8": 1.0, "nf4": 0.5}
LOCAL = Local(steps=3, batch=4, lr=5e-3)


def layer_of(kind: str) -> tuple[torch.Tensor, QuantisedLinear]:
    weight = torch.randn(24, 40, generator=torch.Generator().manual_seed(3))
    return weight, LAYERS[kind](weight, nn.Parameter(torch.arange(24.0)))


def first(learn: PeftLearner) -> Result:
    tasks, inputs = tasks_of(learn)
    return learn.run(tasks[0], inputs[0])


def test_int8_moves_no_weight_by_more_than_half_a_step() -> None:
    weight, layer = layer_of("int8")
    steps = weight.abs().amax(1, keepdim=True) / 127
    assert ((layer.weight - weight).abs() <= steps / 2 * 1.001).all()
    x = torch.randn(5, 40, generator=torch.Generator().manual_seed(4))
    exact = nn.functional.linear(x, weight, layer.bias)
    bound = x.abs().sum(1, keepdim=True) * steps[:, 0] / 2 * 1.001 + 1e-5
    assert ((layer(x) - exact).abs() <= bound).all()


def test_nf4_takes_the_nearest_of_its_values() -> None:
    """The values are those of QLoRA, appendix E, to four digits."""
    values = normal_quantiles()
    published = [-1.0, -0.6962, -0.5251, -0.3949, -0.2844, -0.1848, -0.0911, 0.0]
    published += [0.0796, 0.1609, 0.2461, 0.3379, 0.4407, 0.5626, 0.7230, 1.0]
    assert values.tolist() == pytest.approx(published, abs=6e-5)
    weight, layer = layer_of("nf4")
    blocks = weight.flatten().view(-1, 64)
    scales = blocks.abs().amax(1, keepdim=True)
    nearest = ((blocks / scales)[..., None] - values).abs().argmin(-1)
    assert torch.equal(layer.weight.flatten(), (values[nearest] * scales).flatten())


@pytest.mark.parametrize("kind", LAYERS)
def test_gradients_are_those_of_the_restored_weight(kind: str) -> None:
    _, layer = layer_of(kind)
    x = torch.randn(2, 3, 40, generator=torch.Generator().manual_seed(4)).requires_grad_()
    (layer(x) ** 2).sum().backward()
    got = x.grad
    x.grad = None
    (nn.functional.linear(x, layer.weight, layer.bias) ** 2).sum().backward()
    assert torch.allclose(got, x.grad, rtol=1e-5)


@pytest.mark.parametrize(
    ("architecture", "kind"), [("bert", "int8"), ("gpt2", "int8"), ("llama", "nf4")]
)
def test_blocks_are_held_rounded_and_lora_learns_over_them(
    quiet: Folder, shards: Shards, architecture: str, kind: str
) -> None:
    plain, method = quiet(architecture), FedIT(lora=LoRA(rank=2), local=LOCAL)
    learn = learner(replace(plain, quantise=kind), shards, method)
    full = learner(plain, shards, method)
    assert learn.recipe != full.recipe
    adapted, before = learn.adapted_model(0), full.adapted_model(0)
    rounded = [m for m in adapted.model.modules() if isinstance(m, QuantisedLinear)]
    values = sum(layer.in_features * layer.out_features for layer in rounded)
    held, were = (
        sum(each.nbytes for each in (*m.parameters(), *m.buffers()))
        for m in (adapted.model, before.model)
    )
    scales = sum(layer.scales.nbytes for layer in rounded)
    assert values == 2 * {"bert": 8192, "gpt2": 12 * 1024, "llama": 10240}[architecture]
    assert were - held == (4 - BYTES[kind]) * values - scales
    ours, theirs = learn.workload(0), full.workload(0)
    assert theirs.memory - ours.memory == were - held
    assert ours.update_flops == theirs.update_flops
    assert theirs.frozen - ours.frozen == 4 * values - scales
    codes = [layer.codes.clone() for layer in rounded]
    upload = first(learn).states["upload"]
    assert any(value.any() for name, value in upload.items() if "lora_B" in name)
    assert all(torch.equal(a, b.codes) for a, b in zip(codes, rounded, strict=True))


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize(
    ("architecture", "kind"), [("bert", "nf4"), ("gpt2", "int8"), ("llama", "nf4")]
)
def test_weights_are_rounded_one_by_one_as_they_are_read(
    quiet: Folder, monkeypatch: pytest.MonkeyPatch, architecture: str, kind: str, dtype: str
) -> None:
    """To the values of rounding a network that was loaded in full."""
    plain = replace(quiet(architecture), dtype=dtype)  # type: ignore[arg-type]
    expected = quantise(kind, load_model(plain, 3, 0))
    whole = []

    def spy(of: str, network: nn.Module, name: str, weight: torch.Tensor) -> None:
        held = [each for each in network.modules() if type(each) in (nn.Linear, Conv1D)]
        whole.append(sum(not each.weight.is_meta for each in held))
        rounding(of, network, name, weight)

    rounding = quantised._round
    monkeypatch.setattr(quantised, "_round", spy)
    found = load_model(replace(plain, quantise=kind), 3, 0)  # type: ignore[arg-type]
    monkeypatch.undo()
    outside = sum(type(each) in (nn.Linear, Conv1D) for each in found.modules())
    rounded = sum(isinstance(each, QuantisedLinear) for each in found.modules())
    assert len(whole) == rounded > 0
    assert max(whole) <= outside < rounded
    values = found.state_dict()
    assert values.keys() == expected.state_dict().keys()
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(values[name], value, rtol=0, atol=0)
    assert not any(each.is_meta for each in found.parameters())
    assert not any(each.requires_grad for each in found.parameters())


def test_wrong_weights_are_told_of_when_they_are_rounded(quiet: Folder, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(quiet("llama").pretrained, tmp_path / "wrong"))
    model, file = Pretrained(pretrained=str(folder), quantise="int8"), folder / "model.safetensors"
    weights = load_file(file)
    name = "model.layers.1.mlp.up_proj.weight"
    kept = weights.pop(name)
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=f"lacks 1 weights, such as {name}"):
        load_model(model, 3, 0)
    save_file(weights | {name: kept[:-1].clone()}, file, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=rf"{name} has the shape .* in the weights"):
        load_model(model, 3, 0)


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_the_gradient_of_a_lora_is_that_of_a_network_with_restored_weights(dtype: str) -> None:
    model = Pretrained(pretrained="builtin:tiny-gpt2-instruct", quantise="int8", dtype=dtype)
    ids = torch.arange(5, 37).view(2, 16)
    texts = PromptBatch(ids[:, :8], torch.ones_like(ids[:, :8]), ids[:, 8:], ids[:, 8:] * 0 + 1)
    found = []
    for restored in (False, True):
        network, method = load_causal(model), FedIT(lora=LoRA(rank=4))
        for owner in [*network.modules()] if restored else ():
            for name, layer in [*owner.named_children()]:
                if isinstance(layer, QuantisedLinear):
                    plain = nn.Linear(layer.in_features, layer.out_features)
                    plain.weight, plain.bias = nn.Parameter(layer.weight), layer.bias
                    setattr(owner, name, plain)
        adapted = AdaptedModel(network, method.parts, 1)
        adapted.reset(adapted.parts, 0)
        train_only(network, adapted.parameters.values())
        loss = word_cross_entropy(network, texts)
        loss.backward()
        found.append((loss.item(), {n: p.grad.numpy() for n, p in adapted.parameters.items()}))
    (one, some), (other, more) = found
    within = 1e-5 if dtype == "fp32" else 2e-2
    assert one == pytest.approx(other, rel=within)
    assert farthest(some, more) < within * max(abs(v).max() for v in more.values())


def test_all_that_saves_memory_goes_together() -> None:
    """Rounded weights, passes of half a batch, layers anew, fused attention, bfloat16, clipping."""
    plain = Pretrained(pretrained="builtin:tiny-gpt2-instruct")
    small = replace(
        plain, quantise="int8", dtype="bf16", attention="sdpa", gradient_checkpointing=True
    )
    shards = Instruct(examples=8, test_fraction=0.5).shards(1, 0)
    losses = []
    for model, micro in ((plain, 0), (small, 2)):
        local = replace(LOCAL, steps=1, micro_batch=micro, clip_norm=1.0)
        method = FedIT(lora=LoRA(rank=2), local=local)
        learn = learner(model, shards, method, tokens=shards.pooled.layout.tokens)
        losses.append(first(learn).values["train_loss"])
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=5e-2)


def test_dora_and_biases_learn_over_rounded_weights(quiet: Folder, shards: Shards) -> None:
    for kind in ("dora", "bitfit"):
        method = FedPEFT(tuner=Tuner(type=kind), local=LOCAL)
        learn = learner(replace(quiet("bert"), quantise="nf4"), shards, method)
        assert first(learn).values["train_loss"] < 2


def test_what_cannot_be_is_one_line(quiet: Folder, shards: Shards) -> None:
    model = replace(quiet("bert"), quantise="int8")
    with pytest.raises(LocatedError, match="rounded weights do not learn, and flora trains them"):
        learner(model, shards, FLoRA())
    with pytest.raises(ValueError, match=r"^quantise: bnb-nf4 needs device: cuda; give nf4$"):
        replace(model, quantise="bnb-nf4")


def test_bitsandbytes_that_is_not_there_is_said(
    quiet: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "wfl_sim.learning.base_models.pretrained_model.find_spec"
    monkeypatch.setattr(module, lambda name: None)
    with pytest.raises(ValueError, match=r"needs bitsandbytes .*; int8 does without"):
        replace(quiet("bert"), quantise="bnb-int8", device="cuda")


def test_weights_are_loaded_in_their_type(pretrained: Folder) -> None:
    """Frequencies of rotary positions are no weights, and stay in float32, as in transformers."""
    half = load_model(replace(pretrained("llama"), dtype="bf16"), 3, 0)
    full = load_model(pretrained("llama"), 3, 0)
    assert half.model.layers[0].mlp.up_proj.weight.dtype == torch.bfloat16
    assert half.model.rotary_emb.inv_freq.dtype == torch.float32
    assert torch.equal(half.model.rotary_emb.inv_freq, full.model.rotary_emb.inv_freq)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no accelerator")
@pytest.mark.parametrize("kind", ["int8", "nf4", "bnb-int8", "bnb-nf4"])
def test_an_accelerator_learns_over_rounded_weights(
    quiet: Folder, shards: Shards, kind: str
) -> None:
    if kind.startswith("bnb-"):
        pytest.importorskip("bitsandbytes")
    method = FedIT(lora=LoRA(rank=2), local=LOCAL)
    host = learner(replace(quiet("llama"), quantise=kind[-4:].lstrip("-")), shards, method)
    there = learner(replace(quiet("llama"), quantise=kind, device="cuda"), shards, method)
    (expected, _), (alone, group) = both(host), both(there)
    for one, two, three in zip(expected, alone, group, strict=True):
        assert two.values["train_loss"] == pytest.approx(one.values["train_loss"], rel=3e-2)
        assert three.values["train_loss"] == pytest.approx(two.values["train_loss"], rel=3e-2)
