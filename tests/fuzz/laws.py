"""What must hold for every text, and for every run of a network."""

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fuzz.limits import within
from tests.fuzz.values import FILES
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.validation import validate
from wfl_sim.execution.plan import NetworkOnly
from wfl_sim.network.federation.federation import Federation
from wfl_sim.radio.allocation.allocator import ALLOCATORS, Demands
from wfl_sim.records import Span
from wfl_sim.results.digests import digest_spans
from wfl_sim.results.tables import COLUMNS, values
from wfl_sim.scenario.loading import Loaded, ScenarioError, load
from wfl_sim.scenario.resolve import digest, to_dict
from wfl_sim.scenario.scenario import Scenario
from wfl_sim.simulation.build import run_federation
from wfl_sim.simulation.run import prepare
from wfl_sim.simulation.simulation import Simulation

LOADING, RUNNING = 10.0, 60.0
"""Seconds of the host that a load, and a run, may take."""
_MOST_DEVICES = 200


def folder_with_tables(folder: Path) -> Path:
    """Return a folder in which the tables lie that scenarios may name."""
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def check_load(text: str, settings: list[str], folder: Path) -> str:
    """Load a text; it is a scenario, or one line says why it is none.

    Returns:
        "valid", "refused" when it is loaded, or "refused later" when its parts are put together.
    """
    file = folder / "s.yaml"
    file.write_bytes(text.encode(errors="surrogatepass"))
    with within(LOADING):
        try:
            loaded = load(file, settings=settings)
        except ScenarioError as error:
            check_line(str(error), file)
            return "refused"
        for each in loaded[:2]:
            again = validate(Scenario, to_dict(each.scenario))
            assert digest(again) == digest(each.scenario)
            try:
                _prepared(each)
            except ScenarioError as error:
                check_line(str(error), file)
                return "refused later"
    return "valid"


def _prepared(loaded: Loaded) -> Simulation | None:
    scenario = loaded.scenario
    small = scenario.device_count * len(scenario.base_stations) <= _MOST_DEVICES
    if not small or type(scenario.model).__name__ != "Synthetic":
        return None
    return prepare(loaded, lambda _: None, network_only=True)


def check_line(message: str, file: Path) -> None:
    """Check that a message is one printable line that begins with a place."""
    assert message.isprintable(), message
    assert len(message) <= 1005, message
    assert message.startswith((f"{file.parent}/", "--set ")), message
    assert not message.rstrip().endswith(":"), message


@dataclass
class Watched:
    """What the allocators of a run were asked, and whether they kept to the band."""

    decisions: int = 0
    problems: list[str] = field(default_factory=list)

    def look(self, demands: Demands, shares: Any, level: Any = 1.0) -> None:
        """Note one answer."""
        self.decisions += 1
        shares, level = np.asarray(shares), np.asarray(level)
        if shares.shape != demands.efficiency.shape:
            self.problems.append(f"shares of shape {shares.shape}")
        elif not (np.isfinite(shares).all() and (shares >= 0).all()):
            self.problems.append("shares that are negative or not finite")
        elif shares.sum(axis=0).max() > 1 + 1e-9:
            self.problems.append(f"{shares.sum(axis=0).max()} of a block")
        used = level if level.ndim < 2 or level.shape != shares.shape else level * shares
        if not ((level >= 0).all() and (used <= 1 + 1e-9).all()):
            self.problems.append(f"levels of power from {level.min()} to {level.max()}")


@contextmanager
def watched_answers() -> Iterator[Watched]:
    """Look at every answer of every allocator, and at who is said to be available."""
    watched, available = Watched(), Federation.available

    def looked_at(federation: Federation) -> Any:
        found = available(federation)
        if found != [device for device in federation.devices if device.available]:
            watched.problems.append("an available device is left out, or another is not")
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Federation, "available", looked_at)
        for kind in ALLOCATORS.kinds():
            for name in ("shares", "shares_and_levels", "holders"):
                if hasattr(cls := ALLOCATORS.find(kind), name):
                    patch.setattr(cls, name, _looked_at(getattr(cls, name), name, watched))
        yield watched


def _looked_at(method: Any, name: str, watched: Watched) -> Any:
    def answer(self: Any, demands: Demands) -> Any:
        given = method(self, demands)
        if name == "holders" and given is not None:
            count, blocks = demands.efficiency.shape
            if given.shape != (blocks,) or given.min() < 0 or given.max() >= count:
                watched.problems.append("a block of nobody")
            watched.decisions += 1
        elif given is not None:
            watched.look(demands, *(given if isinstance(given, tuple) else (given,)))
        return given

    return answer


def check_network(text: str, folder: Path) -> tuple[str, int]:
    """Run the network of a scenario twice, and check what must hold.

    Returns:
        "ended"; "refused" before the run, or "stopped" by the watchdog, with one line each; and
        the number of spans.
    """
    file = folder / "s.yaml"
    file.write_text(text, encoding="utf-8")
    with within(RUNNING):
        try:
            simulation = prepare(load(file)[0], lambda _: None, network_only=True)
        except ScenarioError as error:
            check_line(str(error), file)
            return "refused", 0
        plan = NetworkOnly(simulation.learner, simulation.scenario.seed)
        federation = simulation.federation(plan)
        stop = ""
        try:
            with watched_answers() as watched:
                run_federation(federation, simulation.scenario)
        except LocatedError as error:
            stop = str(error)
        assert not watched.problems, watched.problems[0]
        if stop:
            assert stop.isprintable()
            with pytest.raises(LocatedError, match=re.escape(stop)):
                simulation.run()
            return "stopped", 0
        check_run(federation)
        # Now with a thread that draws the fading ahead.
        result = simulation.run()
    assert digest_spans(result.spans) == digest_spans(federation.context.spans)
    joules = sum(result.totals["joules"].values())
    assert joules == pytest.approx(_drawn(federation), rel=1e-9, abs=1e-12)
    for quantity in (*result.totals["joules"].values(), result.totals["simulated_seconds"]):
        assert np.isfinite(quantity)
        assert quantity >= 0
    return "ended", len(result.spans)


def _drawn(federation: Federation) -> float:
    return float(federation.context.ledger.drawn(federation.env.now).sum())


def check_run(federation: Federation) -> None:
    """Check the spans, levels and counters of a run that has ended."""
    end, context = federation.env.now, federation.context
    rows: dict[str, list[Span]] = defaultdict(list)
    for span in context.spans:
        rows[span.actor].append(span)
        assert 0 <= span.start <= span.end <= end, span
        assert span.bits >= 0, span
        assert span.flops >= 0, span
        assert span.joules >= 0, span
        assert np.isfinite([span.joules, span.flops, span.mean_rate or 0.0]).all(), span
        assert span.mean_sinr_db is None or np.isfinite(span.mean_sinr_db), span
    for mine in rows.values():
        mine.sort(key=lambda span: (span.start, span.end))
        assert all(a.end <= b.start for a, b in pairwise(mine))
    values(context.spans, COLUMNS["spans"])
    values(context.levels, COLUMNS["levels"])
    _check_devices(federation, rows, end)
    _check_bits(federation)


def _check_devices(federation: Federation, rows: dict[str, list[Span]], end: float) -> None:
    ledger = federation.context.ledger
    drawn, components = ledger.drawn(end), ledger.components(end)
    assert (components >= 0).all()
    assert components.sum(axis=1) == pytest.approx(drawn, rel=1e-9, abs=1e-12)
    for device in federation.devices:
        mine = rows[device.name]
        if end > 0:
            assert mine[0].start == 0
            assert mine[-1].end == end
            assert all(a.end == b.start for a, b in pairwise(mine))
        spent = sum(span.joules for span in mine)
        assert spent == pytest.approx(drawn[device.index], rel=1e-9, abs=1e-12)
        state = device.power_meter.battery_state
        if state is not None:
            battery = state.battery
            lost = battery.initial * battery.capacity - state.level + state.charged
            assert lost == pytest.approx(drawn[device.index], rel=1e-9, abs=1e-9 * battery.capacity)
            assert -1e-9 <= state.level / battery.capacity <= 1 + 1e-9
    for row in federation.context.levels:
        assert 0 <= row.time <= end
        assert np.isfinite(row.value)


def _check_bits(federation: Federation) -> None:
    traffic, spans = federation.context.traffic, federation.context.spans
    ups = [span for span in spans if span.activity == "upload"]
    downs = [span for span in spans if span.activity == "download"]
    assert traffic.sent_up == sum(span.bits for span in ups)
    assert traffic.under_way_up >= 0
    assert traffic.sent_up == traffic.received_up + traffic.lost_up + traffic.under_way_up
    arrived = sum(span.bits for span in ups if span.outcome == "done")
    assert traffic.received_up <= arrived
    assert traffic.lost_up >= sum(span.bits for span in ups if span.outcome == "dropped")
    assert traffic.received_down == sum(span.bits for span in downs if span.outcome == "done")
    assert traffic.lost_down == sum(span.bits for span in downs if span.outcome == "dropped")
    assert min(traffic.sent_down, traffic.lost_up, traffic.lost_down) >= 0
