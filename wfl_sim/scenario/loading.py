"""Loading: a scenario file becomes typed scenarios, or one error line with its place."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from wfl_sim.config.documents import Document, read_yaml, resolve_path, shown
from wfl_sim.config.error_messages import first_error, locate_key
from wfl_sim.config.errors import LocatedError, ScenarioError
from wfl_sim.config.merging import apply_setting, merge
from wfl_sim.config.plugins import plugins_allowed
from wfl_sim.config.registry import validate
from wfl_sim.config.sweep import Coordinate, SweepPoint, axes_of, coordinate, expand_sweep
from wfl_sim.scenario.scenario import Scenario

__all__ = ["Loaded", "ScenarioError", "load"]


@dataclass(frozen=True)
class Loaded:
    """A scenario and the document it came from."""

    scenario: Scenario
    document: Document
    point: Mapping[str, Coordinate] = field(default_factory=dict)
    """Coordinates in a sweep, by path; the name of the variant under `variant`."""

    def error(self, problem: LocatedError) -> ScenarioError:
        """Return the located line for something that was found wrong after loading."""
        return self.document.error(*locate_key(self.scenario, problem.path, str(problem)))


def load(
    file: str | Path, *, settings: Sequence[str] = (), allow_plugins: bool = False
) -> list[Loaded]:
    """Return the scenarios of a file: one, or one for each point of its sweep.

    Args:
        file: a YAML file.
        settings: ``path=value`` texts that override the file and its variants, such as
            ``rounds.count=5``; later ones override earlier ones.
        allow_plugins: let ``kind: ./mine.py:Mine`` run that file.

    Raises:
        ScenarioError: anything is wrong; the message reads ``file:line: path: what``.
    """
    document = read_extended(Path(file))
    for setting in settings:
        if _key(setting).split(".")[0] == "sweep":
            document = apply_setting(document, setting)
    ours = [setting for setting in settings if _key(setting).split(".")[0] != "sweep"]
    for setting in ours:
        _refuse_swept(document.data.get("sweep"), setting)
    with plugins_allowed() if allow_plugins else nullcontext():
        if "sweep" not in document.data:
            return [_typed(SweepPoint(_set(document, ours)))]
        return [_typed(point) for point in expand_sweep(document, partial(_set, settings=ours))]


def read_extended(file: Path, above: tuple[Path, ...] = ()) -> Document:
    """Read a file, merged over the one that it extends, if any.

    Raises:
        ScenarioError: a file is missing or broken, or a file extends itself.
    """
    document = read_yaml(file)
    if document.data.get("extends") is None:
        return document.without("extends")
    base, above = document.data["extends"], (*above, file.resolve())
    if not isinstance(base, str):
        raise document.error(("extends",), f"must be the name of a file, got {shown(base)}")
    try:
        path = resolve_path(base)
        found = path.is_file()
    except ValueError as error:
        raise document.error(("extends",), str(error)) from None
    except OSError as error:
        raise document.error(("extends",), f"{shown(base)}: {error.strerror}") from None
    if not found:
        raise document.error(("extends",), f"no file {shown(base)} beside {file.name}")
    if path.resolve() in above:
        raise document.error(("extends",), f"{shown(base)} leads back to itself")
    return merge(read_extended(path, above), document.without("extends"))


def _set(document: Document, settings: Sequence[str]) -> Document:
    for setting in settings:
        document = apply_setting(document, setting)
    return document


def _refuse_swept(sweep: Any, setting: str) -> None:
    """Refuse to set what the sweep itself sets."""
    if not isinstance(sweep, dict):
        return
    key = _key(setting)
    by = {"seed": "seeds"} if "seeds" in sweep else {}
    for block in ("variants", "grid", "zip"):
        by |= {"label": block} if block in sweep else {}
    by |= {path: "grid" if path in (sweep.get("grid") or ()) else "zip" for path in axes_of(sweep)}
    for path, block in by.items():
        if key == path or key.startswith(f"{path}."):
            raise ScenarioError(f"--set {setting}: {key}: is set by sweep.{block} of this file")


def _key(setting: str) -> str:
    return setting.partition("=")[0].strip()


def _typed(point: SweepPoint) -> Loaded:
    document = point.document
    try:
        scenario = validate(Scenario, document.data)
    except ValidationError as error:
        raise document.error(*first_error(error, document.data, Scenario)) from None
    point_of = {
        path: coordinate(scenario, path, written) for path, written in point.written.items()
    }
    return Loaded(scenario, document, point_of)
