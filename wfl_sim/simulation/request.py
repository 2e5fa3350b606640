"""Request: the scenarios to run, the options, and their run folders."""

import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from wfl_sim.config.errors import ScenarioError
from wfl_sim.results.digests import digest_names
from wfl_sim.results.tables import NAME_BYTES, cut
from wfl_sim.results.writing import check_replaceable
from wfl_sim.scenario.arguments import check_count, path_of, source, texts
from wfl_sim.scenario.loading import Loaded, load, read_extended
from wfl_sim.scenario.resolve import digest
from wfl_sim.scenario.scenario import Scenario
from wfl_sim.simulation.learner_cache import learning_of


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """A scenario file, or a mapping of Python in its place, and the options of its runs."""

    file: Path | Mapping[str, Any]
    out: Path
    store: Path | None = None
    """Folder of the results of training; beside the run folders unless given."""
    settings: tuple[str, ...] = ()
    executor: str = ""
    """In place of that of the scenario."""
    only: tuple[str, ...] = ()
    """Names of the variants to run; all if empty."""
    seeds: str = ""
    """In place of those of the scenario, such as ``1..5``."""
    shard: tuple[int, int] = (1, 1)
    """Number of a share of the runs, from 1 on, and the number of shares."""
    allow_plugins: bool = False
    network_only: bool = False
    threads: int = 1

    def __post_init__(self) -> None:
        check_count("threads", self.threads)

    @classmethod
    def of(
        cls,
        file: str | Path | Mapping[str, Any] | Scenario,
        settings: Iterable[str] = (),
        out: str | Path = "runs",
        network_only: bool = False,
        allow_plugins: bool = False,
        threads: int = 1,
        **more: Any,
    ) -> Self:
        """Return the request of these options, with paths as text or as `Path`."""
        if more.get("store") is not None:
            more["store"] = path_of("store", more["store"])
        return cls(
            file=source(file),
            out=path_of("out", out),
            settings=texts("settings", settings, "texts such as 'rounds.count=5'"),
            allow_plugins=allow_plugins,
            network_only=network_only,
            threads=threads,
            **more,
        )

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields without the scenarios, which another process reads for itself."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def folder(self, scenario: Scenario) -> Path:
        """Return the run folder of a scenario.

        Name and label are cut where they are too long for a folder; the digest tells runs apart.
        """
        label = re.sub(r"[^\w.+=-]+", "-", scenario.label)
        content = digest(scenario)
        mode = "network" if self.network_only else scenario.execution.mode.removeprefix("exact")
        end = "".join(f"-{each}" for each in (f"s{scenario.seed}", content, mode) if each)
        begin = "-".join(filter(None, [scenario.name, label]))
        return self.out / (cut(begin, NAME_BYTES - len(end)) + end)

    def unchanged(self, number: int, folder: Path) -> Loaded:
        """Return a scenario whose run folder was planned, maybe by another process.

        Raises:
            OSError: It, or what it names, has been edited since then.
        """
        if number < len(self.loaded) and self.folder(self.loaded[number].scenario) == folder:
            return self.loaded[number]
        edited = "the scenario, or a file or plug-in that it names, was edited meanwhile"
        raise OSError(f"{folder.name}: {edited}: start it again")

    def as_sweep(self) -> "RunRequest":
        """Return the request of the same runs in the folder of their sweep.

        The folder is named after the scenario and a digest of all points.

        Raises:
            ScenarioError: The file is wrong, or has no sweep.
        """
        loaded = self.planned
        if not self.seeds and "sweep" not in read_extended(self.file).data and len(loaded) == 1:
            what = "is required and missing: give `grid`, `zip`, `variants` or `seeds`"
            raise loaded[0].document.error((), f"sweep: {what}")
        end = f"-sweep-{digest_names(self.folder(each.scenario).name for each in loaded)}"
        name = cut(loaded[0].scenario.name, NAME_BYTES - len(end)) + end
        request = replace(self, out=self.out / name, store=self.out / ".store")
        request.__dict__["planned"] = loaded  # the changes do not affect the scenarios
        return request

    def check_out(self) -> None:
        """Check that run folders can be written; nothing is made yet.

        A run whose replacement was interrupted is put back.

        Raises:
            ScenarioError: They cannot be written.
        """
        check_folders(self.out, [self.folder(each.scenario) for each in self.loaded])

    @cached_property
    def planned(self) -> list[Loaded]:
        """The scenarios of all shares. ScenarioError where the file or a setting is wrong."""
        return load(
            self.file,
            settings=self.settings,
            allow_plugins=self.allow_plugins,
            executor=self.executor,
            only=self.only,
            seeds=self.seeds,
        )

    @cached_property
    def loaded(self) -> list[Loaded]:
        """The scenarios of this share; those that can share all of their training are neighbours.

        Shares differ by one run at most.
        """
        number, shares = self.shard
        loaded = self.planned
        if shares == 1:
            return loaded
        order = by_group([learning_of(each.scenario) for each in loaded])
        begin, end = ((number + i) * len(loaded) // shares for i in (-1, 0))
        return [loaded[each] for each in sorted(order[begin:end])]


def check_folders(out: Path, folders: Iterable[Path]) -> None:
    """Check that run folders can be written into `out`, as `RunRequest.check_out`.

    Raises:
        ScenarioError: They cannot be written.
    """
    folders = list(folders)
    try:
        os.fspath(out.absolute()).encode()
    except UnicodeEncodeError:
        raise ScenarioError(f"{out}: cannot be written: the path is not in UTF-8") from None
    try:
        places = (out, *out.absolute().parents)
        with tempfile.TemporaryFile(dir=next(each for each in places if each.exists())):
            pass
        for folder in folders:
            check_replaceable(folder)
    except ValueError as error:
        raise ScenarioError(str(error)) from None
    except OSError as error:
        where = next((each for each in folders if str(each) in str(error.filename)), out)
        raise ScenarioError(f"{where}: cannot be written: {error.strerror}") from None


def by_group(groups: Sequence[str]) -> list[int]:
    """Return the numbers of the scenarios, group by group."""
    return sorted(range(len(groups)), key=lambda number: groups.index(groups[number]))
