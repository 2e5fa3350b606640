"""The ledger integrates exactly and loses nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfl_sim.device_models.energy import COMPONENTS, EnergyLedger

changes = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(COMPONENTS),
        st.floats(0, 1e3),
        st.floats(0, 1e4),
        st.booleans(),
    ),
    max_size=40,
)


def test_power_times_time():
    ledger = EnergyLedger(2)
    ledger.set_power(0, "idle", 2.0, 0.0)
    ledger.set_power(0, "compute", 5.0, 1.0)
    ledger.set_power(0, "compute", 0.0, 4.0)
    ledger.add(0, "transmit", 0.25, 4.5)
    assert ledger.components(10.0)[0].tolist() == [20.0, 15.0, 0.25, 0.0]
    assert ledger.total(0, 10.0) == 35.25
    assert ledger.drawn(10.0).tolist() == [35.25, 0.0]


@given(changes)
def test_components_add_up_to_what_was_drawn(history):
    ledger, now = EnergyLedger(3), 0.0
    for device, component, amount, pause, impulse in history:
        now += pause
        if impulse:
            ledger.add(device, component, amount, now)
        else:
            ledger.set_power(device, component, amount, now)
    parts, whole = ledger.components(now + 1.0).sum(axis=1), ledger.drawn(now + 1.0)
    assert parts == pytest.approx(whole, rel=1e-9)


@given(st.floats(0, 1e5), st.floats(0, 1e5))
def test_looking_changes_nothing(first, second):
    ledger = EnergyLedger(1)
    ledger.set_power(0, "receive", 3.0, 0.0)
    early, late = sorted((first, second))
    ledger.total(0, early)
    assert ledger.total(0, late) == pytest.approx(3.0 * late)
    assert np.isclose(ledger.components(late)[0, COMPONENTS.index("receive")], 3.0 * late)


def test_negative_power_negative_energy_and_going_back_are_refused():
    ledger = EnergyLedger(1)
    with pytest.raises(ValueError, match="power must not be negative, got -1"):
        ledger.set_power(0, "idle", -1.0, 0.0)
    with pytest.raises(ValueError, match="energy must not be negative"):
        ledger.add(0, "idle", -1.0, 0.0)
    ledger.set_power(0, "idle", 1.0, 5.0)
    with pytest.raises(ValueError, match="cannot go back to 4"):
        ledger.set_power(0, "idle", 1.0, 4.0)
