"""Contracts of every registered method, on two parameters with numbers worked by hand."""

import numpy as np
import pytest

from wfl_sim.methods.aggregation import Upload, weighted_mean
from wfl_sim.methods.local_only import LocalOnly
from wfl_sim.methods.pftt import PFTT
from wfl_sim.protocols import METHODS, Method

KINDS = sorted(METHODS.kinds())
SHARING = [kind for kind in KINDS if any(part.shared for part in METHODS.find(kind)().parts)]


def state(a, b):
    return {"part/a": np.array([a], np.float32), "part/b": np.array([[b]], np.float32)}


def numbers(result):
    return [float(array.squeeze()) for array in result.values()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_method_declares_what_the_contract_asks(kind):
    method = METHODS.find(kind)()
    assert isinstance(method, Method)
    names = [part.name for part in method.parts]
    assert len(set(names)) == len(names)
    for phase in method.phases:
        assert set(phase.trains) <= set(names)
    trained = {name for phase in method.phases for name in phase.trains}
    assert trained == set(names)


@pytest.mark.parametrize("kind", SHARING)
def test_the_weighted_mean_by_hand(kind):
    """Weights 1 and 3: (1 x 4 + 3 x 8) / 4 = 7 and (1 x -2 + 3 x 2) / 4 = 1."""
    uploads = [Upload(state(4, -2), 1.0), Upload(state(8, 2), 3.0)]
    assert numbers(METHODS.find(kind)().aggregate(state(0, 0), uploads)) == [7.0, 1.0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_aggregate_of_identical_uploads_is_the_identity(kind):
    method = METHODS.find(kind)()
    same = state(1.25, -7.5) if kind in SHARING else {}
    result = method.aggregate(same, [Upload(same, 3.0), Upload(same, 11.0)])
    assert numbers(result) == numbers(same)


@pytest.mark.parametrize("kind", SHARING)
def test_the_order_of_uploads_does_not_matter(kind):
    rng = np.random.default_rng(0)
    uploads = [Upload(state(*rng.normal(size=2)), w) for w in (1.0, 2.0, 5.0)]
    aggregate = METHODS.find(kind)().aggregate
    forward, backward = aggregate(state(0, 0), uploads), aggregate(state(0, 0), uploads[::-1])
    assert numbers(forward) == pytest.approx(numbers(backward), rel=1e-6)


def test_nothing_to_average_is_an_error():
    with pytest.raises(ValueError, match="0 uploads of total weight 0"):
        weighted_mean([])
    with pytest.raises(ValueError, match="nothing to average"):
        weighted_mean([Upload(state(1, 1), 0.0)])


def test_pftt_shares_the_adapter_and_keeps_the_lora():
    shared = {part.name: part.shared for part in PFTT().parts}
    assert shared == {"adapter": True, "lora": False, "head": True}
    assert {part.name for part in PFTT(head="private").parts if part.shared} == {"adapter"}


def test_local_only_shares_nothing():
    assert not any(part.shared for part in LocalOnly().parts)
