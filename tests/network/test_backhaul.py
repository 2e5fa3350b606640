"""Max-min fairness against its definition, closed forms and brute force; graphs that are wrong."""

import networkx as nx
import numpy as np
import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from tests.fixtures.runs import outcome, scenario
from tests.simulation.test_simulation import check_laws
from wfl_sim.config.errors import ScenarioError
from wfl_sim.network.carriers.backhaul import build_routes, max_min_rates
from wfl_sim.simulation.placement import place

TWO = "cells=[{position: [-400, 0]}, {position: [400, 0]}]"
TREE = (
    "backhaul={links: [{hub: server, ends: [core], capacity: 1 Gbit/s, latency: 5 ms},"
    " {hub: core, ends: [cells], capacity: 100 Mbit/s, latency: 2 ms}]}"
)


def check_bottlenecks(uses, capacity, rates):
    """The condition that defines max-min fairness (Bertsekas and Gallager, section 6.5.2).

    No link is overloaded, and every flow crosses a full one on which nobody is faster.
    """
    load = (uses * rates[:, None]).sum(axis=0)
    assert (load <= capacity * (1 + 1e-9)).all()
    full = load >= capacity * (1 - 1e-9)
    for flow, rate in enumerate(rates):
        crossed = np.flatnonzero(uses[flow] & full)
        assert any(rate >= rates[uses[:, link]].max() * (1 - 1e-9) for link in crossed)


@given(st.integers(0, 2**32 - 1))
def test_progressive_filling_gives_every_flow_its_bottleneck(seed):
    rng = np.random.default_rng(seed)
    flows, links = rng.integers(1, 12), rng.integers(1, 8)
    uses = rng.random((flows, links)) < 0.4
    uses[np.arange(flows), rng.integers(0, links, flows)] = True
    capacity = rng.uniform(1, 10, links)
    check_bottlenecks(uses, capacity, max_min_rates(uses, capacity))


def test_max_min_is_the_best_sorted_vector_of_all():
    """Brute force over a grid of feasible rates: the worst off first, then the next."""
    uses = np.array([[1, 0], [1, 1], [0, 1]], bool)
    capacity = np.array([6.0, 4.0])
    grid = np.array(np.meshgrid(*[np.arange(0, 6.01, 0.5)] * 3)).reshape(3, -1).T
    feasible = grid[((grid @ uses) <= capacity + 1e-9).all(axis=1)]
    best = max(map(tuple, np.sort(feasible, axis=1)))
    found = max_min_rates(uses, capacity)
    assert sorted(found) == pytest.approx(best)
    assert found == pytest.approx([4.0, 2.0, 2.0])


def wired():
    graph = nx.Graph()
    graph.add_edge("a", "core", capacity=4e6, latency=0.01)
    graph.add_edge("b", "core", capacity=10e6, latency=0.02)
    graph.add_edge("core", "server", capacity=10e6, latency=0.03)
    return graph


def test_flows_end_when_the_closed_form_says():
    """a is held at 4 Mbit/s by its own link, b has the other 6 until a ends, then 10."""
    env = simpy.Environment()
    way = build_routes(env, wired(), [("a", "server"), ("b", "server")])
    ended = {}

    def carry(name, bits):
        yield from way[name, "server"].carry(env, bits)
        ended[name] = env.now

    env.process(carry("a", 8e6))
    env.process(carry("b", 22e6))
    env.run()
    assert ended["a"] == pytest.approx(2.0 + 0.04)
    assert ended["b"] == pytest.approx(2.0 + 10e6 / 10e6 + 0.05)


def test_routes_without_a_common_link_are_apart_and_directions_too():
    env = simpy.Environment()
    way = build_routes(
        env, wired(), [("a", "server"), ("server", "a"), ("b", "server"), ("a", "core")]
    )
    assert way["a", "server"].carrier is way["b", "server"].carrier is way["a", "core"].carrier
    assert way["server", "a"].carrier is not way["a", "server"].carrier
    assert way["b", "server"].latency == pytest.approx(0.05)


def test_a_path_is_the_one_of_least_latency():
    graph = wired()
    graph.add_edge("a", "server", capacity=1.0, latency=0.05)
    env = simpy.Environment()
    assert build_routes(env, graph, [("a", "server")])["a", "server"].latency == pytest.approx(0.04)


def test_a_given_star_is_the_star_of_the_cells(tmp_path):
    own = outcome(tmp_path, TWO)
    same = "backhaul={links: [{hub: server, ends: [cells], capacity: 1 Gbit/s, latency: 2 ms}]}"
    assert outcome(tmp_path, TWO, same).spans == own.spans


def test_a_shared_trunk_delays_a_round(tmp_path):
    fast = outcome(tmp_path, TWO, TREE)
    slow = outcome(tmp_path, TWO, TREE.replace("1 Gbit/s", "2 Mbit/s"))
    check_laws(slow)
    # Downloads of 2 Mbit to two cells and four uploads of 2 Mbit at 2 Mbit/s: at least 4 s more.
    extra = slow.totals["simulated_seconds"] - fast.totals["simulated_seconds"]
    assert extra > 3 * (2 + 1) * 0.9
    graph = place(scenario(tmp_path, TWO, TREE)).wired
    assert graph.edges["core", "cell-1"]["capacity"] == 100e6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{links: [{hub: server, ends: [cell-0]}]}",
         "backhaul.links: leaves cell-1 without a path to the server"),
        ("{links: [{hub: server, ends: [cell-0, cell-7]}]}",
         "backhaul.links.0: 'cell-7' is no cell: there is cell-0 to cell-1"),
        ("{links: [{hub: server, ends: [cells]}, {hub: a, ends: [a]}]}",
         "backhaul.links.1: leads from 'a' to itself"),
        ("{links: [{hub: server, ends: [cells]}, {hub: cell-1, ends: [cell-0, server]}]}",
         "backhaul.links.1: links 'cell-1' and 'server' a second time"),
        ("{links: [{hub: server, ends: [cells]}, {hub: croe, ends: [core]}]}",
         "backhaul.links: leaves croe without a path to the server"),
        ("{links: [{hub: cells, ends: [server]}]}",
         "backhaul.links.0.hub: must be one node: `cells`"),
        ("{links: [{hub: core, ends: [cells]}]}", "leaves cell-0 without a path to the server"),
        ("{links: [{hub: server, ends: [cells]}], edge_servers: [e]}",
         "leaves e without a path to the server"),
        ("{links: [{hub: server, ends: [cells]}], edge_servers: [cell-0]}",
         "backhaul.edge_servers.0: must be a node of its own, got 'cell-0'"),
        ("{links: [{hub: server, ends: [cells], capacity: 0 bit/s}]}",
         "capacity: must be at least 1 bit/s, got 0 bit/s"),
    ],
)  # fmt: skip
def test_a_graph_that_does_not_connect_is_one_located_line(tmp_path, text, message):
    with pytest.raises(ScenarioError) as caught:
        scenario(tmp_path, TWO, f"backhaul={text}")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_upload_on_the_wires_is_an_activity_of_its_device(tmp_path):
    wire = "cells.0.backhaul={capacity: 10 Mbit/s, latency: 20 ms}"
    spans = outcome(tmp_path, wire, "rounds.clients=1").spans
    sent = {(s.actor, s.round): s for s in spans if s.activity == "upload"}
    wired = [s for s in spans if s.activity == "backhaul"]
    assert len(wired) == len(sent) == 3
    for span in wired:
        upload = sent[span.actor, span.round]
        assert span.start == upload.end
        assert span.end - span.start == pytest.approx(upload.bits / 10e6 + 0.02)
