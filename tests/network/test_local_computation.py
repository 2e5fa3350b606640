"""Time and power of a local update: roofline, precision, tables, jitter, load, clock, heat."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, stats

from tests.fixtures.churn import check_laws, of, simulated
from tests.fixtures.runs import scenario
from wfl_sim.config.errors import LocatedError
from wfl_sim.device_models import HardwareReference, UpdateCost
from wfl_sim.device_models.frequency import Dvfs, EnergyOptimal, Fixed, Full
from wfl_sim.device_models.jitter import JITTERS
from wfl_sim.device_models.thermal import ThermalModel
from wfl_sim.randomness import stream
from wfl_sim.simulation.remarks import left_out_remarks
from wfl_sim.simulation.simulation import Simulation

LONE = """
name: lone
seed: 2
model:
  {kind: synthetic, payload: 2 Mbit, flops_per_step: 200 GFLOP, memory: 6 GB, frozen: 4 GB,
   traffic_per_step: 2 GB}
method: {kind: pftt, local: {steps: 4}}
rounds: {kind: synchronous, count: 2}
cells: [{bandwidth: 5 MHz, channel: {pathloss: macro, shadowing: {sigma: 6 dB}}}]
devices:
  - count: 1
    area: {radius: 300 m}
    hardware:
      name: board
      peak: 1 TFLOP/s
      peaks: {fp16: 4 TFLOP/s}
      utilisation: 0.5
      step_overhead: 10 ms
      memory: 8 GB
      idle_power: 2 W
      compute_power: 10 W
      receive_power: 1 W
      transmit_circuit_power: 0.5 W
      amplifier_efficiency: 0.4
      source: a board on paper
"""
BOARD = "devices.0.hardware"
CLOCK = f"{BOARD}.dvfs={{highest: 1 GHz, lowest: 200 MHz, static_power: 2 W}}"
HEAT = (
    f"{BOARD}.thermal={{resistance: 5, time_constant: 1 s, throttle: 65 °C, resume: 55 °C,"
    " throttled: 0.5}"
)


def computed(tmp_path, *settings, number=0):
    return of(simulated(tmp_path, *settings, text=LONE), "device-0", "compute")[number]


def seconds(span):
    return span.end - span.start


def test_arithmetic_and_overhead(tmp_path):
    span = computed(tmp_path)
    assert seconds(span) == pytest.approx(4 * (200e9 / 0.5e12 + 0.01), rel=1e-12)
    assert span.joules == pytest.approx(12 * seconds(span), rel=1e-12)


def test_precision_takes_the_peak_that_the_hardware_states(tmp_path):
    span = computed(tmp_path, "devices.0.compute.precision=fp16")
    assert seconds(span) == pytest.approx(4 * (200e9 / 2e12 + 0.01), rel=1e-12)
    with pytest.raises(LocatedError, match="board states no peak for bf16") as error:
        Simulation(scenario(tmp_path, "devices.0.compute.precision=bf16", text=LONE))
    assert error.value.path == ("devices", 0, "compute", "precision")


def test_memory_bounds_the_speed_where_the_arithmetic_does_not(tmp_path):
    wide = computed(tmp_path, f"{BOARD}.bandwidth=100 GB/s")
    assert seconds(wide) == seconds(computed(tmp_path))
    narrow = computed(tmp_path, f"{BOARD}.bandwidth=2 GB/s")
    assert seconds(narrow) == pytest.approx(4 * (2e9 / 2e9 + 0.01), rel=1e-12)


def test_a_device_too_small_is_reported_or_stays_away(tmp_path):
    small = f"{BOARD}.memory=5 GB"
    with pytest.raises(
        LocatedError, match=r"has 5,000\.0 MB of memory and a local step .* needs 6,000\.0 MB"
    ):
        Simulation(scenario(tmp_path, small, text=LONE))
    packed = scenario(tmp_path, small, "devices.0.compute.weights=nf4", text=LONE)
    # 4 of 6 GB are frozen weights; 0.56 byte of nf4 stand for 4 byte of float32.
    assert Simulation(packed).excluded == ()
    need = packed.devices[0].compute.footprint(Simulation(packed).workloads[0])
    assert need == pytest.approx(2e9 + 4e9 * 0.56 / 4)
    with pytest.raises(LocatedError, match="fits the memory of no device"):
        Simulation(scenario(tmp_path, small, "devices.0.compute.memory=exclude", text=LONE))
    both = LONE + "  - {count: 1, area: {radius: 300 m}, hardware: jetson-orin-nano, "
    simulation = Simulation(scenario(tmp_path, text=both + "compute: {memory: exclude}}\n"))
    (line,) = left_out_remarks(simulation.out_of_reach, simulation.excluded)
    assert line == "take no part, a local step exceeds their memory: device-1"
    result = simulation.run()
    assert result.totals["excluded"] == ["device-1"]
    assert {s.activity for s in result.spans if s.actor == "device-1"} == {"off"}
    assert {s.outcome for s in result.spans if s.actor == "device-1"} == {"lost"}


@pytest.mark.parametrize("kind", sorted(set(JITTERS.kinds()) - {"none"}))
@pytest.mark.parametrize("cv", [0.1, 0.6])
def test_jitter_has_its_law_and_mean_one(kind, cv):
    law, rng = JITTERS.find(kind)(cv=cv), stream(1, kind)
    drawn = np.array([law.draw(rng) for _ in range(4000)])
    assert stats.kstest(drawn, np.vectorize(law.cdf)).pvalue > 0.01
    mean = integrate.quad(lambda x: 1 - law.cdf(x), 0, 50, limit=400)[0]
    assert mean == pytest.approx(1.0, rel=1e-5)
    assert drawn.std() == pytest.approx(cv, rel=0.1)


def test_jitter_stretches_each_round_by_its_own_factor(tmp_path):
    nominal = seconds(computed(tmp_path))
    jitter = "devices.0.compute.jitter={kind: lognormal, cv: 0.3}"
    factors = [seconds(computed(tmp_path, jitter, number=i)) / nominal for i in (0, 1)]
    law = JITTERS.find("lognormal")(cv=0.3)
    expected = [law.draw(stream(2, "jitter", 0, i)) for i in (0, 1)]
    assert factors == pytest.approx(expected, rel=1e-9)


def test_other_programs_slow_it_down_while_they_run(tmp_path):
    start = computed(tmp_path).start
    half = start + 0.5
    file = tmp_path / "load.csv"
    file.write_text(
        f"start (s),end (s),load\n0,{half!r},0\n{half!r},{half + 2!r},0.75\n{half + 2!r},900,0\n"
    )
    span = computed(tmp_path, f"devices.0.compute.load={file}")
    # 1.64 s of work: 0.5 s alone, 2 s of which a quarter counts, the rest alone.
    assert seconds(span) == pytest.approx(0.5 + 2 + (1.64 - 1.0), rel=1e-9)


def test_a_table_speaks_instead_of_flops(tmp_path):
    from wfl_sim.device_models.profile_table import ProfileRow, ProfileTable, write_table
    from wfl_sim.device_models.workload import Batches, Workload

    rows = [
        ProfileRow(
            model="m",
            batch=b,
            tokens=32,
            tokens_per_second=r,
            power=p,
            hardware="board",
            source="x",
        )
        for b, r, p in ((8, 1000.0, 10.0), (4, 500.0, 4.0))
    ]
    write_table(tmp_path / "t.csv", rows)
    table = ProfileTable(path=str(tmp_path / "t.csv"))
    assert table.rows == tuple(rows)
    work = Workload(
        1, 1, 1.0, 5, 1.0, 1.0, model="m", batches=(Batches(2, 8, 32), Batches(3, 4, 32))
    )
    board = scenario(tmp_path, text=LONE).devices[0].hardware
    job = table.job(board, work)
    first, second = 2 * 8 * 32 / 1000, 3 * 4 * 32 / 500
    assert job.seconds() == pytest.approx(first + second)
    assert job.joules() == pytest.approx(10 * first + 4 * second)
    other = HardwareReference().resolve("raspberry-pi-5")
    with pytest.raises(LocatedError, match="was measured on 'board', not on 'raspberry-pi-5'"):
        table.job(other, work)
    scaled = ProfileTable(path=str(tmp_path / "t.csv"), speed=0.5).job(other, work)
    assert scaled.seconds() == pytest.approx(2 * (first + second))
    unknown = Workload(1, 1, 1.0, 5, 1.0, 1.0, model="m", batches=(Batches(2, 9, 32),))
    with pytest.raises(LocatedError, match=r"t\.csv has no row for m 9x32"):
        table.job(board, unknown)
    own = replace(rows[1], hardware="raspberry-pi-5", tokens_per_second=50.0)
    write_table(tmp_path / "t.csv", [*rows, own])
    one = Workload(1, 1, 1.0, 5, 1.0, 1.0, model="m", batches=(Batches(3, 4, 32),))
    of_both = ProfileTable(path=str(tmp_path / "t.csv"))
    assert of_both.job(other, one).seconds() == pytest.approx(3 * 4 * 32 / 50)
    assert of_both.job(board, one).seconds() == pytest.approx(second)


def test_rows_of_a_method_are_for_no_other(tmp_path):
    """A step of PPO writes answers before it learns from them."""
    from wfl_sim.device_models.profile_table import ProfileTable
    from wfl_sim.device_models.workload import Batches, Workload

    file = tmp_path / "t.csv"
    rows = "m,8,32,100,9,board,us,fedit\nm,4,32,50,9,board,us,\nm,4,32,40,9,board,us,fedit\n"
    file.write_text(
        "model,batch,tokens,tokens_per_second,power (W),hardware,source,method\n" + rows
    )
    table, board = ProfileTable(path=str(file)), scenario(tmp_path, text=LONE).devices[0].hardware

    def seconds_of(method, batch):
        batches = (Batches(1, batch, 32),)
        work = Workload(1, 1, 1.0, 1, 1.0, 1.0, model="m", method=method, batches=batches)
        return table.job(board, work).seconds()

    assert seconds_of("fedit", 8) == pytest.approx(8 * 32 / 100)
    assert seconds_of("pfit", 4) == pytest.approx(4 * 32 / 50)
    assert seconds_of("fedit", 4) == pytest.approx(4 * 32 / 40)
    with pytest.raises(LocatedError, match=r"no row for m 8x32 of pfit \(it has: m 8x32 of fedit"):
        seconds_of("pfit", 8)


@given(
    arithmetic=st.floats(0.1, 100),
    traffic=st.just(0.0) | st.floats(0.01, 100),
    overhead=st.just(0.0) | st.floats(0.01, 50),
    static=st.floats(0, 10),
    dynamic=st.floats(0.1, 20),
    least=st.floats(0.05, 1),
    deadline=st.floats(0.1, 1e4),
)
@example(
    arithmetic=1.0,
    traffic=0.0,
    overhead=1.0,
    static=5e-324,
    dynamic=1.0,
    least=1.0,
    deadline=1.0,
)
def test_the_chosen_clock_needs_least_energy_within_the_deadline(
    arithmetic, traffic, overhead, static, dynamic, least, deadline
):
    job = UpdateCost(
        arithmetic=arithmetic, traffic=traffic, overhead=overhead, static=static, dynamic=dynamic
    )
    dvfs = Dvfs(highest=1e9, lowest=least * 1e9, static_power=static)
    share = EnergyOptimal(deadline=deadline).share(job, dvfs)
    assert dvfs.least <= share <= 1
    others = np.linspace(dvfs.least, 1, 2001)
    times = np.array([job.seconds(x) for x in others])
    inside = times <= deadline * (1 + 1e-12)
    if not inside.any():
        # As fast as can be, and no clock beyond the one at which memory bounds the speed.
        assert job.seconds(share) == pytest.approx(job.seconds(), rel=1e-12)
        assert share == max(dvfs.least, min(1.0, arithmetic / traffic if traffic else 1.0))
        return
    assert job.seconds(share) <= deadline * (1 + 1e-9)
    best = min(job.joules(x) for x in others[inside])
    assert job.joules(share) <= best * (1 + 1e-9)


def test_the_optimum_is_the_closed_form():
    """f = (P_static / (2 kappa))^(1/3): 2 W and kappa = 8 W/GHz^3 give 0.5 GHz."""
    dvfs = Dvfs(highest=1e9, lowest=1e8, static_power=2.0)
    assert dvfs.kappa(10.0) == pytest.approx(8e-27)
    job = UpdateCost(arithmetic=3.0, static=2.0, dynamic=8.0)
    share = EnergyOptimal(deadline=100.0).share(job, dvfs)
    assert share == pytest.approx(0.5, rel=1e-12)
    numeric = optimize.minimize_scalar(job.joules, bounds=(0.1, 1), method="bounded")
    assert share == pytest.approx(numeric.x, rel=1e-4)
    assert EnergyOptimal(deadline=4.0).share(job, dvfs) == pytest.approx(0.75)
    assert Full().share(job, dvfs) == 1.0
    assert Fixed(share_of_highest=0.01).share(job, dvfs) == 0.1


def test_a_slower_clock_in_a_run(tmp_path):
    slow = "devices.0.compute.frequency={kind: fixed, share_of_highest: 0.5}"
    span = computed(tmp_path, CLOCK, slow)
    assert seconds(span) == pytest.approx(4 * (0.4 / 0.5 + 0.01), rel=1e-12)
    assert span.joules == pytest.approx((2 + 2 + 8 / 8) * seconds(span), rel=1e-12)
    with pytest.raises(LocatedError, match="needs hardware with `dvfs`, board has none"):
        Simulation(scenario(tmp_path, slow, text=LONE))


THERMAL = ThermalModel(
    resistance=5.0, time_constant=20.0, throttle=338.15, resume=328.15, throttled=0.5
)


@given(st.floats(298.15, 400), st.floats(0, 30), st.floats(290, 420))
def test_a_crossing_is_where_the_temperature_says(start, power, target):
    time = THERMAL.reaches(start, power, target)
    if math.isfinite(time) and time < 700:
        assert THERMAL.after(start, power, time) == pytest.approx(target, rel=1e-9)
    limit = THERMAL.limit(power)
    between = min(start, limit) < target < max(start, limit)
    assert math.isfinite(time) == between


def test_the_temperature_solves_its_equation():
    solved = integrate.solve_ivp(
        lambda t, y: (THERMAL.limit(10.0) - y) / 20.0, (0, 30), [300.0], rtol=1e-10, atol=1e-10
    )
    assert THERMAL.after(300.0, 10.0, 30.0) == pytest.approx(solved.y[0, -1], rel=1e-8)


def test_throttling_begins_and_ends_at_the_exact_second(tmp_path):
    """12 W lead to 85 °C, 5 W (half the clock) to 50 °C: between 65 and 55 °C and back."""
    long = "model.flops_per_step=4 TFLOP"
    federation = simulated(tmp_path, CLOCK, HEAT, long, "rounds.count=1", text=LONE)
    check_laws(federation)
    (span,) = of(federation, "device-0", "compute")
    turns = [row for row in federation.context.levels if row.quantity == "frequency"]
    assert [row.value for row in turns[:4]] == [1.0, 0.5, 1.0, 0.5]
    at = {row.time: row.value for row in federation.context.levels if row.quantity == "temperature"}
    hot, cool, limit_fast, limit_slow = 338.15, 328.15, 358.15, 323.15
    assert turns[0].time == span.start
    first = math.log((limit_fast - at[span.start]) / (limit_fast - hot))
    down = math.log((hot - limit_slow) / (cool - limit_slow))
    up = math.log((limit_fast - cool) / (limit_fast - hot))
    gaps = np.diff([row.time for row in turns[:4]])
    assert gaps == pytest.approx([first, down, up], rel=1e-9)
    assert at[turns[1].time] == pytest.approx(hot, rel=1e-12)
    assert at[turns[2].time] == pytest.approx(cool, rel=1e-12)
    ends = [*[row.time for row in turns[1:]], span.end]
    parts = [(end - row.time, row.value) for row, end in zip(turns, ends, strict=True)]
    # All the work was done, at the speed and the power of each part.
    work = sum(t / (4 * (8.0 / x + 0.01)) for t, x in parts)
    assert work == pytest.approx(1.0, rel=1e-9)
    assert span.joules == pytest.approx(sum(t * (4 + 8 * x**3) for t, x in parts), rel=1e-9)


def test_a_board_that_stays_cool_is_as_fast_as_one_without_heat(tmp_path):
    cool = HEAT.replace("resistance: 5", "resistance: 0.5")
    assert seconds(computed(tmp_path, CLOCK, cool)) == seconds(computed(tmp_path, CLOCK))


@given(
    seed=st.integers(0, 1000),
    capacity=st.floats(30, 300),
    on=st.floats(1, 30),
    share=st.floats(0.2, 1),
)
@settings(max_examples=30)
def test_the_laws_hold_with_heat_clock_jitter_and_churn(
    tmp_path_factory, seed, capacity, on, share
):
    federation = simulated(
        tmp_path_factory.mktemp("hot"),
        f"seed={seed}",
        CLOCK,
        HEAT,
        "devices.0.count=3",
        f"devices.0.battery={{capacity: {capacity} J, charging: 3 W}}",
        f"devices.0.availability={{kind: markov, on: {on} s, off: 4 s}}",
        f"devices.0.compute.frequency={{kind: fixed, share_of_highest: {share}}}",
        "devices.0.compute.jitter={kind: shifted-exponential, cv: 0.5}",
        "model.flops_per_step=800 GFLOP",
        text=LONE,
    )
    check_laws(federation)
