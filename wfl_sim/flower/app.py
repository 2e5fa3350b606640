"""Flower apps: found in a folder, run on a federation, and written as a run folder."""

import importlib
import inspect
import json
import random
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal

from flwr.app import Context, RecordDict
from flwr.common.config import get_fused_config_from_dir
from flwr.serverapp.strategy import Strategy
from flwr.supercore.task_identity import TaskIdentity

from wfl_sim.config.documents import Document, Place
from wfl_sim.config.errors import LocatedError, ScenarioError
from wfl_sim.config.merging import apply_setting
from wfl_sim.config.plugin_code import plugins_allowed, remember
from wfl_sim.config.validation import typed
from wfl_sim.flower.exchanges import ExchangePlan
from wfl_sim.flower.grid import SimulatedGrid
from wfl_sim.randomness import derived_seed
from wfl_sim.results import Run, write_run
from wfl_sim.results.digests import digest_names
from wfl_sim.results.tables import NAME_BYTES, cut
from wfl_sim.scenario.loading import Loaded, read_extended, remarks
from wfl_sim.scenario.resolve import digest, to_yaml
from wfl_sim.scenario.scenario import Scenario
from wfl_sim.simulation.request import check_folders
from wfl_sim.simulation.run import prepare, provenance

_DECIDED: Final = (
    *((key,) for key in ("model", "data", "method", "rounds", "payload", "privacy", "evaluation")),
    *(("server", key) for key in ("optimizer", "staleness", "weights", "robust")),
    ("execution",),
    ("stall",),
)
"""Paths of a scenario that an app decides: it trains by itself, and says how long it waits."""
_PLACEHOLDER: Final = {
    "model": {"kind": "synthetic", "payload": 1.0, "flops_per_step": 1.0},
    "method": "fedit",
    "rounds": {"kind": "synchronous", "count": 1},
}
_RUN: Final = 1


@dataclass(frozen=True)
class App:
    """The two halves of a Flower app, and its configuration."""

    name: str
    server: Callable[[Any, Context], None]
    client: Callable[[Any, Context], Any]
    config: Mapping[str, Any]
    chosen: Mapping[str, Any]
    """What of the configuration differs from that in the app's `pyproject.toml`."""

    @classmethod
    def found(cls, folder: Path, config: Mapping[str, Any]) -> "App":
        """Return the app in a folder with a `pyproject.toml`.

        Raises:
            ScenarioError: there is none, or it cannot be imported.
        """
        file = folder / "pyproject.toml"
        try:
            components = tomllib.loads(file.read_text())["tool"]["flwr"]["app"]["components"]
            own, fused = (get_fused_config_from_dir(folder, dict(c)) for c in ({}, config))
        except FileNotFoundError:
            raise ScenarioError(f"{file}: no such file: is it the folder of an app?") from None
        except KeyError as error:
            where = "[tool.flwr.app.components]"
            raise ScenarioError(f"{file}: {where}: is missing or lacks {error}") from None
        except ValueError as error:
            raise ScenarioError(f"{file}: {error}") from None
        sys.path.insert(0, str(folder.resolve()))
        try:
            server = _component(file, components, "serverapp")
            client = _component(file, components, "clientapp")
        finally:
            sys.path.remove(str(folder.resolve()))
        chosen = {key: value for key, value in fused.items() if value != own.get(key)}
        return cls(folder.resolve().name, server, client, fused, chosen)


def run_app(
    app: str | Path | tuple[Any, Any],
    scenario: str | Path | Mapping[str, Any],
    *,
    out: str | Path = "runs",
    settings: tuple[str, ...] = (),
    config: Mapping[str, Any] | None = None,
    flops: Mapping[str, float] | None = None,
    payload: Literal["message", "arrays"] = "message",
    poll: float = 1.0,
    allow_plugins: bool = False,
    warn: Callable[[str], None] = lambda text: None,
) -> Run:
    """Run a Flower app on the devices and cells of a scenario.

    Args:
        app: the folder of an app, or its ServerApp and ClientApp.
        scenario: with `cells` and `devices`: one node for each device.
        out: folder of the run folders; other options of an app have another one.
        settings: texts ``path=value`` that override values of the scenario.
        config: overrides values of the app's run configuration.
        flops: FLOPs of a message by type ("train", "evaluate"), for what torch does not count.
        payload: bits of a whole message as it is serialised, or of its arrays alone.
        poll: simulated s that a pull waits for a reply.
        allow_plugins: let ``kind: ./mine.py:Mine`` of the scenario run that file.
        warn: called with one line about what has no effect, was lost, or failed.

    Raises:
        ScenarioError: the scenario or the app cannot be used, or `out` not be written.
    """
    with plugins_allowed() if allow_plugins else nullcontext():
        loaded = _network(scenario, settings, warn)
    if isinstance(app, tuple):
        found = App("app", app[0], app[1], dict(config or {}), dict(config or {}))
    else:
        found = App.found(Path(app), config or {})
    one, devices = loaded.scenario, loaded.scenario.device_count
    options = json.dumps([found.config, flops, payload, poll], sort_keys=True)
    end = f"-s{one.seed}-{digest(one)}-{digest_names([options])}"
    folder = Path(out) / (cut(f"{one.name}-{found.name}", NAME_BYTES - len(end)) + end)
    check_folders(Path(out), [folder])
    simulation = prepare(loaded, warn, network_only=True)
    TaskIdentity.task_id = TaskIdentity.run_id = _RUN
    TaskIdentity.node_id = devices + 1
    contexts = [
        Context(
            _RUN,
            node + 1,
            {"partition-id": node, "num-partitions": devices},
            RecordDict(),
            dict(found.config),
        )
        for node in range(devices)
    ]
    plan = ExchangePlan(
        simulation.learner, one.seed, found.client, contexts, flops=flops or {}, payload=payload
    )
    federation = simulation.federation(plan)
    plan.devices = federation.devices
    federation.settle()
    grid = SimulatedGrid(federation, plan, poll)
    server = Context(_RUN, devices + 1, {}, RecordDict(), dict(found.config))
    random.seed(derived_seed(one.seed, "flower", "server"))
    try:
        with _strategies_noted(grid) as finals:
            found.server(grid, server)
    except LocatedError as error:
        raise loaded.error(error) from error
    federation.finish()
    states = {"shared": finals[-1]} if finals else {}
    result = simulation.result(federation, grid.metrics, states)
    facts = {
        "app": found.name,
        "config": dict(found.config),
        "flops": dict(flops or {}),
        "payload": payload,
        "late": grid.late,
        "lost": grid.lost,
        "failed": plan.failures,
    }
    base = provenance(one)
    words = [f"{key}={value}" for key, value in sorted(found.chosen.items())]
    base["label"] = one.label or " ".join([f"{one.name}-{found.name}", *words])
    base["versions"] |= {"flwr": version("flwr")}
    manifest = {**base, **result.totals, "network_only": False, "flower": facts}
    earlier = _digests(folder)
    write_run(folder, scenario_yaml=to_yaml(one), manifest=manifest, **result.tables)
    if earlier not in ({}, _digests(folder)):
        told = "replaces a run of this app with other results; another label keeps both"
        warn(f"{folder.name}: {told}")
    if grid.lost:
        warn(f"{folder.name}: messages whose device or reply was lost: {grid.lost}")
    if plan.failures:
        warn(f"{folder.name}: the ClientApp failed on {plan.failures} messages: see the log")
    for kind in sorted(plan.uncounted):
        warn(f"{folder.name}: torch counts no FLOPs of `{kind}`, so it takes no time: give --flops")
    for kind in sorted(plan.unused):
        warn(f"{folder.name}: no message was of type `{kind}`, which --flops names")
    return Run.open(folder)


def _digests(folder: Path) -> dict[str, Any]:
    """Return the digests of a run folder; none where there is no run that can be read."""
    try:
        return dict(Run.open(folder).manifest["digests"])
    except (ValueError, OSError):
        return {}


def _network(
    source: str | Path | Mapping[str, Any], settings: tuple[str, ...], warn: Callable[[str], None]
) -> Loaded:
    """Return the scenario, with placeholders for what an app decides."""
    document = read_extended(source)
    for setting in [settings] if isinstance(settings, str) else settings:
        document = apply_setting(document, setting)
    for *above, key in _DECIDED:
        holder = document.data.get(above[0]) if above else document.data
        if isinstance(holder, Mapping) and key in holder:
            path = (*above, key)
            warn(str(document.error(path, "has no effect: the Flower app decides it")))
            document = document.without(*path)
    for key, value in _PLACEHOLDER.items():
        document = document.having(key, Document(value, {(): Place("", (key,))}))
    loaded = Loaded(typed(Scenario, document), document)
    for line in remarks([loaded]):
        warn(line)
    return loaded


def _component(file: Path, components: Mapping[str, str], key: str) -> Any:
    """Return the object that `pyproject.toml` names as ``module:attribute``."""
    module, _, attribute = components[key].partition(":")
    try:
        loaded = importlib.import_module(module)
        remember(loaded)  # as a plug-in, whose errors keep their traceback
        return getattr(loaded, attribute)
    except (ImportError, AttributeError) as error:
        raise ScenarioError(f"{file}: {key}: {components[key]}: {error}") from error


@contextmanager
def _strategies_noted(grid: SimulatedGrid) -> Iterator[list[dict[str, Any]]]:
    """Note what strategies evaluate at the server, and yield the arrays that they end with."""
    start, finals = Strategy.start, []

    def noted(*args: Any, **options: Any) -> Any:
        given = inspect.signature(start).bind(*args, **options)
        evaluate = given.arguments.get("evaluate_fn")
        if evaluate is not None:

            def evaluate_and_note(number: int, arrays: Any) -> Any:
                found = evaluate(number, arrays)
                for name, value in (found or {}).items():
                    grid.note(name, value)
                return found

            given.arguments["evaluate_fn"] = evaluate_and_note
        result = start(*given.args, **given.kwargs)
        if result.arrays is not None:
            finals.append({name: array.numpy() for name, array in result.arrays.items()})
        return result

    Strategy.start = noted
    try:
        yield finals
    finally:
        Strategy.start = start
