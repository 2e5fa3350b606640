"""Partitions: which device holds which example.

A partition assigns every example to exactly one device. The label skew of federated learning is
modelled with Dirichlet draws, as in

    M. Yurochkin et al., Bayesian Nonparametric Federated Learning of Neural Networks, ICML 2019
    (per class, the devices' shares of it are drawn: the rule used here; sizes then vary too);
    T.-M. H. Hsu, H. Qi, M. Brown, Measuring the Effects of Non-Identical Data Distribution for
    Federated Visual Classification, 2019, arXiv:1909.06335 (per device, its class mix is drawn).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Protocol, runtime_checkable

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from wfl_sim.config.answers import AnswerError
from wfl_sim.config.errors import counted
from wfl_sim.config.fields import Bounded, PositiveInt
from wfl_sim.config.registry import Registry
from wfl_sim.randomness import stream

Integers = NDArray[np.int64]
Minimum = Annotated[int, Ge(2)]
"""Least examples of a device: one to train, and one to test."""


@runtime_checkable
class Partition(Protocol):
    """A rule that divides examples over devices.

    >>> class EveryKth:
    ...     def split(self, labels, devices, rng):
    ...         return [np.arange(len(labels))[device::devices] for device in range(devices)]
    >>> [part.tolist() for part in EveryKth().split(np.zeros(5), 2, rng=None)]
    [[0, 2, 4], [1, 3]]
    """

    def split(self, labels: Integers, devices: int, rng: np.random.Generator) -> list[Integers]:
        """Return `devices` sorted index arrays into `labels` that cover each index once.

        A partition with an attribute `column` gets, in place of labels, the number of each row's
        value in that column; values are in numerical order when all are integers, else in
        alphabetical order. Rows that it gives to no device are left out, which is said.

        Raises ValueError when a device would be left with too few examples.
        """
        ...


PARTITIONS: Registry[Partition] = Registry("partition", Partition)


@PARTITIONS("iid")
@dataclass(frozen=True, kw_only=True)
class IID(Bounded):
    """Every device gets an equal random share; sizes differ by one at most.

    `minimum` is the least number of examples a device must hold.
    """

    minimum: Minimum = 2

    def split(self, labels: Integers, devices: int, rng: np.random.Generator) -> list[Integers]:
        """Shuffle and cut."""
        order = rng.permutation(len(labels))
        parts = [np.sort(part) for part in np.array_split(order, devices)]
        return _enough(parts, self.minimum, "use fewer devices or more examples")


@PARTITIONS("dirichlet")
@dataclass(frozen=True, kw_only=True)
class Dirichlet(Bounded):
    """Label skew: the devices' shares of each class are one draw of Dir(alpha, ..., alpha).

    A device's share of a class has mean 1/K and variance (K-1) / (K^2 (K alpha + 1)) for K devices:
    alpha -> infinity is IID, alpha -> 0 gives each class to one device. The draw is repeated, at
    most 100 times, until each device holds `minimum` examples.
    """

    alpha: float = 0.5
    minimum: Minimum = 8
    attempts: ClassVar[int] = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.alpha < float("inf"):
            raise ValueError(f"alpha must be positive and finite, got {self.alpha}")

    def split(self, labels: Integers, devices: int, rng: np.random.Generator) -> list[Integers]:
        """Cut each shuffled class at the cumulated shares."""
        advice = (
            f"use fewer devices, more examples or an alpha larger than {self.alpha:g} "
            f"(tried {self.attempts} draws)"
        )
        if len(labels) < devices * self.minimum:
            advice = (
                f"{len(labels)} are too few: use fewer devices, more examples or less `minimum`"
            )
            return _enough(self._draw(labels, devices, rng), self.minimum, advice)
        parts = self._draw(labels, devices, rng)
        for _ in range(self.attempts - 1):
            if min(len(part) for part in parts) >= self.minimum:
                break
            parts = self._draw(labels, devices, rng)
        return _enough(parts, self.minimum, advice)

    def _draw(self, labels: Integers, devices: int, rng: np.random.Generator) -> list[Integers]:
        held: list[list[Integers]] = [[] for _ in range(devices)]
        for label in np.unique(labels):
            of_class = rng.permutation(np.flatnonzero(labels == label))
            shares = rng.dirichlet(np.full(devices, self.alpha))
            cuts = np.rint(np.cumsum(shares)[:-1] * len(of_class)).astype(np.int64)
            for device, part in enumerate(np.split(of_class, cuts)):
                held[device].append(part)
        return [np.sort(np.concatenate(parts)) for parts in held]


@PARTITIONS("quantity-skew")
@dataclass(frozen=True, kw_only=True)
class QuantitySkew(Dirichlet):
    """Devices hold random examples, some many and some few.

    The devices' shares of all examples are one draw of Dir(alpha, ..., alpha), as in Q. Li et al.,
    Federated Learning on Non-IID Data Silos, arXiv:2102.02079; classes are as frequent everywhere.
    """

    def split(self, labels: Integers, devices: int, rng: np.random.Generator) -> list[Integers]:
        """Cut all shuffled examples at the cumulated shares."""
        return super().split(np.zeros_like(labels), devices, rng)


@PARTITIONS("by-label")
@dataclass(frozen=True, kw_only=True)
class ByLabel(Bounded):
    """Each device holds `classes_per_device` classes, dealt round robin from a shuffled deck.

    A class is cut into equal pieces among the devices that hold it (the pathological split of
    McMahan et al., Communication-Efficient Learning of Deep Networks, AISTATS 2017).
    """

    classes_per_device: PositiveInt = 2
    minimum: Minimum = 2

    def split(self, labels: Integers, devices: int, rng: np.random.Generator) -> list[Integers]:
        """Deal classes to devices, then cut each class among its holders."""
        present = np.unique(labels)
        per_device = self.classes_per_device
        if per_device > len(present):
            raise ValueError(
                f"classes_per_device must be at most the {len(present)} classes present, "
                f"got {per_device}"
            )
        if per_device * devices < len(present):
            raise ValueError(
                f"classes_per_device must be at least {-(-len(present) // devices)} so that "
                f"{devices} devices hold all {len(present)} classes, got {per_device}"
            )
        # consecutive cards of a repeated deck: distinct on a device, and evenly used
        deck = rng.permutation(present)
        order = rng.permutation(devices)
        holders: dict[int, list[int]] = {int(label): [] for label in present}
        for turn, device in enumerate(order):
            for card in range(per_device):
                holders[int(deck[(turn * per_device + card) % len(deck)])].append(int(device))
        held: list[list[Integers]] = [[] for _ in range(devices)]
        for label in present:
            of_class = rng.permutation(np.flatnonzero(labels == label))
            owners = holders[int(label)]
            for device, part in zip(owners, np.array_split(of_class, len(owners)), strict=True):
                held[device].append(part)
        parts = [np.sort(np.concatenate(parts)) for parts in held]
        return _enough(parts, self.minimum, "use fewer devices or more examples")


@PARTITIONS("by-column")
@dataclass(frozen=True, kw_only=True)
class ByColumn(Bounded):
    """Device k holds the rows of the k-th value of a column, such as who wrote them.

    The natural partition of S. Caldas et al., LEAF: A Benchmark for Federated Settings,
    arXiv:1812.01097. Values with fewer than `minimum` rows have no device; of more values than
    devices, as many as there are devices are drawn at random.
    """

    column: str
    """The column, such as `user`."""
    minimum: Minimum = 2
    """Least number of rows of a value that has a device."""

    def split(self, labels: Integers, devices: int, rng: np.random.Generator) -> list[Integers]:
        """Give a device to each value; `labels` are the numbers of the values."""
        values, counts = np.unique(labels, return_counts=True)
        found = values[counts >= self.minimum]
        if len(found) < devices:
            raise ValueError(
                f"{self.column!r} has {len(found)} values with {self.minimum} rows or more, one "
                f"for each of {devices} devices is needed: use fewer devices"
            )
        chosen = np.sort(rng.permutation(found)[:devices])
        return [np.flatnonzero(labels == value) for value in chosen]


def divided(
    partition: Partition,
    labels: Integers,
    devices: int,
    seed: int,
    values: Sequence[str] | None = None,
) -> list[Integers]:
    """Return the examples of each device; `values` are those in the column of the partition."""
    if devices < 1:
        raise ValueError(f"devices must be at least 1, got {devices}")
    column = getattr(partition, "column", None)
    if column is not None:
        if values is None:
            raise ValueError(f"partition: no column {column!r}: these data are no table")
        number = {value: i for i, value in enumerate(in_order(set(values)))}
        labels = np.array([number[value] for value in values], dtype=np.int64)
    parts = partition.split(labels, devices, stream(seed, "data", "partition"))
    try:
        given = [np.asarray(part) for part in parts]
        found = [part.astype(np.int64) for part in given]
        counts = np.bincount(np.concatenate(found), minlength=len(labels))
        whole = all((part == other).all() for part, other in zip(found, given, strict=True))
        fits = len(found) == devices and len(counts) == len(labels) and counts.max() <= 1 and whole
    except (TypeError, ValueError):
        fits = False
    if not fits:
        rule = f"{devices} arrays of row numbers below {len(labels)}, each at most once"
        raise AnswerError.of(partition, "split", rule, parts)
    return found


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Return names in numerical order when all are integers, else in alphabetical order."""
    try:
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    except ValueError:
        return tuple(sorted(names))


def _enough(parts: list[Integers], minimum: int, advice: str) -> list[Integers]:
    sizes = [len(part) for part in parts]
    device = int(np.argmin(sizes))
    if sizes[device] < minimum:
        raise ValueError(
            f"device {device} would hold {counted(sizes[device], 'example')}, at least {minimum} "
            f"are needed: {advice}"
        )
    return parts
