import itertools
from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
import simpy

from wfl_sim.config.errors import LocatedError
from wfl_sim.device_models import ComputeConfig, Hardware, HardwareReference, catalogue
from wfl_sim.device_models.frequency import Dvfs, EnergyOptimal
from wfl_sim.device_models.workload import UpdateCost, Workload, Writing
from wfl_sim.network.devices.power_meter import ThermalState

PI = HardwareReference().resolve("raspberry-pi-5")


def test_seconds_are_flops_over_what_is_reached_plus_overhead():
    assert PI.seconds(153.6e9 * 0.39) == pytest.approx(1.0)
    assert PI.seconds(0, steps=10) == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"fp16": 0.0}, "utilisations must be greater than 0, got 0"),
        (0.5, "utilisations must be a mapping, got 0.5"),
    ],
)
def test_values_by_precision_keep_their_bounds_in_python_too(wrong, message):
    with pytest.raises(ValueError, match=message):
        replace(PI, utilisations=wrong)


def test_weights_in_less_bytes_are_read_in_less_time():
    """Of 8 bytes that a step moves 6 are float32 weights, which 4 bits and their scales replace."""
    work = Workload(0, 0, 0.0, 1, 0.0, memory=8e9, frozen=6e9, traffic=8e9, frozen_traffic=6e9)
    config, board = ComputeConfig(weights="nf4"), HardwareReference().resolve("jetson-orin-nano")
    assert config.footprint(work) == pytest.approx(2e9 + 6e9 * 0.56 / 4)
    assert config.job(board, work).traffic == pytest.approx((2e9 + 6e9 * 0.56 / 4) / 68e9)
    assert ComputeConfig().job(board, work).traffic == pytest.approx(8e9 / 68e9)


def test_answers_are_written_before_anything_is_learned():
    """Writing waits for the memory, learning for the arithmetic: their times add up."""
    board = HardwareReference().resolve("jetson-orin-nano")
    reached = board.peaks["fp16"] * board.utilisations.get("fp16", board.utilisation)
    work = Workload(
        0, 0, 3 * reached, 0, 0.0, memory=1.0, traffic=5 * 68e9, frozen_traffic=4 * 68e9,
        writing=Writing(flops=reached, traffic=4 * 68e9, frozen_traffic=4 * 68e9),
    )  # fmt: skip
    job = ComputeConfig(precision="fp16").job(board, work)
    assert job.seconds() == pytest.approx(4 + 2)
    assert job.stretched(2).seconds() == pytest.approx(12)
    assert job.seconds(0.25) == pytest.approx(4 + 8)
    assert job.seconds(0.125) == pytest.approx(8 + 16)
    assert ComputeConfig(precision="fp16", weights="nf4").job(board, work).seconds() == (
        pytest.approx(1 + 2)
    )
    assert replace(job, writing=(0.0, 0.0)).seconds() == pytest.approx(5)


@pytest.mark.parametrize("writing", [(0.0, 0.0), (0.3, 1.5), (0.3, 0.0), (0.9, 0.2), (0.0, 1.0)])
def test_the_clock_of_least_energy_is_that_of_a_fine_grid(writing):
    """Over two rooflines the energy may have two valleys."""
    grid = np.linspace(0.1, 1.0, 1_801)
    dvfs = Dvfs(highest=1e9, lowest=1e8, static_power=1.0)
    for arithmetic, traffic, overhead, static, deadline in itertools.product(
        (1.0, 4.0), (1.6, 2.2), (0.0, 0.5), (0.05, 2.0), (2.0, 4.5, 9.0, 100.0)
    ):
        job = UpdateCost(
            arithmetic=arithmetic, traffic=traffic, writing=writing, overhead=overhead,
            static=static, dynamic=2.0,
        )  # fmt: skip
        share = EnergyOptimal(deadline=deadline).share(job, dvfs)
        seconds = np.array([job.seconds(x) for x in grid])
        joules = np.array([job.joules(x) for x in grid])
        in_time = seconds <= deadline
        if in_time.any():
            assert job.seconds(share) <= deadline * (1 + 1e-9)
            assert job.joules(share) <= joules[in_time].min() * (1 + 1e-6)
            assert max(job.slowest(deadline), 0.1) == pytest.approx(grid[in_time][0], abs=1e-3)
        else:
            assert job.seconds(share) == pytest.approx(seconds.min(), rel=1e-9)
            assert share <= grid[seconds <= seconds.min() * (1 + 1e-9)][0] + 1e-3
            assert job.slowest(deadline) > 1


def test_transmit_power_is_radiated_over_efficiency_plus_circuit():
    assert PI.transmit_power(0.2) == pytest.approx(0.2 / 0.35 + 0.6)


@pytest.mark.parametrize("name", sorted(catalogue()))
def test_the_catalogue_is_complete_and_names_its_sources(name):
    hardware = HardwareReference().resolve(name)
    assert isinstance(hardware, Hardware)
    assert hardware.name == name
    assert len(hardware.source) > 10
    assert catalogue()[name].read_text().startswith("# ")
    given = {"name", "source", "evidence"} | set(hardware.evidence)
    stated = {
        each.name
        for each in fields(hardware)
        if getattr(hardware, each.name) not in (each.default, {}, None)
    }
    assert stated <= given, "every value has its source and how sure it is"


def test_the_catalogue_holds_what_studies_need():
    assert {
        "jetson-orin-nano",
        "jetson-agx-orin",
        "raspberry-pi-5",
        "phone-flagship",
        "phone-mid-range",
        "laptop-gpu",
        "edge-server",
    } <= set(catalogue())


def test_an_uncooled_pi_throttles_under_load_and_not_at_rest():
    board = HardwareReference().resolve("raspberry-pi-5-uncooled")
    assert board.thermal.limit(board.idle_power) < board.thermal.resume
    assert board.thermal.limit(board.idle_power + board.compute_power) > board.thermal.throttle


def test_an_unknown_name_is_corrected():
    with pytest.raises(ValueError, match="did you mean 'raspberry-pi-5'"):
        HardwareReference().resolve("rasberry-pi-5")


def test_an_uncooled_board_that_throttles_cools_down_and_resumes():
    """At 1.5 of 2.4 GHz the dynamic part of its load falls to a quarter."""
    board = HardwareReference().resolve("raspberry-pi-5-uncooled")
    assert board.dvfs.least == pytest.approx(board.thermal.throttled)
    static = board.dvfs.static_power
    slow = static + (board.compute_power - static) * board.thermal.throttled**3
    assert board.thermal.limit(board.idle_power + slow) < board.thermal.resume


@pytest.mark.parametrize("share", [0.0, 2.0, float("nan")])
def test_a_clock_that_there_is_not_is_refused(share):
    board = HardwareReference().resolve("jetson-orin-nano")
    governor = SimpleNamespace(share=lambda job, dvfs: share)
    with pytest.raises(
        LocatedError, match=f"share must return a number from 1e-09 to 1, got {share}"
    ):
        ComputeConfig(frequency=governor).share(board, UpdateCost(arithmetic=1.0, static=1.0))


def test_heat_needs_a_clock_that_draws_less():
    board = HardwareReference().resolve("raspberry-pi-5-uncooled")
    with pytest.raises(LocatedError, match="needs `dvfs`"):
        replace(board, dvfs=None)


def test_a_laptop_in_fp16_writes_the_tokens_that_were_measured():
    """LoRA of 1.54 G parameters, 4 FLOP each: at most 628 tokens/s (arXiv 2509.12229)."""
    flops = 4 * 1.54e9
    laptop = HardwareReference().resolve("laptop-gpu")
    work = Workload(
        upload_bits=1,
        download_bits=1,
        update_flops=628 * flops,
        steps=0,
        aggregate_flops=0,
        memory=1,
    )
    seconds = ComputeConfig(precision="fp16").job(laptop, work).arithmetic
    assert seconds == pytest.approx(1.0, rel=0.02)


def test_a_board_starts_at_the_temperature_that_its_idle_power_holds():
    thermal = HardwareReference().resolve("raspberry-pi-5-uncooled").thermal
    state = ThermalState(simpy.Environment(), thermal, 3.0)
    assert state.temperature == pytest.approx(thermal.ambient + 3.0 * thermal.resistance)
