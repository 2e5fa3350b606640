import os
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import settings

Streams = Callable[..., list[np.random.Generator]]

# a shared machine may pause in the middle of an example
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=1500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture
def streams() -> Streams:
    def make(count: int, seed: int = 7) -> list[np.random.Generator]:
        return [np.random.default_rng([seed, link]) for link in range(count)]

    return make


@pytest.fixture
def check_amplitudes():
    """Check powers of single precision against exact ones: the amplitudes agree to 2e-6."""

    def check(power, exact):
        np.testing.assert_allclose(np.sqrt(power), np.sqrt(exact), atol=2e-6, rtol=0)

    return check
