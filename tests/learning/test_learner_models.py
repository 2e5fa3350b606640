"""Base models: what is accepted, what identifies them, what is silent; and models without torch."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pydantic import TypeAdapter
from safetensors.torch import load_file, save_file

from wfl_sim.execution.task import InitialShared
from wfl_sim.learning.base_models import hub
from wfl_sim.learning.base_models.model_loading import load_model, load_tokenizer
from wfl_sim.learning.base_models.pretrained_model import MODELS, Pretrained
from wfl_sim.learning.synthetic import Synthetic, SyntheticLearner
from wfl_sim.methods import PFTT, LocalOnly
from wfl_sim.methods.phases import Local

Folder = Callable[[str], Pretrained]


@pytest.fixture
def copied(pretrained: Folder, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pretrained("bert").pretrained, tmp_path / "copy"))


def test_the_fingerprint_follows_the_files(pretrained: Folder, copied: Path) -> None:
    model = Pretrained(pretrained=str(copied))
    first = model.fingerprint()
    assert first == pretrained("bert").fingerprint() != pretrained("roberta").fingerprint()
    (copied / "README.md").write_text("not looked at")
    assert model.fingerprint() == first
    weights = load_file(copied / "model.safetensors")
    weights["bert.pooler.dense.bias"][0] += 1
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    assert model.fingerprint() != first


def indexed(copied: Path, place: str) -> Path:
    """Move the weights to a place, and write an index that names it."""
    weights = load_file(copied / "model.safetensors")
    (copied / place).parent.mkdir(exist_ok=True)
    shutil.move(copied / "model.safetensors", copied / place)
    index = {"metadata": {}, "weight_map": dict.fromkeys(weights, place)}
    (copied / "model.safetensors.index.json").write_text(json.dumps(index))
    return copied / place


def test_the_fingerprint_follows_weights_in_a_sub_folder_and_behind_a_link(copied: Path) -> None:
    model = Pretrained(pretrained=str(copied))
    shard = indexed(copied, "parts/one.safetensors")
    seen = [model.fingerprint()]
    weights = load_file(shard)
    for target in (shard, copied.parent / "elsewhere.safetensors"):
        weights["bert.pooler.dense.bias"][0] += 1
        save_file(weights, target, metadata={"format": "pt"})
        if target != shard:
            shard.unlink()
            shard.symlink_to(target)
        seen.append(model.fingerprint())
    assert len(set(seen)) == 3
    assert torch.equal(
        load_model(model, 2, 0).bert.pooler.dense.bias, weights["bert.pooler.dense.bias"]
    )


@pytest.mark.parametrize("place", ["../one.safetensors", "linked/one.safetensors", "gone"])
def test_weights_outside_the_folder_are_refused(copied: Path, place: str) -> None:
    (copied.parent / "other").mkdir()
    (copied / "linked").symlink_to(copied.parent / "other")
    where = indexed(copied, place)
    if place == "gone":
        where.unlink()
    with pytest.raises(ValueError, match=rf"index\.json names '{place}', which is no file in this"):
        Pretrained(pretrained=str(copied)).fingerprint()
    (copied / "model.safetensors.index.json").write_text("[]")
    with pytest.raises(ValueError, match="has no weight_map"):
        Pretrained(pretrained=str(copied)).folder()


def test_loading_is_silent_and_leaves_no_trace(
    copied: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Even where the checkpoint has no head and no pooler."""
    weights = load_file(copied / "model.safetensors")
    kept = {n: w for n, w in weights.items() if "classifier" not in n and "pooler" not in n}
    save_file(kept, copied / "model.safetensors", metadata={"format": "pt"})
    networks = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        before = torch.get_rng_state()
        networks.append(load_model(Pretrained(pretrained=str(copied)), 5, 0))
        assert torch.equal(torch.get_rng_state(), before)
    assert capfd.readouterr() == ("", "")
    for one, other in zip(*(network.parameters() for network in networks), strict=True):
        assert torch.equal(one, other)
        assert not one.requires_grad
    assert networks[0].classifier.weight.shape == (5, 32)


def test_half_precision_checkpoints_become_float32(copied: Path) -> None:
    weights = load_file(copied / "model.safetensors")
    half = {name: weight.half() for name, weight in weights.items()}
    save_file(half, copied / "model.safetensors", metadata={"format": "pt"})
    network = load_model(Pretrained(pretrained=str(copied)), 2, 0)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_a_checkpoint_without_its_backbone_is_refused(copied: Path) -> None:
    weights = load_file(copied / "model.safetensors")
    kept = {n: w for n, w in weights.items() if "layer.1" not in n}
    save_file(kept, copied / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"lacks 16 weights, such as bert.encoder.layer.1"):
        load_model(Pretrained(pretrained=str(copied)), 2, 0)


def test_pickled_weights_are_refused(copied: Path) -> None:
    weights = load_file(copied / "model.safetensors")
    (copied / "model.safetensors").unlink()
    torch.save(weights, copied / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"cannot load .*safetensors, but pytorch_model\.bin"):
        load_model(Pretrained(pretrained=str(copied)), 2, 0)


def test_end_of_text_pads_where_nothing_else_does(copied: Path) -> None:
    file = copied / "tokenizer_config.json"
    config = json.loads(file.read_text())
    del config["pad_token"]
    file.write_text(json.dumps(config))
    assert load_tokenizer(Pretrained(pretrained=str(copied))).pad_token == "[SEP]"
    for name in ("eos_token", "sep_token"):
        del config[name]
    file.write_text(json.dumps(config))
    with pytest.raises(ValueError, match="no token to pad with"):
        load_tokenizer(Pretrained(pretrained=str(copied)))


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("./nowhere", FileNotFoundError, "no model folder './nowhere'"),
        ("a/b/c", FileNotFoundError, "no model folder 'a/b/c'"),
        ("builtin:tiny-brt", ValueError, "did you mean 'tiny-bert'"),
    ],
)
def test_what_is_not_there_is_named(name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Pretrained(pretrained=name).folder()


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"it has no config\.json"):
        Pretrained(pretrained=str(tmp_path)).fingerprint()


def test_a_revision_belongs_to_a_hub_id(tmp_path: Path) -> None:
    for name in (str(tmp_path), "builtin:tiny-bert"):
        with pytest.raises(ValueError, match="revision belongs to a Hub id"):
            Pretrained(pretrained=name, revision="main")
    with pytest.raises(ValueError, match="must name a model"):
        Pretrained(pretrained=" ")


def test_a_hub_id_needs_a_cache_or_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object, **options: object) -> str:
        raise OSError("no connection\nand more")

    monkeypatch.setattr("huggingface_hub.snapshot_download", absent)
    with pytest.raises(FileNotFoundError, match=r"no model 'a/b': .* asked \(no connection\)"):
        Pretrained(pretrained="a/b").fingerprint()


def test_a_hub_id_is_pinned_to_its_commit(monkeypatch: pytest.MonkeyPatch, copied: Path) -> None:
    commit = copied.rename(copied.with_name("c0ffee"))
    asked: list[tuple[object, bool, bool]] = []

    def download(identifier: str, **options: object) -> str:
        weights = hub._WEIGHTS in options["allow_patterns"]  # type: ignore[operator]
        asked.append((options["revision"], weights, bool(options["local_files_only"])))
        return str(commit)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    model = Pretrained(pretrained="organisation/name")
    assert model.fingerprint() == "organisation/name@c0ffee"
    assert model.folder(weights=True) == commit
    assert asked == [(None, False, True), (None, False, True), ("c0ffee", True, True)]
    asked.clear()
    (commit / "model.safetensors").unlink()
    model.folder(weights=True)
    assert asked[-1] == ("c0ffee", True, False)


def test_models_by_kind() -> None:
    assert MODELS.find("pretrained") is Pretrained
    adapter = TypeAdapter(MODELS.find("synthetic"))
    model = adapter.validate_python({"payload": "9.4 Mbit", "flops_per_step": "60 GFLOP"})
    assert model == Synthetic(payload=9.4e6, flops_per_step=60e9)
    with pytest.raises(ValueError, match="payload"):
        adapter.validate_python({"payload": "9.4 MHz", "flops_per_step": "60 GFLOP"})


@pytest.mark.parametrize(
    ("payload", "flops", "name"), [(0.0, 1.0, "payload"), (8.0, 0.0, "flops_per_step")]
)
def test_a_synthetic_model_costs_something(payload: float, flops: float, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Synthetic(payload=payload, flops_per_step=flops)


def test_synthetic_workload() -> None:
    model = Synthetic(payload=9.4e6, flops_per_step=60e9)
    learner = SyntheticLearner(model, PFTT(local=Local(steps=5)))
    workload = learner.workload(3)
    assert workload.upload_bits == workload.download_bits == 9_400_000
    assert workload.update_flops == 5 * 60e9
    assert workload.steps == 5
    assert SyntheticLearner(model, LocalOnly()).workload(0).upload_bits == 0
    with pytest.raises(RuntimeError, match="nothing to train"):
        learner.run(InitialShared(recipe=learner.recipe, seed=0), [])


def test_a_synthetic_model_needs_no_torch() -> None:
    code = (
        "import sys\n"
        "from wfl_sim.learning.synthetic import Synthetic, SyntheticLearner\n"
        "from wfl_sim.methods import PFTT\n"
        "SyntheticLearner(Synthetic(payload=8.0, flops_per_step=1.0), PFTT()).workload(0)\n"
        "assert not {'torch', 'transformers', 'peft'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_model_inside_an_installed_package(tmp_path, monkeypatch, pretrained) -> None:
    (tmp_path / "carrier_of_models").mkdir()
    (tmp_path / "carrier_of_models" / "__init__.py").write_text("raise AssertionError")
    source = Path(pretrained("bert").pretrained)
    shutil.copytree(source, tmp_path / "carrier_of_models" / "model")
    monkeypatch.syspath_prepend(tmp_path)
    model = Pretrained(pretrained="package:carrier_of_models/model")
    assert model.fingerprint() == pretrained("bert").fingerprint()
    with pytest.raises(FileNotFoundError, match="no installed package 'not_there'"):
        Pretrained(pretrained="package:not_there/model").folder()
    with pytest.raises(FileNotFoundError, match=r"no config\.json"):
        Pretrained(pretrained="package:carrier_of_models").folder()
