"""Partitions: every example once, the law's moments, and shards that are too small."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfl_sim.config.answers import AnswerError
from wfl_sim.data import IID, ByColumn, ByLabel, Dirichlet, Partition, QuantitySkew
from wfl_sim.data.partition import divided
from wfl_sim.randomness import stream

KINDS = [IID(), Dirichlet(alpha=0.5, minimum=2), Dirichlet(alpha=50.0), ByLabel()]


def labels_of(count: int, classes: int) -> np.ndarray:
    return np.arange(count) % classes


@pytest.mark.parametrize("partition", KINDS, ids=repr)
class TestEveryKind:
    def test_is_a_partition(self, partition):
        assert isinstance(partition, Partition)

    @pytest.mark.parametrize("devices", [1, 5, 12])
    def test_each_example_is_dealt_once(self, partition, devices):
        labels = labels_of(960, 2 if devices == 1 else 8)
        parts = partition.split(labels, devices, stream(3, "partition"))
        assert len(parts) == devices
        assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(960))
        assert all(np.array_equal(part, np.sort(part)) for part in parts)

    def test_the_stream_decides(self, partition):
        labels = labels_of(400, 4)
        first, again, other = (
            partition.split(labels, 6, stream(s, "partition")) for s in (1, 1, 2)
        )
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
        assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))

    def test_too_small_a_shard_is_named(self, partition):
        with pytest.raises(ValueError, match=r"device \d+ would hold \d+ examples?, at least"):
            partition.split(labels_of(12, 4), 12, stream(0, "partition"))

    def test_no_devices(self, partition):
        with pytest.raises(ValueError, match="devices must be at least 1, got 0"):
            divided(partition, labels_of(12, 4), 0, seed=0)


@given(devices=st.integers(1, 9), count=st.integers(18, 200), seed=st.integers(0, 10**6))
def test_iid_sizes_differ_by_one_at_most(devices, count, seed):
    parts = IID().split(labels_of(count, 3), devices, stream(seed, "partition"))
    sizes = [len(part) for part in parts]
    assert sum(sizes) == count
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
def test_dirichlet_shares_have_the_law_s_mean_and_variance(alpha):
    """A device's share of a class: mean 1/K, variance (K-1) / (K^2 (K alpha + 1))."""
    devices, classes = 8, 10
    labels = labels_of(20_000, classes)
    shares = []
    for seed in range(40):
        # minimum 2 hardly ever redraws, so the law stays that of one draw
        parts = Dirichlet(alpha=alpha, minimum=2).split(labels, devices, stream(seed, "partition"))
        held = np.array([np.bincount(labels[part], minlength=classes) for part in parts])
        shares.append(held / held.sum(axis=0))
    drawn = np.concatenate([share.ravel() for share in shares])
    assert drawn.mean() == pytest.approx(1 / devices)
    variance = (devices - 1) / (devices**2 * (devices * alpha + 1))
    # 3200 shares: relative standard error of the variance is about 0.05 at alpha 0.2
    assert drawn.var() == pytest.approx(variance, rel=0.15)


def test_dirichlet_draws_again_until_each_device_has_enough():
    labels = labels_of(640, 4)
    for seed in range(10):
        parts = Dirichlet(alpha=0.3, minimum=20).split(labels, 8, stream(seed, "partition"))
        assert min(len(part) for part in parts) >= 20


def test_dirichlet_gives_up_with_advice():
    with pytest.raises(ValueError, match=r"alpha larger than 0\.01 \(tried 100 draws\)"):
        Dirichlet(alpha=0.01, minimum=20).split(labels_of(640, 4), 16, stream(0, "partition"))


@pytest.mark.parametrize("kind", [Dirichlet, QuantitySkew])
def test_no_alpha_helps_where_there_are_too_few_examples(kind):
    """A larger alpha was advised after 100 draws, of which there was one."""
    with pytest.raises(ValueError, match=r"10 are too few: .* more examples or less `minimum`$"):
        kind(minimum=8).split(labels_of(10, 2), 4, stream(0, "partition"))


def test_rows_may_come_in_any_sequence_of_whole_numbers():
    class Cut:
        def __init__(self, rows):
            self.rows = rows

        def split(self, labels, devices, rng):
            return self.rows()

    for rows in (lambda: iter([[0.0], [1.0]]), lambda: [range(1), [1]]):
        found = divided(Cut(rows), labels_of(2, 2), 2, 1)
        assert [part.tolist() for part in found] == [[0], [1]]
    with pytest.raises(AnswerError, match=r"each at most once, got \[\[0.5\], \[1\]\]"):
        divided(Cut(lambda: [[0.5], [1]]), labels_of(2, 2), 2, 1)


@pytest.mark.parametrize("per_device", [1, 2, 3])
def test_by_label_holds_exactly_its_classes(per_device):
    labels = labels_of(1200, 6)
    parts = ByLabel(classes_per_device=per_device).split(labels, 12, stream(0, "partition"))
    assert {len(np.unique(labels[part])) for part in parts} == {per_device}


@pytest.mark.parametrize(
    ("per_device", "devices", "message"),
    [(7, 4, "at most the 6 classes present, got 7"), (1, 4, "at least 2 so that 4 devices hold")],
)
def test_by_label_must_cover_the_classes(per_device, devices, message):
    with pytest.raises(ValueError, match=message):
        ByLabel(classes_per_device=per_device).split(
            labels_of(60, 6), devices, stream(0, "partition")
        )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dirichlet(alpha=0.0), "alpha must be positive and finite, got 0.0"),
        (lambda: Dirichlet(alpha=float("inf")), "alpha must be positive and finite, got inf"),
        (lambda: Dirichlet(minimum=1), "minimum must be at least 2"),
        (lambda: IID(minimum=0), "minimum must be at least 2"),
        (lambda: ByLabel(classes_per_device=0), "classes_per_device must be at least 1, got 0"),
    ],
)
def test_impossible_options(make, message):
    with pytest.raises(ValueError, match=message):
        make()


USERS = ["u2"] * 6 + ["u10"] * 4 + ["u1"] * 12 + ["u3"] * 2 + ["u0"]


def by_user(devices: int, values: list[str] | None, **options: int) -> list[list[int]]:
    labels = labels_of(len(values or USERS), 2)
    kind = ByColumn(column="user", **options)
    return [part.tolist() for part in divided(kind, labels, devices, 1, values)]


def test_a_device_is_a_value_in_alphabetical_order():
    """u0 has one row, none to be judged on, so it has no device."""
    assert by_user(4, USERS) == [
        [*range(10, 22)],
        [*range(6, 10)],
        [*range(6)],
        [22, 23],
    ]


def test_values_that_are_integers_are_in_numerical_order():
    assert by_user(3, ["10", "10", "9", "9", "-1", "-1"]) == [[4, 5], [2, 3], [0, 1]]


def test_of_more_values_than_devices_some_are_drawn():
    drawn = [by_user(1, [str(i // 2) for i in range(60)])]
    assert all(part[1] == part[0] + 1 and part[0] % 2 == 0 for [part] in drawn)
    parts = by_user(2, USERS, minimum=6)
    assert parts == [[*range(10, 22)], [*range(6)]]


def test_more_devices_than_values_are_refused():
    with pytest.raises(ValueError, match="'user' has 4 values with 2 rows or more, one for each"):
        by_user(5, USERS)


def test_data_without_columns_have_no_natural_partition():
    with pytest.raises(ValueError, match="no column 'user': these data are no table"):
        by_user(4, None)


def test_a_partition_of_a_user_sees_the_column_that_it_names():
    class Pairs:
        column = "site"

        def split(self, labels, devices, rng):
            return [np.flatnonzero(labels // 2 == device) for device in range(devices)]

    parts = divided(Pairs(), np.zeros(6, int), 2, 1, ["b", "a", "d", "c", "a", "d"])
    assert [part.tolist() for part in parts] == [[0, 1, 4], [2, 3, 5]]


def test_quantity_skew_moves_sizes_and_leaves_labels() -> None:
    """Shares of all have variance (K-1)/(K^2 (K alpha + 1)); classes are as frequent everywhere."""
    labels = np.arange(4000) % 2
    rng = np.random.default_rng(3)
    shares, first = [], []
    for _ in range(400):
        parts = QuantitySkew(alpha=1.0, minimum=2).split(labels, 4, rng)
        assert sorted(np.concatenate(parts).tolist()) == list(range(4000))
        shares.append([len(part) / 4000 for part in parts])
        first += [float(np.mean(labels[part])) for part in parts if len(part) > 400]
    # 3 / (16 * 5) = 0.0375; the standard error of 1,600 shares is about 0.0016
    assert np.var(shares) == pytest.approx(0.0375, abs=0.005)
    assert np.std(first) < 0.03
