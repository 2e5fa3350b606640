"""Modem states, base stations, server and carbon, against their own tables."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import channel_models as cm
from tests.fixtures.churn import check_laws, of, simulated
from tests.fixtures.runs import BASE, outcome, scenario
from wfl_sim.config.errors import ScenarioError
from wfl_sim.device_models.carbon import CarbonIntensity
from wfl_sim.device_models.energy import COMPONENTS
from wfl_sim.device_models.radio_power import ModemPower
from wfl_sim.radio.power.base_station_power import EarthModel, Tr38864
from wfl_sim.records import Span
from wfl_sim.scenario.loading import load
from wfl_sim.simulation.network_totals import station_joules
from wfl_sim.simulation.scenario_remarks import sector_remarks

LONE = BASE.replace("clients: 4", "clients: 6")


def span(activity, start, end, cell="cell-0", joules=0.0):
    return Span(
        start=start, end=end, actor="device-0", activity=activity, round=0, cell=cell, joules=joules
    )


def test_the_anchors_of_tr_38_840():
    modem = ModemPower(unit=2e-3, sleep="deep")
    assert modem.rest == pytest.approx(2e-3)
    assert modem.rest + modem.transmit_power(1e-3) == pytest.approx(0.5)
    assert modem.rest + modem.transmit_power(10 ** (-0.7)) == pytest.approx(1.4)
    assert modem.rest + modem.receive_power(100e6) == pytest.approx(0.6)
    assert modem.rest + modem.receive_power(20e6) == pytest.approx(0.24)
    assert modem.waking == pytest.approx(0.9e-3)
    assert ModemPower(unit=2e-3).waking == 0


def test_a_wire_wakes_no_modem_up(tmp_path):
    settings = "devices.0.modem={unit: 3 mW, sleep: deep}", "cells=[{wired: 1 Gbit/s}]"
    joules = outcome(tmp_path, *settings, text=LONE).totals["joules"]
    assert joules["receive"] == joules["transmit"] == 0.0


def test_a_modem_replaces_the_powers_of_the_hardware(tmp_path):
    federation = simulated(tmp_path, "devices.1.modem={unit: 3 mW, sleep: light}", text=LONE)
    check_laws(federation)
    modem, pi = ModemPower(unit=3e-3, sleep="light"), "device-4"
    (download, *_), (compute, *_) = of(federation, pi, "download"), of(federation, pi, "compute")
    idle = 3.0 + modem.rest
    assert compute.joules == pytest.approx((idle + 6.0) * (compute.end - compute.start))
    expected = (idle + modem.receive_power(10e6)) * (download.end - download.start) + modem.waking
    assert download.joules == pytest.approx(expected)


@given(capacity=st.floats(5, 60), seed=st.integers(0, 500))
@settings(max_examples=25)
def test_waking_up_is_paid_by_the_battery(tmp_path_factory, capacity, seed):
    federation = simulated(
        tmp_path_factory.mktemp("modem"),
        f"seed={seed}",
        "devices.1.modem={unit: 400 mW, sleep: deep}",
        f"devices.1.battery={{capacity: {capacity} J, charging: 4 W}}",
        text=LONE,
    )
    # With 0.4 W a unit waking costs 0.18 J at once: so far below its cut-off a battery may end.
    for device in federation.devices[4:]:
        battery_state = device.power_meter.battery_state
        lost = battery_state.battery.capacity - battery_state.level + battery_state.charged
        drawn = federation.context.ledger.components(federation.env.now)[device.index].sum()
        assert drawn == pytest.approx(lost, rel=1e-9)
        spans = of(federation, device.name)
        assert sum(each.joules for each in spans) == pytest.approx(drawn, rel=1e-9)


def test_earth_by_hand():
    """6 x 130 W at no load; 40 W on the air add 4.7 x 40 W."""
    spans = [span("download", 1, 3), span("download", 2, 4), span("upload", 3, 6)]
    found = station_joules(EarthModel(), spans, "cell-0", 10.0, 40.0)
    assert found == pytest.approx(780 * 10 + 188 * 3)
    asleep = station_joules(EarthModel(sleep=True), spans, "cell-0", 10.0, 40.0)
    assert asleep == pytest.approx(450 * 5 + 780 * 5 + 188 * 3)
    assert station_joules(EarthModel(), spans, "cell-1", 10.0, 40.0) == pytest.approx(7800)
    sector = station_joules(EarthModel(transceivers=2), spans, "cell-0", 10.0, 40.0)
    assert sector == pytest.approx(260 * 10 + 188 * 3)


def test_the_spans_of_all_cells_are_walked_once():
    class Walked(list):
        walks = 0

        def __iter__(self):
            self.walks += 1
            return super().__iter__()

    spans = Walked([span("download", 1, 3), span("upload", 3, 6)])
    pauses = {"device-0": [(3.5, 4.0)]}
    station_joules(EarthModel(), spans, "cell-0", 10.0, 40.0, pauses=pauses)
    assert spans.walks == 1


def test_sectors_that_are_charged_for_a_site_each_are_said(tmp_path):
    """EARTH's macro site has three sectors of two transceivers."""
    sectors = "layout={kind: hexagonal, rings: 0, sectors: 3}", "cells.0.antenna=sector"
    ((path, line),) = sector_remarks(scenario(tmp_path, *sectors, "cells.0.station=earth"))
    assert path == ("cells", 0, "station")
    assert line.startswith("each of 3 cells at one place is charged for the transceivers of a site")
    own = "cells.0.station={kind: earth, transceivers: 2}"
    assert [*sector_remarks(scenario(tmp_path, *sectors, own))] == []
    assert [*sector_remarks(scenario(tmp_path, "cells.0.station=earth"))] == []


def test_tr_38_864_by_hand():
    spans = [span("download", 1, 3), span("upload", 2, 6)]
    found = station_joules(Tr38864(unit=2.0, idle="deep"), spans, "cell-0", 10.0, 40.0)
    assert found == pytest.approx(2 * (1 * 5 + 280 * 1 + 110 * 3 + 335 * 1))


def test_a_station_in_turns_sends_in_the_slots_of_the_downlink_alone():
    """DDSUU: 38 of 70 symbols down and 30 up; between them it rests without time to sleep."""
    tdd = cm.TddPattern(pattern="DDSUU")
    spans = [span("download", 1, 3), span("upload", 2, 6)]
    down, up = 2 * 38 / 70, 4 * 30 / 70
    earth = station_joules(EarthModel(), spans, "cell-0", 10.0, 40.0, tdd=tdd)
    assert earth == pytest.approx(780 * 10 + 188 * down)
    states = Tr38864(unit=1.0, light_after=0.1)
    found = station_joules(states, spans, "cell-0", 10.0, 40.0, tdd=tdd)
    rests = states.resting(1.0, woken=False) + states.resting(4.0, woken=False)
    assert found == pytest.approx(rests + 280 * down + 110 * up + 55 * (5 - down - up))


def test_a_station_does_not_send_while_transfers_wait_for_acknowledgements():
    """Of two that receive, 2 to 3 s is the pause of one alone; 4 to 5 s is that of both."""
    spans = [span("download", 1, 6), replace(span("download", 3, 6), actor="device-1")]
    pauses = {"device-0": [(2.0, 3.0), (4.0, 5.0)], "device-1": [(4.0, 5.5)]}
    found = station_joules(EarthModel(sleep=True), spans, "cell-0", 10.0, 40.0, pauses=pauses)
    assert found == pytest.approx(450 * 7 + 780 * 3 + 188 * 3)
    states = Tr38864(unit=1.0, light_after=0.1)
    found = station_joules(states, spans, "cell-0", 10.0, 40.0, pauses=pauses)
    rests = states.resting(1.0, woken=False) + states.resting(4.0, woken=False)
    assert found == pytest.approx(rests + 280 * 3 + 55 * 2)


def test_windows_of_a_transport_leave_the_energy_of_the_station_as_it_is(tmp_path):
    """A window of 20 kB in 100 ms makes a transfer longer, in the same time on the air."""
    settings = "cells.0.station={kind: earth, sleep: true}", "cells.0.channel.fading=static"
    cut = "cells.0.transport={rtt: 100 ms, largest_window: 20 kB, handshake: 0}"
    alone = *settings, "rounds.clients=1"
    whole, windowed = (outcome(tmp_path, *alone, *more) for more in ((), (cut,)))
    seconds, joules = (
        [each.totals[name] for each in (whole, windowed)]
        for name in ("simulated_seconds", "infrastructure_joules")
    )
    beyond = [each["cell-0"] - 450 * now for each, now in zip(joules, seconds, strict=True)]
    assert seconds[1] > 2 * seconds[0]
    assert beyond[1] == pytest.approx(beyond[0], rel=1e-9)


def energy(tmp_path, *settings):
    """J of sending and of receiving, without what is drawn while idle."""
    settings = ("cells.0.channel.fading=static", *settings)
    federation = simulated(tmp_path, *settings)
    parts = federation.context.ledger.components(federation.env.now)
    return {name: parts[:, COMPONENTS.index(name)].sum() for name in ("transmit", "receive")}


def test_joules_of_the_air_do_not_depend_on_the_turns(tmp_path):
    """Under TDD a transfer lasts longer, and is on the air for the same time."""
    for kind in ("synchronous, clients: 1", "over-the-air"):
        more = (f"rounds={{kind: {kind}, count: 1}}",)
        alone, turns = (energy(tmp_path, *more, *tdd) for tdd in ((), ("cells.0.tdd={}",)))
        assert turns["transmit"] == pytest.approx(alone["transmit"], rel=1e-6)
        assert turns["receive"] == pytest.approx(alone["receive"], rel=1e-6)


def test_a_modem_on_mains_draws_what_it_draws_on_battery(tmp_path):
    """Power is linear in dBm, so the mean of the power is not the power of the mean."""
    text = BASE.replace("area: {radius: 300 m}}", "area: {radius: 300 m}, modem: 3 mW}")
    power = "cells.0.uplink.power_control={target: -90 dBm}"

    def sends(text):
        federation = simulated(tmp_path, "rounds.count=1", power, text=text)
        ledger = federation.context.ledger
        parts = ledger.components(federation.env.now)
        return parts[:, COMPONENTS.index("transmit")].sum()

    battery = text.replace("modem: 3 mW}", "modem: 3 mW, battery: {capacity: 20 Wh}}")
    assert sends(text) == pytest.approx(sends(battery), rel=1e-9)


def test_the_manifest_tells_what_surrounds_the_devices(tmp_path):
    intensity = tmp_path / "grid.csv"
    intensity.write_text("start (s),end (s),intensity (g/kWh)\n0,1000,360\n")
    totals = outcome(tmp_path, "cells.0.station=earth", f"carbon={intensity}").totals
    seconds = totals["simulated_seconds"]
    drawn = totals["infrastructure_joules"]
    assert drawn["server"] == pytest.approx(100 * seconds, rel=1e-3)
    assert 780 * seconds < drawn["cell-0"] < (780 + 188) * seconds
    assert totals["grams_co2"] == pytest.approx(360 * sum(totals["joules"].values()) / 3.6e6)
    assert set(outcome(tmp_path).totals["infrastructure_joules"]) == {"server"}


@pytest.mark.parametrize(
    ("table", "column"),
    [
        (
            "Datetime (UTC),Zone id,Carbon intensity gCO₂eq/kWh (direct),Renewable energy %\n"
            "2024-01-01 00:00:00,DE,100,50\n2024-01-01 01:00:00,DE,400.0,40\n",
            None,
        ),
        (
            "datetime;North Scotland;South England\n"
            "2024-03-31T00:30Z;7;100\n2024-03-31T01:30Z;8;400\n",
            "South England",
        ),
    ],
)
def test_carbon_is_read_as_operators_of_grids_publish_it(tmp_path, table, column):
    file = tmp_path / "grid.csv"
    file.write_text(table, encoding="utf-8-sig")
    carbon = CarbonIntensity(path=str(file), column=column)
    # 1 kWh from 1800 s to 5400 s: half an hour at 100, half at 400 g/kWh; then the table repeats.
    assert carbon.grams([span("idle", 1800, 5400, joules=3.6e6)]) == pytest.approx(250)
    assert carbon.grams([span("idle", 7200, 7300, joules=3.6e6)]) == pytest.approx(100)


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ("time,gCO2/kWh,g CO2 / kWh\n2024-01-01,1,2", "grid.csv:1: needs the columns start, end"),
        ("t,g/kWh\n2024-01-01T00,1\n2024-01-01T01,2\n2024-01-01T01,3", "grid.csv:4: must begin"),
        ("t,g/kWh\n2024-01-01T00,1\n2024-01-01T01,2\n2024-01-01T03,3", "got 7200 s"),
        ("t,g/kWh\n2024-01-01,1\n2024-01-02,", "grid.csv:3: must be a number, got 'nothing'"),
        ("t,g/kWh\n1/2/24,1", "grid.csv:2: Invalid isoformat string: '1/2/24'"),
        ("t,g/kWh\n2024-01-01,1", "grid.csv: must have at least two rows"),
    ],
)
def test_a_table_of_a_grid_is_said_to_be_wrong_in_one_line(tmp_path, rows, error):
    (tmp_path / "grid.csv").write_text(rows)
    with pytest.raises(ValueError, match=re.escape(error)):
        CarbonIntensity(path=str(tmp_path / "grid.csv"))


def test_carbon_follows_the_grid_within_a_span(tmp_path):
    file = tmp_path / "grid.csv"
    file.write_text("start (s),end (s),intensity (g/kWh)\n0,10,100\n10,20,500\n")
    grams = CarbonIntensity(path=str(file)).grams([span("idle", 5, 25, joules=3.6e6)])
    # 5 s at 100, 10 s at 500, and, since the trace repeats, 5 s at 100.
    assert grams == pytest.approx((5 * 100 + 10 * 500 + 5 * 100) / 20)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "count: 3",
            "count: 3\n    modem: {sleep: deep}",
            "22: devices.0.modem.unit: is required and missing",
        ),
        ("count: 3", "count: 3\n    modem: 3 J", "22: devices.0.modem: '3 J' is not in W"),
        (
            "uplink:",
            "station: tr-38864\n    uplink:",
            "19: cells.0.station.unit: is required and missing",
        ),
        (
            "uplink:",
            "station: {kind: earth, type: pico}\n    uplink:",
            "cells.0.downlink.power: must be at most 0.26 W for type pico, got 39.8107 W",
        ),
        (
            "name: good",
            "name: good\ncarbon: grid.csv",
            "2: carbon: grid.csv:2: intensity: '3 g/J' is not in g/kWh",
        ),
    ],
)
def test_wrong_surroundings_are_one_line(files, old, new, message):
    (files.folder / "grid.csv").write_text("start (s),end (s),intensity (g/J)\n0,1,3\n")
    with pytest.raises(ScenarioError) as caught:
        load(files.changed(old, new))
    said = files.short(caught.value)
    assert message in said
    assert "\n" not in said
