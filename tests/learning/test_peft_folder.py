"""What is trained loads in PEFT and transformers with the same logits, and can be begun with."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import AutoPeftModelForSequenceClassification, LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from tools.models.checkpoints import checkpoint
from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.base_models.model_loading import load_causal, load_model
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.peft.peft_folder import begin_with, write_peft
from wfl_sim.methods import PFTT, FDLoRA, FedAvg, FedIT
from wfl_sim.methods.parts import Critic, Head, LastLayers, LoRA, Offset, Part
from wfl_sim.state import State

Folder = Callable[[str], Pretrained]
CLASSES = ("a", "b", "c")
ONE = FedIT(lora=LoRA(rank=2, alpha=6.0)).parts
ALL = FedIT(lora=LoRA(rank=2, targets="all-linear")).parts
TWO = FDLoRA(lora=LoRA(rank=2)).parts
CAUSAL = (Part(name="lora", config=LoRA(rank=2)), Part(name="critic", config=Critic()))
LAST = (
    Part(name="layers", config=LastLayers(layers=1)),
    Part(name="offset", config=Offset(layers=1)),
)


def trained(model: Pretrained, parts: Any, causal: bool = False) -> tuple[AdaptedModel, State]:
    """The network with every value of every part moved, as training moves them."""
    network = load_causal(model) if causal else load_model(model, len(CLASSES), 0)
    adapted = AdaptedModel(network, parts, 1)
    adapted.reset(adapted.parts, 3)
    rng = np.random.default_rng(1)
    state = {
        name: (value + rng.normal(scale=0.1, size=value.shape)).astype(np.float32)
        for name, value in adapted.read(adapted.parts).items()
    }
    adapted.load(state)
    return adapted, state


def logits(network: Any) -> Tensor:
    tokens = torch.arange(4, 24).reshape(2, 10)
    with torch.no_grad():
        found: Tensor = network(input_ids=tokens, attention_mask=torch.ones_like(tokens)).logits
    return found


def plain(model: Pretrained) -> Any:
    """The network as transformers loads it, with a new head of three classes."""
    return AutoModelForSequenceClassification.from_pretrained(
        model.pretrained, num_labels=3, ignore_mismatched_sizes=True
    )


@pytest.mark.parametrize(
    ("kind", "parts", "merge"),
    [
        ("bert", ONE, False),
        ("roberta", ONE, False),
        ("llama", ALL, False),
        ("gpt2", TWO, False),
        ("gpt2", TWO, True),
    ],
)
def test_a_classifier_loads_with_equal_logits(
    quiet: Folder, tmp_path: Path, kind: str, parts: Any, merge: bool
) -> None:
    adapted, state = trained(quiet(kind), parts)
    write_peft(quiet(kind), parts, state, CLASSES, tmp_path, merge=merge)
    if merge:
        network = AutoModelForSequenceClassification.from_pretrained(tmp_path)
        assert network.config.id2label == {0: "a", 1: "b", 2: "c"}
    else:
        network = PeftModel.from_pretrained(plain(quiet(kind)), tmp_path)
        assert not (tmp_path / "model.safetensors").exists()
    network.config.pad_token_id = 0
    torch.testing.assert_close(logits(network.eval()), logits(adapted.model), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("merge", [False, True])
def test_a_language_model_loads_without_its_critic(tmp_path: Path, merge: bool) -> None:
    model = Pretrained(pretrained="builtin:tiny-gpt2")
    adapted, state = trained(model, CAUSAL, causal=True)
    write_peft(model, CAUSAL, state, None, tmp_path, merge=merge)
    network = AutoModelForCausalLM.from_pretrained(
        tmp_path if merge else model.folder(), dtype=torch.float32
    )
    network = network if merge else PeftModel.from_pretrained(network, tmp_path)
    torch.testing.assert_close(logits(network.eval()), logits(adapted.model), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("parts", "causal"), [(LAST, True), (FedAvg().parts, False)])
def test_trained_weights_are_in_the_whole_network_alone(
    quiet: Folder, tmp_path: Path, parts: Any, causal: bool
) -> None:
    model = Pretrained(pretrained="builtin:tiny-gpt2") if causal else quiet("gpt2")
    adapted, state = trained(model, parts, causal)
    classes = None if causal else CLASSES
    with pytest.raises(ValueError, match="in the weights of the network itself: give --merge"):
        write_peft(model, parts, state, classes, tmp_path)
    write_peft(model, parts, state, classes, tmp_path, merge=True)
    auto = AutoModelForCausalLM if causal else AutoModelForSequenceClassification
    network = auto.from_pretrained(tmp_path)
    network.config.pad_token_id = 0
    torch.testing.assert_close(logits(network.eval()), logits(adapted.model), atol=1e-4, rtol=1e-4)


def test_all_weights_of_a_language_model_are_its_output_layer_too(tmp_path: Path) -> None:
    """Where it is not the embeddings, which then are float32 before an output layer in bfloat16."""
    model = Pretrained(pretrained=str(checkpoint("Llama", tmp_path / "base")), dtype="bf16")
    parts = FedAvg().parts
    adapted, state = trained(model, parts, causal=True)
    assert not adapted.model.config.tie_word_embeddings
    assert sum(value.size for value in state.values()) == adapted.model.num_parameters()
    answers = logits(adapted.model)
    write_peft(replace(model, dtype="fp32"), parts, state, None, tmp_path / "new", merge=True)
    network = AutoModelForCausalLM.from_pretrained(tmp_path / "new")
    torch.testing.assert_close(logits(network.eval()), answers, atol=1e-4, rtol=1e-4)


def test_what_peft_does_not_know_is_refused(quiet: Folder, tmp_path: Path) -> None:
    parts = PFTT().parts
    _, state = trained(quiet("bert"), parts)
    with pytest.raises(ValueError, match="part 'adapter' has the type Adapter, which PEFT"):
        write_peft(quiet("bert"), parts, state, CLASSES, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_folder_finds_its_base_by_itself(quiet: Folder, tmp_path: Path) -> None:
    adapted, state = trained(quiet("bert"), ONE)
    write_peft(quiet("bert"), ONE, state, CLASSES, tmp_path)
    found = AutoPeftModelForSequenceClassification.from_pretrained(
        tmp_path, num_labels=3, ignore_mismatched_sizes=True
    )
    torch.testing.assert_close(logits(found), logits(adapted.model), atol=1e-5, rtol=1e-4)


def begun(model: Pretrained, parts: Any) -> AdaptedModel:
    network = load_model(model, len(CLASSES), 0)
    adapted = AdaptedModel(network, parts, 1, begin=begin_with(model, network, parts))
    adapted.reset(adapted.parts, 0)
    return adapted


def test_a_run_begins_with_what_another_has_written(quiet: Folder, tmp_path: Path) -> None:
    adapted, state = trained(quiet("roberta"), ONE)
    write_peft(quiet("roberta"), ONE, state, CLASSES, tmp_path)
    model = replace(quiet("roberta"), adapter=str(tmp_path))
    assert model.fingerprint() != quiet("roberta").fingerprint()
    again = begun(model, ONE)
    for name, value in again.read(again.parts).items():
        np.testing.assert_array_equal(value, state[name])
    torch.testing.assert_close(logits(again.model), logits(adapted.model))


def folder_of(model: Pretrained, folder: Path, **options: Any) -> Pretrained:
    """A folder that PEFT itself has written, with values that are not at their start."""
    torch.manual_seed(4)
    settings = {"r": 4, "lora_alpha": 8, "target_modules": ["query", "value"], **options}
    tuned = get_peft_model(plain(model), LoraConfig(task_type="SEQ_CLS", **settings))
    for name, value in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value)
    tuned.save_pretrained(folder)
    return replace(model, adapter=str(folder))


def test_a_run_begins_with_what_peft_has_written(quiet: Folder, tmp_path: Path) -> None:
    model = folder_of(quiet("bert"), tmp_path)
    expected = logits(PeftModel.from_pretrained(plain(model), tmp_path).eval())
    adapted = begun(model, FedIT(lora=LoRA(rank=4)).parts)
    torch.testing.assert_close(logits(adapted.model), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("merge", [False, True])
def test_modules_that_a_run_began_with_are_written_again(
    quiet: Folder, tmp_path: Path, merge: bool
) -> None:
    """A pooler that PEFT has tuned stays as it is in the run, and in what the run exports."""
    model = folder_of(quiet("bert"), tmp_path / "first", modules_to_save=["pooler", "classifier"])
    weights = load_file(tmp_path / "first/adapter_model.safetensors")
    moved = {name: value + 0.5 * ("pooler" in name) for name, value in weights.items()}
    save_file(moved, tmp_path / "first/adapter_model.safetensors", {"format": "pt"})
    parts = FedIT(lora=LoRA(rank=4)).parts
    adapted = begun(model, parts)
    write_peft(model, parts, adapted.read(adapted.parts), CLASSES, tmp_path / "new", merge=merge)
    if merge:
        network = AutoModelForSequenceClassification.from_pretrained(tmp_path / "new")
    else:
        network = PeftModel.from_pretrained(plain(model), tmp_path / "new")
    torch.testing.assert_close(logits(network.eval()), logits(adapted.model), atol=1e-5, rtol=1e-4)


def test_weights_that_were_drawn_are_in_the_whole_network_alone(
    quiet: Folder, tmp_path: Path
) -> None:
    model = replace(quiet("bert"), fresh=True)
    adapted, state = trained(model, ONE)
    with pytest.raises(ValueError, match=r"weights were drawn .*: give --merge"):
        write_peft(model, ONE, state, CLASSES, tmp_path)
    write_peft(model, ONE, state, CLASSES, tmp_path, merge=True)
    network = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(logits(network), logits(adapted.model), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "lora", "said"),
    [
        ({}, LoRA(rank=2), r"rank 4 and alpha 8, .* 2 and 4: give lora: \{rank: 4, alpha: 8\}"),
        ({"use_rslora": True}, LoRA(rank=4), r"give lora: \{rank: 4, alpha: 16\}"),
        ({"use_dora": True}, LoRA(rank=4), "has use_dora, which a LoRA of a method has not"),
        ({"target_modules": ["key"]}, LoRA(rank=4), "layers named key: give these as lora.targets"),
    ],
)
def test_what_does_not_fit_is_one_line(
    quiet: Folder, tmp_path: Path, options: Any, lora: LoRA, said: str
) -> None:
    model = folder_of(quiet("bert"), tmp_path, **options)
    with pytest.raises(ValueError, match=said):
        begun(model, FedIT(lora=lora).parts)


def test_it_needs_one_lora_and_a_network_of_its_shapes(quiet: Folder, tmp_path: Path) -> None:
    model = folder_of(quiet("bert"), tmp_path)
    with pytest.raises(ValueError, match="the method has 0 LoRAs"):
        begun(model, (Part(name="head", config=Head()),))
    with pytest.raises(ValueError, match="the network has no 'classifier"):
        begun(replace(quiet("roberta"), adapter=str(tmp_path)), FedIT(lora=LoRA(rank=4)).parts)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps(config | {"peft_type": "IA3"}))
    with pytest.raises(ValueError, match="holds values of IA3"):
        begun(model, FedIT(lora=LoRA(rank=4)).parts)
    with pytest.raises(ValueError, match=r"must be a folder with adapter_config\.json"):
        Pretrained(pretrained="builtin:tiny-bert", adapter=str(tmp_path / "none"))
