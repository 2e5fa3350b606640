"""A run's models leave it for PEFT, and another run begins with them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForSequenceClassification
from typer.testing import CliRunner

import wfl_sim
from wfl_sim.cli.commands import app
from wfl_sim.config.errors import ScenarioError
from wfl_sim.results import Run


def scenario(**method: Any) -> dict[str, Any]:
    return {
        "name": "export",
        "model": {"pretrained": "builtin:tiny-bert"},
        "data": {"kind": "newswire", "examples": 12},
        "method": {"kind": "fedit", "lora": {"rank": 2}, "local": {"steps": 1}, **method},
        "rounds": {"kind": "synchronous", "count": 1},
        "evaluation": {"global_examples": 16, "personal_examples": 4},
        "devices": [{"count": 2, "hardware": "jetson-orin-nano", "area": {"radius": "300 m"}}],
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    (found,) = wfl_sim.run(scenario(), out=tmp_path_factory.mktemp("runs"))
    return found


def said(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["export", *map(str, arguments)])
    return done.exit_code, done.output


def test_the_shared_model_is_a_folder_of_peft(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "adapter"
    assert said(run.folder, "--peft", out) == (0, f"{out}\n")
    config = json.loads((out / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["task_type"]) == (2, 4, "SEQ_CLS")
    base = AutoModelForSequenceClassification.from_pretrained(
        config["base_model_name_or_path"], num_labels=8, ignore_mismatched_sizes=True
    )
    loaded = PeftModel.from_pretrained(base, out)
    values = dict(loaded.named_parameters())
    for name, value in run.states()["shared"].items():
        ends = name.partition("/")[2].replace("_A.", "_A.default.").replace("_B.", "_B.default.")
        ends = ends.replace("classifier.", "classifier.modules_to_save.default.")
        (found,) = [each for each in values if each.endswith(ends)]
        assert (values[found].detach().numpy() == value).all()
    card = (out / "README.md").read_text()
    assert run.manifest["digests"]["states"] in card
    assert "num_labels=8" in card
    assert f"| {run.final('accuracy', 'global'):.4g} |" in card


@pytest.fixture(scope="module")
def second(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Devices that go on alone where the first run has ended."""
    folder = tmp_path_factory.mktemp("second")
    said(run.folder, "--peft", folder / "adapter")
    again = scenario(kind="local-only")
    again["model"]["adapter"] = str(folder / "adapter")
    (found,) = wfl_sim.run(again, out=folder)
    return found


def test_another_run_begins_where_this_one_ended(run: Run, second: Run) -> None:
    begin = second.series("loss", "personal_mean").value[0]
    assert begin == pytest.approx(run.final("loss", "personal_mean"), abs=1e-6)
    assert begin != pytest.approx(run.series("loss", "personal_mean").value[0], abs=1e-3)


def test_what_does_not_fit_is_refused_before_the_run(second: Run, tmp_path: Path) -> None:
    again = scenario()
    again["method"]["lora"]["rank"] = 4
    again["model"]["adapter"] = second.scenario["model"]["adapter"]
    with pytest.raises(ScenarioError, match=r"model: adapter: .* give lora: \{rank: 2"):
        wfl_sim.run(again, out=tmp_path)
    assert not list(tmp_path.glob("export*"))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--peft", "OUT", "--device", "device-9"], "has no 'device-9': give --device device-0 to"),
        (["--peft", "OUT", "--to", "csv"], "give --to FORMAT, or --peft DIR"),
        (["--to", "csv", "--merge"], "give --to FORMAT, or --peft DIR"),
        ([], "give --to FORMAT, or --peft DIR"),
        (["--peft", "."], "is there and not empty"),
    ],
)
def test_what_cannot_be_is_one_line(
    run: Run, tmp_path: Path, options: list[str], line: str
) -> None:
    code, output = said(run.folder, *[str(tmp_path / "x") if o == "OUT" else o for o in options])
    assert code == 2
    assert line in output
    assert output.count("\n") == 1


def test_a_personal_model_stands_by_its_device(second: Run, tmp_path: Path) -> None:
    code, output = said(second.folder, "--peft", tmp_path / "none")
    assert (code, "has no shared model: give --device device-0 to device-1" in output) == (2, True)
    whole = ("--peft", tmp_path / "whole", "--device", "device-1", "--merge")
    assert said(second.folder, *whole) == (0, f"{tmp_path / 'whole'}\n"), "no bar of transformers"
    network = AutoModelForSequenceClassification.from_pretrained(tmp_path / "whole")
    head = second.states()["device-1"]["head/classifier.weight"]
    assert (network.classifier.weight.detach().numpy() == head).all()


def test_a_run_with_a_file_of_its_own_is_exported_where_that_is_allowed(
    run: Run, tmp_path: Path
) -> None:
    """The line that refused it named an option that the command had not."""
    mine = tmp_path / "mine.py"
    mine.write_text("from wfl_sim.methods.fedit import FedIT as Mine\n")
    copy = tmp_path / "run"
    shutil.copytree(run.folder, copy)
    text = (copy / "scenario.yaml").read_text().replace("kind: fedit", f"kind: {mine}:Mine")
    (copy / "scenario.yaml").write_text(text)
    code, output = said(copy, "--peft", tmp_path / "x")
    assert (code, "give --allow-plugins" in output) == (2, True)
    code, output = said(copy, "--peft", tmp_path / "x", "--allow-plugins")
    assert (code, (tmp_path / "x" / "adapter_config.json").exists()) == (0, True)


def test_replicated_layers_are_merged_each_with_its_own_lora(tmp_path: Path) -> None:
    options = {"r": 2, "layer_replication": [[0, 2], [1, 2]], "target_modules": ["query"]}
    tuner, local = {"type": "lora", "options": options}, {"steps": 1, "lr": 0.1}
    method = {"kind": "fedpeft", "tuner": tuner, "local": local}
    (run,) = wfl_sim.run({**scenario(), "method": method}, out=tmp_path / "runs")
    assert said(run.folder, "--peft", tmp_path / "adapter")[0] == 0
    assert said(run.folder, "--peft", tmp_path / "whole", "--merge")[0] == 0
    config = json.loads((tmp_path / "adapter/adapter_config.json").read_text())
    auto, base = AutoModelForSequenceClassification, config["base_model_name_or_path"]
    network = auto.from_pretrained(base, num_labels=8, ignore_mismatched_sizes=True)
    tuned = PeftModel.from_pretrained(network, tmp_path / "adapter").eval()
    whole, words = auto.from_pretrained(tmp_path / "whole").eval(), torch.arange(5, 13)[None]
    assert whole.config.num_hidden_layers == 3
    first, last = (whole.bert.encoder.layer[n].attention.self.query.weight for n in (1, 2))
    assert not torch.equal(first, last)
    torch.testing.assert_close(whole(words).logits, tuned(words).logits, rtol=0, atol=1e-5)
