from dataclasses import fields

import pytest

from wfl_sim.device_models import Hardware, HardwareReference, catalogue

PI = HardwareReference().resolve("raspberry-pi-5")


def test_seconds_are_flops_over_what_is_reached_plus_overhead():
    assert PI.seconds(153.6e9 * 0.39) == pytest.approx(1.0)
    assert PI.seconds(0, steps=10) == pytest.approx(0.02)


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
