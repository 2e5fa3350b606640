"""The contract of data sets, and how examples become shards: hold-out and concept shift."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from wfl_sim.config.errors import counted
from wfl_sim.config.registry import Registry
from wfl_sim.data.examples import Examples, Shards, joined
from wfl_sim.randomness import stream

Row = TypeVar("Row")


class Data(Protocol):
    """Labelled examples, divided over devices.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Parity:
    ...     tokens: int = 8
    ...
    ...     def shards(self, devices, seed):
    ...         rng = stream(seed, "parity")
    ...         labels = rng.integers(2, size=(devices, 12))
    ...         each = [Examples(tuple("even" if y == 0 else "odd" for y in row), row)
    ...                 for row in labels]
    ...         return shards(each, ("even", "odd"), test_fraction=0.25, concept_shift=0, seed=seed)
    >>> Parity().shards(devices=3, seed=1)
    Shards(3 devices, 27 train, 9 test, 2 classes)
    """

    @property
    def tokens(self) -> int:
        """Number of tokens to which texts are cut or padded."""

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
    """Split each device's `held` examples, and relabel those of shifted devices."""
    shifted = shifted_devices(len(held), concept_shift, stream(seed, "data", "concept-shift"))
    train, test, plain = [], [], []
    for device, examples in enumerate(held):
        rows = hold_out_rows(len(examples), test_fraction, device, seed)
        learned, tested = map(examples.subset, rows)
        plain.append(tested)
        if shifted[device]:
            new = exchange(examples.counts(len(classes)))
            tested = tested.relabelled(new[tested.labels])
            learned = learned.relabelled(new[learned.labels])
        train.append(learned)
        test.append(tested)
    return Shards(tuple(train), tuple(test), joined(plain), classes)


def hold_out_rows(
    size: int, test_fraction: float, device: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which of the `size` rows of a device are to train on and which to test on.

    round(test_fraction * size) are held out at random, at least one and at most size - 1.
    """
    out = min(size - 1, max(1, round(test_fraction * size)))
    order = stream(seed, "data", "hold-out", device).permutation(size)
    return np.sort(order[out:]), np.sort(order[:out])


def draw_rows(rows: list[Row], limit: int | None, seed: int) -> list[Row]:
    """Return at most `limit` rows, drawn at random and in their order; all rows without a limit."""
    if limit is None or limit >= len(rows):
        return rows
    drawn = stream(seed, "data", "limit").permutation(len(rows))[:limit]
    return [rows[i] for i in np.sort(drawn)]


def left_out(rows: int, parts: Sequence[NDArray[np.int64]], column: str | None) -> tuple[str, ...]:
    """Return a line that says how many rows have no device, if any has none."""
    rest = rows - sum(len(part) for part in parts)
    why = "" if column is None else f", by their {column!r}"
    return (f"{rest:,} of {counted(rows, 'row')} left out, without a device{why}",) if rest else ()


def repeated(train: Sequence[Examples], tested: Examples) -> tuple[str, ...]:
    """Return a line that says about how many texts to be judged on are learned from, if any is.

    It is the same for most seeds, so that a sweep over them says it once.
    """
    learned = {row for each in train for row in _rows(each)}
    share = sum(row in learned for row in _rows(tested)) / max(1, len(tested))
    many = "a few" if share < 0.05 else f"about {10 * round(10 * share)}%"
    what = "texts to be judged on are learned from, too: their rows are given more than once"
    return (f"{many} of the {what}",) if share else ()


def _rows(examples: Examples) -> Iterator[tuple[str, str]]:
    return zip(examples.texts, examples.pairs or examples.texts, strict=True)


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
