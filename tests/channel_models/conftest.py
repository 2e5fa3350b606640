from collections.abc import Callable

import numpy as np
import pytest

Streams = Callable[..., list[np.random.Generator]]


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
