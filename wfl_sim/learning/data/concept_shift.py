"""Concept shift: on some devices a label means something else.

On a shifted device the two labels it holds most of trade places, in its training and its test
texts alike: the text of one keeps its words and carries the other's label. That is P(label | text)
differing between devices ("concept shift" in Kairouz et al., Advances and Open Problems in
Federated Learning, 2021, section 3.1), which no shared model can follow.
"""

import numpy as np
from numpy.typing import NDArray


def shifted_devices(devices: int, fraction: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Mark round(fraction * devices) devices, drawn at random; shape (devices,)."""
    shifted = np.zeros(devices, dtype=np.bool_)
    shifted[rng.permutation(devices)[: round(fraction * devices)]] = True
    return shifted


def exchange(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The relabelling of a shifted device: new[old], with its two commonest labels exchanged.

    `counts[i]` is how many examples of label i the device holds. Ties go to the smaller label; a
    device with a single label exchanges it with the smallest other one.
    """
    if len(counts) < 2:
        raise ValueError(f"concept_shift needs at least 2 classes, got {len(counts)}")
    first, second = np.argsort(-counts, kind="stable")[:2]
    new = np.arange(len(counts), dtype=np.int64)
    new[first], new[second] = second, first
    return new
