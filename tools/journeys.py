"""How far four stretches of work travel through the files: calls, moves, files.

A call is a Python call into a function of `wfl_sim` or `channel_models`; that a generator goes on
counts too. A move is a change of file between two calls that follow each other. Measured are the
second load, and the second task of a kind for a device, when everything that is kept from the first
is there:

    python -m tools.journeys
    python -m tools.journeys "local update"     # and every call of one stretch
"""

import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

from wfl_sim.cli.scripts import run_script, script_options
from wfl_sim.config.errors import ScenarioError

ROOT = Path(__file__).parents[1]
PACKAGES = tuple(f"{ROOT / package}/" for package in ("wfl_sim", "channel_models"))

SMOKE = ROOT / "scenarios" / "smoke"


@dataclass
class Journey:
    """The calls of one stretch of work, in their order."""

    stations: list[tuple[str, str]] = field(default_factory=list)
    """file below the repository, and function"""

    @property
    def calls(self) -> int:
        """Number of calls."""
        return len(self.stations)

    @property
    def moves(self) -> int:
        """Number of changes of file between two calls that follow each other."""
        files = [file for file, _ in self.stations]
        return sum(one != other for one, other in pairwise(files))

    @property
    def files(self) -> int:
        """Number of different files."""
        return len({file for file, _ in self.stations})

    def __str__(self) -> str:
        return f"{self.calls:5d} calls {self.moves:4d} moves {self.files:4d} files"


@contextmanager
def recorded() -> Iterator[Journey]:
    """Record the calls that are made inside of the `with` block, by this thread."""
    journey = Journey()

    def note(frame: FrameType, event: str, _: Any) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(PACKAGES):
            journey.stations.append((str(Path(file).relative_to(ROOT)), frame.f_code.co_qualname))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield journey
    finally:
        sys.setprofile(before)


def journeys() -> dict[str, Journey]:
    """Return the journey of each stretch: loading, local update, evaluation, aggregation."""
    return {"load synthetic.yaml": _loading(), **_learning()}


def _loading() -> Journey:
    import wfl_sim.simulation.simulation  # noqa: F401 - registers every kind of model
    from wfl_sim.scenario.loading import load

    file = SMOKE / "synthetic.yaml"
    load(file)
    with recorded() as journey:
        load(file)
    return journey


def _learning() -> dict[str, Journey]:
    """Run tiny-bert.yaml, and record the last task of each kind.

    An evaluation is recorded of a device whose examples have been evaluated before.
    """
    from wfl_sim.execution.store import Store
    from wfl_sim.execution.task import Aggregate, Evaluate, LocalUpdate
    from wfl_sim.learning.learner import PeftLearner
    from wfl_sim.scenario.loading import load
    from wfl_sim.simulation.simulation import Simulation

    names = {LocalUpdate: "local update", Evaluate: "evaluation", Aggregate: "aggregation"}
    found: dict[str, Journey] = {}
    done: set[tuple[str, int]] = set()
    run: Callable[..., Any] = PeftLearner.run
    run_series: Callable[..., Any] = PeftLearner.run_series

    def noted(learner: PeftLearner, task: Any, inputs: Sequence[Mapping[str, Any]]) -> Any:
        name = names.get(type(task))
        if name is None:
            return run(learner, task, inputs)
        with recorded() as journey:
            result = run(learner, task, inputs)
        here = (name, getattr(task, "device", -1))
        if here in done:
            found.setdefault(name, journey)
        done.add(here)
        return result

    def one_by_one(
        learner: PeftLearner, tasks: Sequence[Any], inputs: Sequence[Sequence[Mapping[str, Any]]]
    ) -> Any:
        return [noted(learner, task, given) for task, given in zip(tasks, inputs, strict=True)]

    PeftLearner.run = noted  # type: ignore[method-assign]
    PeftLearner.run_series = one_by_one  # type: ignore[method-assign]
    try:
        with tempfile.TemporaryDirectory() as folder:
            (loaded,) = load(SMOKE / "tiny-bert.yaml", settings=["execution=inline"])
            Simulation(loaded.scenario).run(Store(Path(folder)))
    finally:
        PeftLearner.run = run  # type: ignore[method-assign]
        PeftLearner.run_series = run_series  # type: ignore[method-assign]
    return {name: found[name] for name in names.values()}


def print_journeys(shown: Collection[str] = ()) -> None:
    """Print the journeys, and every call of those named in `shown`."""
    found = journeys()
    if unknown := [name for name in shown if name not in found]:
        raise ScenarioError(f"no journey {unknown[0]!r}; there are: {', '.join(found)}")
    for name, journey in found.items():
        print(f"{name:20s} {journey}")
        if name in shown:
            print(*(f"    {file}:{function}" for file, function in journey.stations), sep="\n")


def main() -> None:
    """Print the journeys."""
    options = script_options(__doc__)
    options.add_argument("journey", nargs="*", help="to show with every call, such as evaluation")
    print_journeys(options.parse_args().journey)


if __name__ == "__main__":
    run_script(main)
