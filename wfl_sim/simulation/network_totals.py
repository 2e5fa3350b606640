"""What a simulated network has used in all: seconds, bits, joules, handovers, batteries."""

from dataclasses import asdict
from typing import Any

from wfl_sim.device_models.energy import COMPONENTS
from wfl_sim.network.federation import Federation
from wfl_sim.scenario.scenario import Scenario
from wfl_sim.simulation.infrastructure_energy import infrastructure_joules


def network_totals(scenario: Scenario, federation: Federation) -> dict[str, Any]:
    """Return the totals of the manifest that come from the network, at the end of a run.

    What a scenario does not have (batteries, handovers, users beside the federation, carbon, ways
    out of coverage) is not among them.
    """
    now, context, carbon = federation.env.now, federation.context, scenario.carbon
    joules = context.ledger.components(now).sum(axis=0)
    own = [span for span in context.spans if not span.activity.startswith("user-")]
    since = ((each.name, each.reachability.uncovered_since) for each in federation.devices)
    optional = {
        "batteries": _batteries(federation),
        "handovers": _handovers(federation),
        "background": asdict(context.background) if federation.background else {},
        "grams_co2": {} if carbon is None else carbon.grams(own),
        "out_of_coverage": {name: start for name, start in since if start is not None},
    }
    return {
        "simulated_seconds": now,
        "bits": {**asdict(context.traffic), "under_way_up": context.traffic.under_way_up},
        "rounds": {"aggregations": context.aggregations, "empty": context.empty_aggregations},
        "joules": dict(zip(COMPONENTS, joules.tolist(), strict=True)),
        "infrastructure_joules": infrastructure_joules(scenario, federation),
        **{name: value for name, value in optional.items() if value != {}},
    }


def _batteries(federation: Federation) -> dict[str, float]:
    """Return start, end, charged and spilled energy of all batteries, in J; empty without any."""
    states = (device.power_meter.battery_state for device in federation.devices)
    batteries = [state for state in states if state is not None]
    if not batteries:
        return {}
    return {
        "start": sum(state.battery.initial * state.battery.capacity for state in batteries),
        "end": sum(state.level for state in batteries),
        "charged": sum(state.charged for state in batteries),
        "spilled": sum(state.spilled for state in batteries),
    }


def _handovers(federation: Federation) -> dict[str, float]:
    """Return the number of handovers and the s that they interrupted; empty without any."""
    counters, spans = federation.context.handovers, federation.context.spans
    if not counters.count:
        return {}
    gaps = [span.end - span.start for span in spans if span.activity == "handover"]
    return {
        "count": counters.count,
        "ping_pong": counters.ping_pong,
        "interrupted_seconds": sum(gaps),
    }
