"""Named random streams: the only source of randomness of a simulation.

A stream belongs to a name such as ``("fading", "cell-0", "device-3", "uplink")``. Its draws depend
on the seed and that name alone, so one device more, another scheduler or another order of events
leaves every other stream as it was.
"""

import hashlib
import struct
from functools import lru_cache

import numpy as np


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """Return the generator of one name under one seed.

    Args:
        seed: the scenario's seed, a non-negative integer.
        names: the path of the stream; 2 and "2" are the same name.

    Returns:
        A Philox generator, independent of all streams with other names.
    """
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=_words(*names))
    return np.random.Generator(np.random.Philox(sequence))


def derived_seed(seed: int, *names: str | int) -> int:
    """Return a 63-bit integer that names a stream, for libraries that take a seed (torch)."""
    words = np.random.SeedSequence(entropy=seed, spawn_key=_words(*names)).generate_state(2)
    return int(words[0]) << 31 | int(words[1]) >> 1


@lru_cache(maxsize=1024, typed=True)
def _words(*names: str | int) -> tuple[int, ...]:
    path = "\x1f".join(str(name) for name in names).encode()
    return struct.unpack(">4I", hashlib.sha256(path).digest()[:16])
