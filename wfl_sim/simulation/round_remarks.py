"""Keys of rounds, servers and methods that are not as they seem, each said in one line."""

from collections.abc import Iterator

from wfl_sim.config.errors import Location, counted
from wfl_sim.methods.method import METHODS, is_weighted_mean
from wfl_sim.methods.robust import Krum, Median, TrimmedMean
from wfl_sim.network.carriers.backhaul_graph import nearest
from wfl_sim.rounds import Asynchronous, Hierarchical, Tiers
from wfl_sim.scenario.scenario import Scenario


def robust_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield what a robust rule cannot do with as few uploads as an aggregation has."""
    rule, most, text = scenario.server.robust, scenario.most_uploads, ""
    uploads = counted(most, "upload")
    if isinstance(rule, Median) and most <= 2:
        text = "the median of one or two uploads is their mean, and an aggregation has no more"
    elif isinstance(rule, TrimmedMean) and round(rule.share * most, 6) < 1:
        text = f"a share of {rule.share:g} leaves out none of at most {uploads}: the mean"
    elif isinstance(rule, Krum) and rule.take >= most:
        text = f"takes {rule.take} of at most {uploads}, which is the mean"
    elif isinstance(rule, Krum) and 2 * rule.wrong + 2 >= most:
        text = (
            f"to stand {counted(rule.wrong, 'wrong upload')} krum needs {2 * rule.wrong + 3}, "
            f"and an aggregation has at most {most}"
        )
    if text:
        yield ("server", "robust"), text


def stale_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield that no rule of staleness acts where a method combines uploads by itself."""
    rounds, method = scenario.rounds, scenario.method
    late = getattr(rounds, "late", "") == "fold"
    if not (late or isinstance(rounds, Asynchronous | Tiers)) or is_weighted_mean(method):
        return
    if any(part.shared for part in method.parts):
        name = METHODS.name_of(method)
        text = f"{name} takes an upload as it is, however stale: it does not average"
        yield ("rounds", "late" if late else "kind"), text


def warm_up_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield that a warm-up over rounds outlasts the run, so that no update learns at `lr`."""
    rise = getattr(getattr(scenario.method, "local", None), "warmup_rounds", 0)
    rounds = getattr(scenario.rounds, "count", None)  # None: until a time
    if rounds is not None and rise > rounds:
        warm = counted(rise, "round")
        text = f"its rate never reaches lr: {warm} of warm-up, and the run has {rounds}"
        yield ("method", "local", "warmup_rounds"), text


def edge_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield the edge servers to which no cell belongs."""
    if scenario.backhaul is None or not isinstance(scenario.rounds, Hierarchical):
        return
    cells = [f"cell-{number}" for number in range(len(scenario.base_stations))]
    graph, names = scenario.backhaul.graph(cells), scenario.backhaul.edge_servers
    hubs = {nearest(graph, cell, names) for cell in cells}
    for number, name in enumerate(names):
        if name not in hubs:
            text = f"no cell is nearest to {name}, which takes no part"
            yield ("backhaul", "edge_servers", number), text
