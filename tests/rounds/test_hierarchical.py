"""Edge servers between cells and cloud: who averages what when, and what it costs."""

from dataclasses import replace

import pytest

from tests.fixtures.runs import outcome, scenario
from tests.simulation.test_simulation import check_laws
from tests.simulation.test_training_runs import TRAINING
from wfl_sim.config.errors import ScenarioError
from wfl_sim.execution.store import Store
from wfl_sim.simulation.remarks import remarks
from wfl_sim.simulation.round_remarks import edge_remarks
from wfl_sim.simulation.simulation import Simulation

TREE = (
    "cells=[{position: [-400, 0]}, {position: [0, 0]}, {position: [400, 0]}]",
    "devices.0.area.radius=500 m",
    "devices.1.area.radius=500 m",
    "devices.0.count=10",
    "backhaul={edge_servers: [west, east], links: ["
    "{hub: server, ends: [west, east], capacity: 20 Mbit/s, latency: 50 ms},"
    "{hub: west, ends: [cell-0, cell-1], latency: 1 ms}, {hub: east, ends: [cell-2]}]}",
)
ROUNDS = "rounds={kind: hierarchical, count: 6, cloud_every: 3, clients: 3}"


def spans(result, activity, actor=None):
    return [s for s in result.spans if s.activity == activity and actor in (None, s.actor)]


def test_edge_servers_average_every_round_and_the_cloud_every_third(tmp_path):
    result = outcome(tmp_path, *TREE, ROUNDS)
    check_laws(replace(result, spans=[s for s in result.spans if s.actor != "server"]))
    for edge in ("west", "east"):
        assert [s.round for s in spans(result, "aggregate", edge)] == list(range(6))
    assert [s.round for s in spans(result, "aggregate", "server")] == [2, 5]


def test_the_cloud_waits_for_all_and_edge_servers_do_not_between(tmp_path):
    result = outcome(tmp_path, *TREE, ROUNDS)
    cloud = spans(result, "aggregate", "server")[0]
    reports = {
        edge: next(s for s in spans(result, "transfer", edge) if s.end <= cloud.start + 1e-9)
        for edge in ("west", "east")
    }
    assert cloud.start == max(s.end for s in reports.values())
    ends = {
        edge: [s.end for s in spans(result, "aggregate", edge)][:2] for edge in ("west", "east")
    }
    assert ends["west"] != ends["east"]
    assert min(s.start for s in spans(result, "upload") if s.round == 3) > cloud.end


def test_states_between_edge_and_cloud_take_the_wire_and_its_latency(tmp_path):
    """2 Mbit at 20 Mbit/s, alone on the own link, and 50 ms; down likewise."""
    result = outcome(tmp_path, *TREE, ROUNDS)
    carried = spans(result, "transfer", "east")
    assert len(carried) == 4
    assert {s.bits for s in carried} == {2_000_000}
    for span in carried:
        assert span.end - span.start == pytest.approx(0.1 + 0.05)


def test_neither_masks_nor_codecs_of_devices_are_on_the_wire_to_the_cloud(tmp_path):
    """An average arrives at the cloud as it is: in float32, however devices sent their parts."""
    masked = outcome(tmp_path, *TREE, ROUNDS, "privacy={secure_aggregation: {}}")
    assert {s.bits for s in spans(masked, "transfer")} == {2_000_000}
    assert spans(masked, "aggregate", "server")[0].bits == 4_000_000
    assert min(s.bits for s in spans(masked, "upload")) > 2_000_000
    tree = [setting for setting in TREE if not setting.startswith("devices")]
    one = "rounds={kind: hierarchical, count: 1, cloud_every: 1}"
    sparse = "payload.upload={kind: top-k, share: 0.01}"
    run, plain = (
        Simulation(scenario(tmp_path, *tree, one, *more, text=TRAINING), network_only=True).run()
        for more in ([sparse], [])
    )
    (bits,) = {s.bits for s in spans(run, "transfer")}
    assert bits > 10 * max(s.bits for s in spans(run, "upload"))
    assert {s.bits for s in spans(plain, "transfer")} == {bits}
    assert {s.bits for s in spans(plain, "upload")} == {bits}


def test_devices_are_asked_by_the_edge_server_of_their_cell(tmp_path):
    result = outcome(tmp_path, *TREE, ROUNDS)
    for number in range(6):
        cells = [s.cell for s in spans(result, "upload") if s.round == number]
        assert sum(cell in ("cell-0", "cell-1") for cell in cells) <= 3
        assert sum(cell == "cell-2" for cell in cells) <= 3
        assert len(cells) >= 4


def test_an_upload_goes_to_who_has_asked_even_after_a_handover(tmp_path):
    """The wire of the new cell, at 1 kbit/s to the other edge server, is not taken."""
    (tmp_path / "walk.csv").write_text("device,time (s),x (m),y (m)\n0,0,-30,0\n0,9,150,0\n")
    text = """
name: crossing
model: {kind: synthetic, payload: 300 Mbit, flops_per_step: 1 GFLOP}
method: {kind: fedit, local: {steps: 1}}
rounds: {kind: hierarchical, count: 1, cloud_every: 1}
cells:
  - position: [-500, 0]
    channel: &still {pathloss: macro, shadowing: {sigma: 0 dB}, fading: static}
  - {position: [500, 0], channel: *still}
backhaul:
  edge_servers: [west, east]
  links:
    - {hub: server, ends: [west, east]}
    - {hub: west, ends: [cell-0]}
    - {hub: east, ends: [cell-1], capacity: 1 kbit/s}
devices: [{count: 1, hardware: jetson-orin-nano, mobility: {kind: trace, path: walk.csv}}]
"""
    result = outcome(tmp_path, text=text)
    uploads = spans(result, "upload")
    assert uploads[-1].cell == "cell-1"
    assert [s.actor for s in spans(result, "aggregate")] == ["west", "server"]
    assert spans(result, "aggregate", "west")[0].start < uploads[-1].end + 1.0


def test_less_traffic_crosses_to_the_cloud_than_without_edge_servers(tmp_path):
    flat = outcome(tmp_path, *TREE, "rounds={kind: synchronous, count: 6, clients: 6}")
    tiered = outcome(tmp_path, *TREE, ROUNDS)
    across = sum(s.bits for s in spans(tiered, "transfer"))
    assert across < 0.5 * sum(s.bits for s in spans(flat, "upload"))


def test_edge_servers_draw_their_own_energy(tmp_path):
    drawn = outcome(tmp_path, *TREE, ROUNDS).totals["infrastructure_joules"]
    assert set(drawn) == {"server", "west", "east"}
    assert all(joules > 0 for joules in drawn.values())


@pytest.mark.slow
def test_with_one_round_a_cloud_round_it_is_federated_averaging(tmp_path):
    """Means of means with the weights behind them are the mean: the states agree, and the curves.

    Rounding differs: float32 means of two edge servers are averaged, not seven uploads.
    """
    tree = [setting for setting in TREE if not setting.startswith("devices")]
    flat = "rounds={kind: synchronous, count: 2}"
    tiered = "rounds={kind: hierarchical, count: 2, cloud_every: 1}"
    runs = []
    for number, rounds in enumerate((flat, tiered)):
        made = scenario(tmp_path, *tree, "devices.0.area.radius=500 m", rounds, text=TRAINING)
        runs.append(Simulation(made).run(Store(tmp_path / f"store-{number}")))
    one, other = (run.states["shared"] for run in runs)
    assert set(one) == set(other)
    for name in one:
        assert other[name] == pytest.approx(one[name], abs=1e-5)
    rows = [[(m.metric, m.scope, m.device, m.round) for m in run.metrics] for run in runs]
    assert rows[0] == rows[1]
    network = Simulation(
        scenario(tmp_path, *tree, "devices.0.area.radius=500 m", tiered, text=TRAINING),
        network_only=True,
    ).run()
    assert network.spans == runs[1].spans


@pytest.mark.parametrize("rounds", [ROUNDS, "rounds={kind: synchronous, count: 6}"])
def test_an_end_for_want_of_devices_is_said(tmp_path, rounds):
    flat = [f"devices.{group}.battery=9 J" for group in (0, 1)]
    totals = outcome(tmp_path, *TREE, rounds, *flat).totals
    end = totals["simulated_seconds"]
    assert f"no device is left that could come back: the run ended at {end:.6g} s" in remarks(
        totals
    )
    assert not remarks(outcome(tmp_path, *TREE, rounds).totals)


def test_an_edge_server_without_cells_is_said(tmp_path):
    """All cells hang on the west; `cells` may stand among other ends."""
    tree = (
        "backhaul={edge_servers: [west, east], links: [{hub: server, ends: [east], latency: 9 ms}, "
        "{hub: west, ends: [cells, server]}]}"
    )
    found = [*edge_remarks(scenario(tmp_path, *TREE[:-1], tree, ROUNDS))]
    assert found == [
        (("backhaul", "edge_servers", 1), "no cell is nearest to east, which takes no part")
    ]
    assert not [*edge_remarks(scenario(tmp_path, *TREE, ROUNDS))]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ([ROUNDS.replace("6", "5")], "rounds.count: must be a multiple of cloud_every, 3, got 5"),
        ([ROUNDS.replace("3,", "0,")], "rounds.cloud_every: must be at least 1, got 0"),
        ([ROUNDS, "backhaul={links: [{hub: server, ends: [cells]}]}"],
         "rounds: hierarchical needs edge servers: add `edge_servers` to `backhaul`"),
        ([ROUNDS.replace(", clients: 3", ""), "privacy={secure_aggregation: {}}"],
         "rounds.clients: must be given: each edge server has cohorts of its own"),
        ([ROUNDS, "server.robust=median"], "server.robust: needs uploads of devices"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_one_located_line(tmp_path, settings, message):
    with pytest.raises(ScenarioError) as caught:
        scenario(tmp_path, *TREE, *settings)
    assert message in str(caught.value)
