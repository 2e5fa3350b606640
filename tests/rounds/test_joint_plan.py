"""The joint plan of clock, bandwidth and power, and terms of single participations."""

import numpy as np
import pytest
from scipy.optimize import minimize

import channel_models as cm
from tests.fixtures.runs import BASE, scenario
from wfl_sim.config.errors import LocatedError, ScenarioError
from wfl_sim.device_models.workload import UpdateCost
from wfl_sim.execution.plan import NetworkOnly
from wfl_sim.network.devices.client import Terms
from wfl_sim.radio.allocation.makespan import Outlook
from wfl_sim.radio.channel.rate_curve import rate_curve
from wfl_sim.rounds.joint_plan import JointEnergy
from wfl_sim.simulation.build import build_federation
from wfl_sim.simulation.simulation import Simulation

BAND = 5e6
ALIKE = BASE[: BASE.index("devices:")] + "devices: [{count: 4, hardware: jetson-orin-nano}]\n"
NLOS = "{kind: uma, condition: nlos}"
STILL = f"cells.0.channel={{pathloss: {NLOS}, fading: static, shadowing: {{sigma: 0 dB}}}}"


def problem(time, circuit=0.0, fading=None):
    jobs = [UpdateCost(arithmetic=a, static=0.1, dynamic=d) for a, d in ((1, 2), (2, 2), (1, 5))]
    reach = np.array([3e8, 5e7, 8e6])
    rates = Outlook(rate_curve(cm.Shannon(), fading or cm.Static()), reach, np.zeros(3))
    bits, amplifier = np.array([4e6, 4e6, 2e6]), np.full(3, 0.5)
    return JointEnergy(jobs, np.full(3, 0.2), bits, time, rates, np.full(3, circuit), amplifier)


def cost(case, clock, share, level):
    speed = share * BAND * case.rates.curve(level * case.rates.reach / (share * BAND))
    sending = case.bits / speed
    computing = np.array([job.seconds(x) for job, x in zip(case.jobs, clock, strict=True)])
    joules = sum(job.joules(x) for job, x in zip(case.jobs, clock, strict=True))
    return computing + sending, joules + (sending * (case.circuit + level * case.amplifier)).sum()


@pytest.mark.parametrize(("time", "circuit"), [(3.5, 0.3), (6.0, 0.0)])
def test_the_plan_is_that_of_a_general_optimiser(time, circuit):
    """Over nine variables, from several beginnings: never a thousandth better."""
    case = problem(time, circuit, cm.Rayleigh())
    ends, ours = cost(case, *case.plan(BAND))
    assert (ends <= time * (1 + 1e-4)).all()
    plan = np.concatenate(case.plan(BAND))
    assert plan[3:6].sum() == pytest.approx(1.0)
    best = np.inf
    for begin in ([0.8] * 3 + [1 / 3] * 3 + [0.8] * 3, plan):
        found = minimize(
            lambda x: cost(case, x[:3], x[3:6], x[6:])[1],
            begin,
            bounds=[(0.2, 1)] * 3 + [(1e-3, 1)] * 3 + [(1e-4, 1)] * 3,
            constraints=[
                {"type": "ineq", "fun": lambda x: 1 - x[3:6].sum()},
                {"type": "ineq", "fun": lambda x: time - cost(case, x[:3], x[3:6], x[6:])[0]},
            ],
            options={"ftol": 1e-12, "maxiter": 60},
        )
        ends, joules = cost(case, found.x[:3], found.x[3:6], found.x[6:])
        if (ends <= time * 1.0001).all():
            best = min(best, joules)
    assert best < np.inf
    assert ours <= best * 1.001


def test_who_cannot_be_in_time_has_all_its_clock_and_power():
    case = problem(2.0)  # the second computes for 2 s at full clock
    with pytest.warns(UserWarning, match="cannot compute and send `within` its time"):
        clock, share, level = case.plan(BAND)
    assert (clock[1], level[1]) == (1, 1)
    assert share[1] == pytest.approx(1 / 3)
    ends, _ = cost(case, clock, share, level)
    assert (ends[[0, 2]] <= 2.0 * (1 + 1e-4)).all()


def test_rounds_follow_the_plan(tmp_path):
    """All end when the time is over, for fewer joules than at full clock and power."""
    lean = "devices.0.hardware={base: jetson-orin-nano, transmit_circuit_power: 0 W}"
    rounds = "rounds={kind: joint-plan, count: 1, within: 12 s, reserve: 0}"
    settings = (STILL, lean, rounds, "cells.0.uplink.allocator=assigned")
    planned = scenario(tmp_path, *settings, text=ALIKE)
    plain = (STILL, lean, "rounds={kind: synchronous, count: 1}", "cells.0.uplink.allocator=equal")
    free = scenario(tmp_path, *plain, text=ALIKE)
    idle = planned.devices[0].hardware.idle_power
    ends, joules = [], []
    for case in (planned, free):
        spans = Simulation(case, network_only=True).run().spans
        ends.append([span.end for span in spans if span.activity == "upload"])
        work = [span for span in spans if span.activity in ("compute", "upload")]
        joules.append(sum(span.joules - idle * (span.end - span.start) for span in work))
    assert ends[0] == pytest.approx([12.0] * 4, rel=1e-3)
    assert max(ends[1]) < 3.0
    assert joules[0] < 0.9 * joules[1]


def test_under_tdd_sending_draws_its_power_in_the_slots_of_the_uplink_alone(tmp_path, monkeypatch):
    """16 of 70 symbols are of the uplink, and what the plan weighs against computing is that."""
    drawn = []

    class Noted(JointEnergy):
        def plan(self, band):
            drawn.append(np.concatenate((self.circuit, self.amplifier)))
            return super().plan(band)

    monkeypatch.setattr("wfl_sim.rounds.joint_plan.JointEnergy", Noted)
    for duplex in ([], ["cells.0.tdd={pattern: DDDSU}"]):
        rounds = "rounds={kind: joint-plan, count: 1, within: 20 s}"
        settings = (STILL, rounds, "cells.0.uplink.allocator=assigned", *duplex)
        Simulation(scenario(tmp_path, *settings, text=ALIKE), network_only=True).run()
    assert drawn[1] == pytest.approx(drawn[0] * 16 / 70)


def test_a_plan_without_the_allocator_that_follows_it_is_refused(tmp_path):
    with pytest.raises(ScenarioError, match=r"cells.0.uplink.allocator: must be assigned"):
        scenario(tmp_path, "rounds={kind: joint-plan, count: 1, within: 12 s}", text=ALIKE)


def spans_with(tmp_path, allocator, terms):
    """Spans of one round in which device i has terms[i]."""
    settings = (f"cells.0.uplink.allocator={allocator}", STILL)
    ready = Simulation(scenario(tmp_path, *settings, text=ALIKE), network_only=True)
    federation = build_federation(
        ready.scenario, ready.placement, ready.workloads, NetworkOnly(ready.learner)
    )
    downloads = federation.server.send_out(federation.devices, 0)
    parts = [
        device.participate(0, downloads[device.index], terms=terms[device.index])
        for device in federation.devices
    ]
    federation.env.run(federation.env.all_of(parts))
    found = {}
    for span in federation.context.spans:
        found[span.activity, int(span.actor.removeprefix("device-"))] = span
    return found


def seconds(span):
    return span.end - span.start


def test_power_of_one_participation_is_what_its_sinr_shows(tmp_path):
    half = [Terms(power=0.05, share=0.25), *[Terms(share=0.25)] * 3]
    full = spans_with(tmp_path, "assigned", [Terms(share=0.25)] * 4)
    less = spans_with(tmp_path, "assigned", half)
    drop = full["upload", 0].mean_sinr_db - less["upload", 0].mean_sinr_db
    watts = 0.19952623149688797  # 23 dBm, the default of devices
    assert drop == pytest.approx(10 * np.log10(watts / 0.05), abs=0.05)
    assert less["upload", 1].mean_sinr_db == pytest.approx(full["upload", 1].mean_sinr_db, abs=0.05)


def test_weight_share_and_frequency_of_one_participation(tmp_path):
    plain = spans_with(tmp_path, "weighted", [Terms()] * 4)
    heavy = spans_with(tmp_path, "weighted", [Terms(weight=9.0), *[Terms()] * 3])
    assert seconds(heavy["upload", 0]) < 0.7 * seconds(plain["upload", 0])
    given = spans_with(tmp_path, "assigned", [Terms(share=s) for s in (0.4, 0.2, 0.2, 0.2)])
    assert seconds(given["upload", 0]) < 0.8 * seconds(given["upload", 1])
    slow = spans_with(tmp_path, "equal", [Terms(frequency=0.5), *[Terms()] * 3])
    assert seconds(slow["compute", 0]) > 1.5 * seconds(slow["compute", 1])


def test_terms_that_cannot_be_kept_are_one_line(tmp_path):
    with pytest.raises(LocatedError, match="above 0 and at most 1, got 2"):
        Terms(share=2)
    with pytest.raises(LocatedError, match=r"device-0 has .* W, and is to use 5 W"):
        spans_with(tmp_path, "equal", [Terms(power=5.0)] * 4)
