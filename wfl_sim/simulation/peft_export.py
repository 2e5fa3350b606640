"""What a run has trained, as a folder that PEFT or transformers loads."""

from pathlib import Path
from typing import Any

from wfl_sim.data.examples import Instructions
from wfl_sim.execution.task import InitialPrivate
from wfl_sim.learning.learner import PeftLearner
from wfl_sim.methods.method import hook
from wfl_sim.randomness import derived_seed
from wfl_sim.results import Run
from wfl_sim.scenario.loading import load
from wfl_sim.simulation.learner_cache import LearnerCache


def export_peft(
    run: Run, folder: Path, *, device: str = "", merge: bool = False, allow_plugins: bool = False
) -> Path:
    """Write the final model of a run as a folder of PEFT, with a model card; return the folder.

    Args:
        run: has trained a pretrained network.
        folder: is made; it must be empty or not there.
        device: whose personal model; the shared model unless given, as the run evaluates it.
        merge: write the whole network, for transformers.
        allow_plugins: let ``kind: ./mine.py:Mine`` of the run run that file.

    Raises:
        ValueError: the run has no such model, or PEFT no place for its parts.
    """
    from wfl_sim.learning.peft.peft_folder import how_to_load, write_peft

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder}: is there and not empty: name a new folder")
    (loaded,) = load(run.folder / "scenario.yaml", allow_plugins=allow_plugins)
    states = run.states()
    learner, names = LearnerCache().learner(loaded.scenario), run.devices
    if not isinstance(learner, PeftLearner) or not states:
        raise ValueError(f"{run.folder}: nothing was trained in this run")
    if hook(learner.method, "mixing_weights"):
        raise ValueError("LoRAs weigh differently from text to text, which PEFT does not know")
    if device not in names and (device or "shared" not in states):
        wrong = f"has no {device!r}" if device else "has no shared model"
        raise ValueError(f"{run.folder} {wrong}: give --device {names[0]} to {names[-1]}")
    number, private = int(device.rpartition("-")[2] or -1), states.get(device, {})
    if not device:  # the private parts of the model that is evaluated on the pooled examples
        seed = derived_seed(loaded.scenario.seed, "initial", "private", "untrained")
        task = InitialPrivate(recipe=learner.recipe, device=-1, seed=seed)
        private = dict(learner.run(task, []).states["private"])
    state = learner.payloads.personal_model(number, states.get("shared", {}), private)
    answers = isinstance(learner.shards.pooled, Instructions)
    classes = None if answers else learner.shards.classes
    parts = learner.device_parts.parts(number)
    write_peft(learner.model, parts, state, classes, folder, merge=merge)
    measured: Any = run.measured
    rows = "".join(
        f"| {metric} | {scope} | {run.final(metric, scope):.4g} |\n"
        for metric, scope in measured
        if scope != "device"
    )
    base = learner.model.pretrained
    card = f"""---
base_model: {base}
library_name: {"transformers" if merge else "peft"}
---

# {run.scenario.get("name", run.folder.name)}: {device or "the shared model"}

Trained by federated learning over a simulated wireless network (wfl_sim): run `{run.folder.name}`,
seed {run.seed}, digest of its states `{run.manifest["digests"]["states"]}`,
on {base} in {learner.model.dtype} (quantise: {learner.model.quantise}).
{"" if answers else f"Labels: {', '.join(learner.shards.classes)}."}

{how_to_load(learner.model, classes, folder.name, merge=merge)}

| metric at the end of the run | of | |
|---|---|---|
{rows}"""
    (folder / "README.md").write_text(card, encoding="utf-8")
    return folder
