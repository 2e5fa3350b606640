"""From each device's examples to the fleet's shards: hold out a test part, then shift concepts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wfl_sim.config.registry import Registry
from wfl_sim.data.examples import Examples, Shards, joined
from wfl_sim.randomness import stream


class Data(Protocol):
    """Labelled examples, divided over devices."""

    @property
    def tokens(self) -> int:
        """Length to which texts are cut or padded."""

    def shards(self, devices: int, seed: int) -> Shards:
        """Return train and test examples of each device and the pooled held-out set."""


DATA: Registry[Data] = Registry("data", Data)


def shards(
    held: Sequence[Examples],
    classes: tuple[str, ...],
    *,
    test_fraction: float,
    concept_shift: float,
    seed: int,
) -> Shards:
    """Split each device's `held` examples and relabel those of shifted devices.

    Of n examples round(test_fraction * n) are held out, at least one and at most n - 1.
    """
    shifted = shifted_devices(len(held), concept_shift, stream(seed, "data", "concept-shift"))
    train, test, plain = [], [], []
    for device, examples in enumerate(held):
        size = len(examples)
        out = min(size - 1, max(1, round(test_fraction * size)))
        order = stream(seed, "data", "hold-out", device).permutation(size)
        tested = examples.subset(np.sort(order[:out]))
        learned = examples.subset(np.sort(order[out:]))
        plain.append(tested)
        if shifted[device]:
            new = exchange(examples.counts(len(classes)))
            tested = tested.relabelled(new[tested.labels])
            learned = learned.relabelled(new[learned.labels])
        train.append(learned)
        test.append(tested)
    return Shards(tuple(train), tuple(test), joined(plain), classes)


def check_sharding(*, tokens: int, test_fraction: float, concept_shift: float) -> None:
    """Raise ValueError for a value that no data set can have."""
    if tokens < 8:
        raise ValueError(f"tokens must be at least 8, got {tokens}")
    if not 0 < test_fraction < 1:
        raise ValueError(
            f"test_fraction must lie between 0 and 1, both excluded, got {test_fraction}"
        )
    if not 0 <= concept_shift <= 1:
        raise ValueError(f"concept_shift must lie in [0, 1], got {concept_shift}")


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
