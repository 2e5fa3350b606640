"""Random numbers by index: a pure function of (key, index), for processes cut into blocks.

SplitMix64 (Steele, Lea, Flood 2014): a Weyl sequence through a 64-bit finaliser.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from channel_models.validation import FloatArray

Words = NDArray[np.uint64]

_WEYL: Final = np.uint64(0x9E3779B97F4A7C15)


def draw_key(stream: np.random.Generator) -> np.uint64:
    """A 64-bit key from a generator."""
    return np.uint64(stream.integers(0, 2**64, dtype=np.uint64))


def mix(words: Words) -> Words:
    """SplitMix64's finaliser, elementwise."""
    z = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)), dtype=np.uint64)


def uniforms(keys: Words, index: NDArray[np.int64], count: int) -> FloatArray:
    """``count`` numbers in (0, 1) for every key and index, shape (*broadcast, count)."""
    position = mix(np.atleast_1d(keys) + index.astype(np.uint64) * _WEYL)
    lanes = (np.arange(1, count + 1, dtype=np.uint64)) * _WEYL
    words = mix(position[..., None] + lanes)
    return np.asarray(((words >> np.uint64(11)) + 0.5) * 2.0**-53, dtype=float)
