"""Loading: a scenario file becomes typed scenarios, or one line that says where it is wrong."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from wfl_sim.checking import checked
from wfl_sim.complaints import first_complaint, traced
from wfl_sim.documents import Document, ScenarioError
from wfl_sim.overlays import extended, overridden, swept
from wfl_sim.registry import LocatedError, plugins_allowed
from wfl_sim.scenario import Scenario

__all__ = ["Loaded", "ScenarioError", "load"]


@dataclass(frozen=True)
class Loaded:
    """A scenario and the document it came from."""

    scenario: Scenario
    document: Document

    def error(self, problem: LocatedError) -> ScenarioError:
        """Return the located line for something that was found wrong after loading."""
        return self.document.error(*traced(self.scenario, problem.path, str(problem)))


def load(
    file: str | Path, *, settings: Sequence[str] = (), allow_plugins: bool = False
) -> list[Loaded]:
    """Return the scenarios of a file: one, or one for each variant and seed of its sweep.

    Args:
        file: a YAML file.
        settings: ``path=value`` texts that override the file and its variants, such as
            ``rounds.count=5``; later ones override earlier ones.
        allow_plugins: let ``kind: ./mine.py:Mine`` run that file.

    Raises:
        ScenarioError: anything is wrong; the message reads ``file:line: path: what``.
    """
    document = extended(Path(file))
    for setting in settings:
        if _of_sweep(setting):
            document = overridden(document, setting)
    documents = list(swept(document))
    with plugins_allowed() if allow_plugins else nullcontext():
        return [_typed(_set(each, document, settings)) for each in documents]


def _set(document: Document, origin: Document, settings: Sequence[str]) -> Document:
    """Lay the settings over one document of a sweep; what the sweep itself sets is its own."""
    sweep = origin.data.get("sweep") or {}
    for setting in settings:
        key = setting.partition("=")[0].strip()
        for swept_key, by in (("seed", "seeds"), ("label", "variants")):
            if key == swept_key and by in sweep:
                raise ScenarioError(f"--set {setting}: {key}: is set by sweep.{by} of this file")
        if not _of_sweep(setting):
            document = overridden(document, setting)
    return document


def _of_sweep(setting: str) -> bool:
    return setting.partition("=")[0].strip().split(".")[0] == "sweep"


def _typed(document: Document) -> Loaded:
    try:
        return Loaded(checked(Scenario, document.data), document)
    except ValidationError as error:
        raise document.error(*first_complaint(error, document.data, Scenario)) from None
