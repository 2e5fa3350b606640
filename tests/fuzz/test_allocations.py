"""All allocators at extreme demands."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings

from tests.fuzz.allocations import KINDS, check_allocation, extremes, plain


@pytest.mark.parametrize("kind", sorted(KINDS))
@settings(max_examples=15)
@given(asked=extremes())
@example(asked=plain([0.0, 0.0], [[1.0], [1.0]]))
@example(asked=plain([5e-324, 0.0, 1e9], [[1.0], [0.0], [14.0]]))
@example(asked=replace(plain([5e-324], [[1e-3]]), deadline=np.array([5e-324])))
@example(asked=plain([1e6, 1e6], [[5.0, 9.0], [60.0, 4.5]], average=0.0))
@pytest.mark.filterwarnings("ignore:minimum-energy")
def test_every_answer_is_finite_and_within_the_band(kind, asked):
    check_allocation(kind, asked)
