"""Request: which scenarios to run, how, and where their folders go."""

import hashlib
import re
import tempfile
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from wfl_sim.config.errors import ScenarioError
from wfl_sim.config.merging import read_extended
from wfl_sim.scenario.loading import Loaded, load
from wfl_sim.scenario.resolve import digest
from wfl_sim.scenario.scenario import Scenario


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What to run and how; the same for every scenario of the file."""

    file: Path
    out: Path
    store: Path | None = None
    """of the results of training; beside the run folders unless given"""
    reuse: bool = False
    """leave a run alone that has ended, whole, with the same inputs"""
    settings: tuple[str, ...] = ()
    allow_plugins: bool = False
    network_only: bool = False
    threads: int = 1

    def with_threads(self, threads: int) -> "RunRequest":
        """Return the same request for so many threads of torch."""
        return self._but(threads=threads)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the scenarios, which another process reads for itself."""
        return {name: value for name, value in self.__dict__.items() if name != "_loaded"}

    def load(self) -> list[Loaded]:
        """Return the scenarios, which are read once.

        Raises:
            ScenarioError: the file or a setting is wrong.
        """
        return self._loaded

    def folder(self, scenario: Scenario) -> Path:
        """Return the run folder of a scenario."""
        label = re.sub(r"[^\w.+=-]+", "-", scenario.label)
        words = [scenario.name, label, f"s{scenario.seed}", digest(scenario)]
        mode = "network" if self.network_only else scenario.execution.mode
        return self.out / "-".join(filter(None, [*words, mode.removeprefix("exact")]))

    def as_sweep(self) -> "RunRequest":
        """Return the request of the same runs in the folder of their sweep.

        Its name tells the scenario and, by a digest, all points.

        Raises:
            ScenarioError: the file is wrong, or holds no sweep.
        """
        loaded = self.load()
        if "sweep" not in read_extended(self.file).data and len(loaded) == 1:
            what = "is required and missing: give `grid`, `zip`, `variants` or `seeds`"
            raise loaded[0].document.error((), f"sweep: {what}")
        folders = sorted(self.folder(each.scenario).name for each in loaded)
        mark = hashlib.sha256("\n".join(folders).encode()).hexdigest()[:8]
        name = f"{loaded[0].scenario.name}-sweep-{mark}"
        return self._but(out=self.out / name, store=self.out / ".store", reuse=True)

    def check_out(self) -> None:
        """Try whether run folders can be written; nothing is made yet.

        Raises:
            ScenarioError: they cannot.
        """
        nearest = next(each for each in (self.out, *self.out.absolute().parents) if each.exists())
        try:
            with tempfile.TemporaryFile(dir=nearest):
                pass
        except OSError as error:
            raise ScenarioError(f"{self.out}: cannot be written: {error.strerror}") from None

    @cached_property
    def _loaded(self) -> list[Loaded]:
        return load(self.file, settings=self.settings, allow_plugins=self.allow_plugins)

    def _but(self, **changes: Any) -> "RunRequest":
        """Return the request with changes that leave its scenarios as they are."""
        changed = replace(self, **changes)
        changed.__dict__["_loaded"] = self._loaded
        return changed
