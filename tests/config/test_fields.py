"""Bounds in annotations, where an object is made in Python."""

from dataclasses import dataclass, replace
from typing import Annotated

import pytest
from annotated_types import Ge, Gt, Le, Lt

from wfl_sim.config.fields import BelowOne, Bounded, PositiveFloat
from wfl_sim.config.validation import validate


@dataclass(frozen=True, kw_only=True)
class Kind(Bounded):
    steps: Annotated[int, Ge(2)] = 2
    rate: PositiveFloat = 0.1
    share: Annotated[float, Gt(0), Le(1)] | None = None
    decay: Annotated[float, Ge(0), Lt(0.5)] = 0.0
    betas: tuple[BelowOne, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Narrower(Kind):
    decay: Annotated[float, Le(0.25)] = 0.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 1}, "steps must be at least 2, got 1"),
        ({"steps": None}, "steps must be at least 2, got None"),
        ({"rate": 0.0}, "rate must be greater than 0, got 0.0"),
        ({"rate": float("nan")}, "rate must be greater than 0, got nan"),
        ({"share": 1.5}, "share must be at most 1, got 1.5"),
        ({"decay": -0.1}, "decay must not be negative, got -0.1"),
        ({"decay": 0.5}, "decay must be less than 0.5, got 0.5"),
        ({"betas": (0.9, 1.0)}, "betas must be less than 1, got 1.0"),
        ({"betas": [float("nan")]}, "betas must not be negative, got nan"),
    ],
)
def test_a_value_beyond_a_bound_is_refused_by_its_name(options, message):
    with pytest.raises(ValueError) as caught:
        Kind(**options)
    assert str(caught.value) == message
    with pytest.raises(ValueError):
        validate(Kind, options)


def test_values_at_their_bounds_are_taken_and_a_subclass_has_bounds_of_its_own():
    assert Kind(steps=2, share=1.0, decay=0.49) == validate(
        Kind, {"steps": 2, "share": 1.0, "decay": 0.49}
    )
    assert replace(Kind(), share=None) == Kind()
    assert Narrower(decay=-1.0).decay == -1.0
    with pytest.raises(ValueError, match=r"decay must be at most 0\.25, got 0\.3"):
        Narrower(decay=0.3)
