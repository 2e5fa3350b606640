"""Profile: a table of the times that this machine takes for the local steps of a scenario."""

import platform
from importlib.metadata import version
from pathlib import Path

from channel_models.units import Unit
from wfl_sim.config.errors import ScenarioError
from wfl_sim.device_models.profile_table import ProfileRow, portable_name, write_table
from wfl_sim.execution.processor import first_core
from wfl_sim.learning.learner import PeftLearner
from wfl_sim.methods.method import METHODS
from wfl_sim.scenario.loading import Loaded
from wfl_sim.simulation.learner_cache import LearnerCache
from wfl_sim.simulation.run import prepare


def profile_hardware(
    loaded: Loaded, out: Path, *, power: str, hardware: str, seconds: float, threads: int
) -> list[ProfileRow]:
    """Time the local steps of a scenario and write them as a table.

    Args:
        loaded: The scenario.
        out: The CSV file to write.
        power: Power that the machine draws beyond idle under this load, such as "35 W". It must be
            given, since it cannot be read on every machine.
        hardware: Name of the machine; the name of its processor if empty.
        seconds: The least time to measure each phase, in s.
        threads: Threads of torch.

    Raises:
        ScenarioError: The scenario trains nothing, or the power is not valid.
    """
    try:
        watts = Unit("W", minimum=0.0, exclusive=True).parse(power)
    except ValueError as error:
        raise ScenarioError(f"--power {power}: {error}") from None
    simulation = prepare(loaded, lambda text: None, cache=LearnerCache(threads))
    learner = simulation.learner
    if not isinstance(learner, PeftLearner):
        raise loaded.document.error(("model",), "a synthetic model has no steps to time")
    processor = first_core().get("model name") or platform.processor() or platform.machine()
    source = f"wfl-sim profile, torch {version('torch')}, {threads} threads, median"
    rows = [
        ProfileRow(
            model=portable_name(learner.model.pretrained),
            batch=batch.size,
            tokens=batch.tokens,
            tokens_per_second=batch.size * batch.tokens / step,
            power=watts,
            hardware=hardware or processor,
            source=source,
            method=METHODS.label(learner.method),
        )
        for batch, step in zip(
            learner.workload(0).batches, learner.step_seconds(seconds), strict=True
        )
    ]
    write_table(out, rows)
    return rows
