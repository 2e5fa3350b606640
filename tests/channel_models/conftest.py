from collections.abc import Callable

import numpy as np
import pytest

Streams = Callable[..., list[np.random.Generator]]


@pytest.fixture
def streams() -> Streams:
    def make(count: int, seed: int = 7) -> list[np.random.Generator]:
        return [np.random.default_rng([seed, link]) for link in range(count)]

    return make
