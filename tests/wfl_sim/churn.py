"""Networks with batteries and devices that come and go, and the laws that hold in them."""

from itertools import pairwise

import pytest

from tests.wfl_sim.worlds import BASE, scenario
from wfl_sim.execution.plan import NetworkOnly
from wfl_sim.simulation import build as world
from wfl_sim.simulation.simulation import Simulation


class Naming(NetworkOnly):
    """A plan that notes whose training was asked for, and whose uploads were combined."""

    def __init__(self, learner):
        super().__init__(learner)
        self.named = []
        self.combined = []
        self.stale = []

    def local_update(self, device, number, shared, turn=0):
        self.named.append((f"device-{device}", number))
        return super().local_update(device, number, shared, turn)

    def aggregate(self, shared, arrivals, **more):
        self.combined.append([each.device for each in arrivals])
        self.stale += [each.staleness for each in arrivals]
        return super().aggregate(shared, arrivals, **more)


def simulated(tmp_path, *settings, text=BASE):
    """Return the federation after its run; `plan.named` tells what would be trained."""
    ready = Simulation(scenario(tmp_path, *settings, text=text), network_only=True)
    federation = world.build_federation(
        ready.scenario, ready.placement, ready.workloads, Naming(ready.learner)
    )
    world.run(federation, ready.scenario)
    return federation


def of(federation, actor, activity=None):
    return [
        s for s in federation.context.spans if s.actor == actor and activity in (None, s.activity)
    ]


def check_laws(federation):
    """What holds for every run with churn."""
    end, traffic = federation.env.now, federation.context.traffic
    components = federation.context.ledger.components(end).sum(axis=1)
    assert components == pytest.approx(federation.context.ledger.drawn(end), rel=1e-9)
    for device in federation.devices:
        check_device(federation, device, end)
        supply = device.body.supply
        if supply is not None:
            start = supply.battery.initial * supply.battery.capacity
            lost = start - supply.level + supply.charged
            assert components[device.index] == pytest.approx(lost, rel=1e-9)
            assert supply.drawn == pytest.approx(lost, rel=1e-9)
    ups = [s for s in federation.context.spans if s.activity == "upload"]
    assert traffic.sent_up == sum(s.bits for s in ups)
    # What was sent has arrived or is lost, or is on the wire when the run ends.
    last = sum(s.bits for s in ups if s.outcome == "done" and s.end > end - 0.1)
    on_wire = traffic.sent_up - traffic.received_up - traffic.lost_up
    assert 0 <= on_wire <= last if federation.devices[0].workload.exchange else on_wire == 0
    assert traffic.lost_up == sum(s.bits for s in ups if s.outcome == "dropped")
    downs = [s for s in federation.context.spans if s.activity == "download"]
    assert traffic.received_down == sum(s.bits for s in downs if s.outcome == "done")
    assert traffic.lost_down == sum(s.bits for s in downs if s.outcome == "dropped")
    # Activations that cross a cut are uploads, too, but of another size.
    whole = {device.name: device.workload.upload_bits for device in federation.devices}
    done = [(s.actor, s.round) for s in ups if (s.outcome, s.bits) == ("done", whole[s.actor])]
    assert sorted(done) == sorted(federation.context.plan.named)


def check_device(federation, device, end):
    spans = of(federation, device.name)
    assert spans[0].start == 0
    assert spans[-1].end == end
    assert all(span.end > span.start for span in spans)
    assert all(a.end == b.start for a, b in pairwise(spans))
    assert sum(s.joules for s in spans) == pytest.approx(
        federation.context.ledger.drawn(end)[device.index], rel=1e-9
    )
    for before, after in pairwise(spans):
        if before.outcome == "dropped":
            assert after.activity in ("off", "idle") or after.round > before.round
    levels = [
        row
        for row in federation.context.levels
        if (row.actor, row.quantity) == (device.name, "battery")
    ]
    supply = device.body.supply
    if supply is None:
        assert not levels
        return
    floor = supply.battery.cutoff * supply.battery.capacity
    assert all(floor - 1e-6 <= row.value <= supply.battery.capacity * (1 + 1e-12) for row in levels)
    assert all(a.time <= b.time for a, b in pairwise(levels))
    check_the_dead(spans, levels, supply)


def check_the_dead(spans, levels, supply):
    """A device whose battery is at the cut-off does nothing until it has been charged."""
    floor, least = supply.battery.cutoff, supply.battery.restart
    dead = False
    level_at = {row.time: row.value / supply.battery.capacity for row in levels}
    for span in spans:
        level = level_at[span.start]
        dead = level <= floor + 1e-9 or (dead and level < least - 1e-9)
        if dead:
            assert span.activity == "off"
            assert span.joules == 0
