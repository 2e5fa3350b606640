"""Laws of the families: what every kind keeps, as sentences that say what to do."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice, pairwise
from types import SimpleNamespace
from typing import Any, Final

import numpy as np

from wfl_sim.methods.aggregation import Upload
from wfl_sim.radio.allocation.allocator import Demands, PowerAllocator, broken_rule
from wfl_sim.randomness import stream

Law = Callable[[Any], Iterator[str]]


def _rng(name: str) -> np.random.Generator:
    return stream(0, "contract", name)


def allocator(kind: Any) -> Iterator[str]:
    """Shares and levels keep their bounds, and equal demands are answered alike."""
    rng = _rng("allocator")
    for count in (1, 2, 5):
        demands = Demands(
            bits_left=rng.uniform(1e3, 1e6, count),
            efficiency=rng.exponential(2.0, (count, 6)),
            average_rate=rng.uniform(1e5, 1e6, count),
            weight=np.ones(count),
            block_bandwidth=360e3,
            memory=0.9,
            age=rng.uniform(0, 1, count),
            deadline=np.full(count, np.inf),
            step=3,
            spreads=True,
        )
        shares, levels = kind.shares(demands), np.ones(count)
        if isinstance(kind, PowerAllocator):
            shares, levels = kind.shares_and_levels(demands)
        if broken := broken_rule(shares, levels, demands):
            yield broken
            return
        if not np.array_equal(kind.shares(demands), kind.shares(demands)):
            yield "equal demands must get equal shares: it may keep nothing, and draw nothing"


def codec(kind: Any) -> Iterator[str]:
    """Bits are announced as they are made; names, shapes and types come back."""
    rng = _rng("codec")
    state = {"a": rng.normal(size=(3, 4)).astype("f4"), "b": rng.normal(size=5).astype("f4")}
    encoded = kind.encode(state)
    announced = kind.bits({name: array.shape for name, array in state.items()})
    if announced != 8 * len(encoded):
        yield f"`bits` announces {announced}, and `encode` makes {8 * len(encoded)}: count it"
    back = kind.decode(encoded)
    for name, array in state.items():
        if name not in back or back[name].shape != array.shape or back[name].dtype != array.dtype:
            yield f"`decode` must return {name!r} as {array.dtype} of shape {array.shape}"


def selector(kind: Any) -> Iterator[str]:
    """At most as many as asked for, of those that are there, in order; alike for equal draws."""
    devices = [
        SimpleNamespace(
            index=i,
            cell=SimpleNamespace(name=f"cell-{i % 2}"),
            mean_gain=10.0 ** -(9 + i % 3),
            examples=10 + i,
            times_asked=i % 2,
            round_seconds=1.0 + i,
            round_joules=1.0,
            battery_level=0.5,
            charge_left=10.0,
            expected_compute=1.0 + i,
            expected_upload=0.5,
            expected_download=0.1,
            last_upload_round=-1,
            present=True,
            busy=False,
            reported_loss=1.0,
        )
        for i in range(6)
    ]
    chosen = [[each.index for each in kind.select(devices, 3, _rng("select"))] for _ in range(2)]
    if len(chosen[0]) > 3:
        yield f"`select` was asked for 3 devices and returned {len(chosen[0])}"
    if chosen[0] != sorted(set(chosen[0])):
        yield f"`select` must return distinct devices in ascending order, got {chosen[0]}"
    if chosen[0] != chosen[1]:
        yield "`select` must draw from the generator that is given"


def method(kind: Any) -> Iterator[str]:
    """Parts have names of their own, and phases train parts that there are."""
    names = [part.name for part in kind.parts]
    if len(set(names)) != len(names):
        yield f"parts must have names of their own, got {names}"
    for phase in kind.phases:
        if missing := {each.partition(".")[0] for each in phase.trains} - set(names):
            yield f"a phase trains {sorted(missing)}, and the parts are {names}"


def optimizer(kind: Any) -> Iterator[str]:
    """The next state has the names, shapes and types of the present one."""
    shared, mean = {"x": np.zeros(3, "f4")}, {"x": np.ones(3, "f4")}
    memory: Mapping[str, Any] = {}
    for _ in range(2):
        after, memory = kind.step(shared, mean, memory)
        if set(after) != {"x"} or np.shape(after["x"]) != (3,):
            yield "`step` must return the next state with the names and shapes of `shared`"
    if shared["x"].any():
        yield "`step` must not write into `shared`"


def staleness(kind: Any) -> Iterator[str]:
    """An upload that is not stale keeps its weight; a stale one has no more of it."""
    base = {"x": np.zeros(2, "f4")}
    weights = [
        kind.present(base, Upload({"x": np.ones(2, "f4")}, 4.0, 0, base, stale)).weight
        for stale in (0, 5)
    ]
    if not 0 <= weights[1] <= weights[0]:
        yield f"an upload of staleness 5 weighs {weights[1]}, a fresh one {weights[0]}"


def jitter(kind: Any) -> Iterator[str]:
    """Factors are positive, of mean one, and have the distribution that is stated."""
    rng = _rng("jitter")
    drawn = np.array([kind.draw(rng) for _ in range(4000)])
    if not (drawn > 0).all():
        yield f"`draw` must be positive, got {drawn.min()}"
    if abs(drawn.mean() - 1) > 5 * drawn.std() / np.sqrt(len(drawn)) + 1e-9:
        yield f"`draw` must have mean 1, got {drawn.mean():.3f} over 4000 draws"
    for factor in np.quantile(drawn, [0.2, 0.5, 0.8]):
        share = (drawn <= factor).mean()
        if abs(kind.cdf(float(factor)) - share) > 0.04:
            yield f"`cdf`({factor:.3g}) is {kind.cdf(float(factor)):.3f}, {share:.3f} were drawn"


def availability(kind: Any) -> Iterator[str]:
    """Intervals rise and do not overlap."""
    intervals = list(islice(kind.intervals(0, _rng("availability")), 20))
    if any(not start < end for start, end in intervals):
        yield "an interval must end after it begins"
    if any(after[0] < before[1] for before, after in pairwise(intervals)):
        yield "intervals must come in order and must not overlap"


def metric(kind: Any) -> Iterator[str]:
    """It is a finite number, and the same for the same predictions."""
    given, said = ["yes", "no", "no", "it is"], ["yes", "yes", "no", ""]
    for right, answers in ((given, said), (given, given), (given[:1], said[3:])):
        value = float(kind.value(right, answers))
        if not np.isfinite(value):
            yield f"`value` must be finite, got {value:g} for {answers} where {right} is right"
        elif value != float(kind.value(right, answers)):
            yield "`value` must be the same for the same predictions: it may keep nothing"


def reward(kind: Any) -> Iterator[str]:
    """A finite number for each answer, the same for the same answers."""
    asked, said, given = ["a ?", "b ?", "b ?"], ["yes", "", "it is"], ["yes", "no", "no"]
    for count in (3, 1):
        told = [each[:count] for each in (asked, said, given)]
        found = np.asarray(kind.rewards(*told), np.float64)
        if found.shape != (count,) or not np.isfinite(found).all():
            yield f"`rewards` must give a finite number for each of {count} answers, got {found}"
        elif not np.array_equal(found, np.asarray(kind.rewards(*told), np.float64)):
            yield "`rewards` must be the same for the same answers: it may keep nothing"


def partition(kind: Any) -> Iterator[str]:
    """Every example has one device."""
    labels = np.arange(60) % (4 if hasattr(kind, "column") else 3)
    parts = [np.asarray(part) for part in kind.split(labels, 4, _rng("partition"))]
    if len(parts) != 4:
        yield f"`split` must return an array for each of 4 devices, got {len(parts)}"
    if sorted(np.concatenate(parts).tolist()) != list(range(60)):
        yield "`split` must give each example to one device"


def loss(kind: Any) -> Iterator[str]:
    """A probability that does not rise with the SINR."""
    found = [kind.probability(float(sinr)) for sinr in (-20, -5, 0, 5, 20, 40)]
    if not all(0 <= each <= 1 for each in found):
        yield f"`probability` must lie in [0, 1], got {found}"
    if found != sorted(found, reverse=True):
        yield f"`probability` must not rise with the SINR, got {found}"


def pathloss(kind: Any) -> Iterator[str]:
    """A loss for each distance, more at a greater one."""
    most = min(getattr(kind, "maximum_distance", 1000.0), 1000.0)
    distance = np.array([0.2, 0.5, 0.9]) * most
    options = {"base_height": 25.0, "terminal_height": 1.5, "los": np.ones(3, bool)}
    found = np.asarray(kind.loss_db(distance, 3.5e9, **options))
    if found.shape != (3,):
        yield f"`loss_db` of 3 distances must be of shape (3,), got {found.shape}"
    elif not (np.diff(found) >= 0).all():
        yield f"`loss_db` must not fall with distance, got {found.tolist()}"
    chance = np.asarray(kind.los_probability(distance))
    if not ((chance >= 0) & (chance <= 1)).all():
        yield f"`los_probability` must lie in [0, 1], got {chance.tolist()}"


def rate(kind: Any) -> Iterator[str]:
    """A rate that is not negative and does not fall with the SINR."""
    found = np.asarray(kind.spectral_efficiency(np.geomspace(1e-3, 1e5, 60)))
    if found.shape != (60,):
        yield f"`spectral_efficiency` of 60 values must be of shape (60,), got {found.shape}"
    elif not ((found >= 0).all() and (np.diff(found) >= -1e-9).all()):
        yield "`spectral_efficiency` must be at least 0 and must not fall with the SINR"


def fading(kind: Any) -> Iterator[str]:
    """Power of mean one, a function of absolute time, and links that do not know of each other."""

    def realised(links: int) -> Any:
        return kind.realise([_rng(f"fading {i}") for i in range(links)], np.full(links, 10.0))

    times, offsets = np.array([0.3, 7.0, 0.1]), np.array([0.0, 1e6])
    process = realised(3)
    power = np.asarray(process.power(times, offsets))
    if power.shape != (3, 3, 2):
        yield f"`power` must be of shape (links, times, offsets) (3, 3, 2), got {power.shape}"
        return
    if not np.allclose(power[:, ::-1], process.power(times[::-1], offsets)):
        yield "`power` must be a function of absolute time, whatever was asked before"
    if not np.allclose(power[:2], realised(2).power(times, offsets)):
        yield "a link more must leave the others as they were: one generator is one link's"
    grid = np.asarray(process.power_grid(2, 3, 0.01, offsets))
    expected = np.asarray(process.power((np.arange(2, 5) + 0.5) * 0.01, offsets))
    if not np.allclose(grid, expected, rtol=1e-3, atol=1e-5):
        yield "`power_grid` must be `power` at the midpoints of the grid"


LAWS: Final[Mapping[str, Law]] = {
    law.__name__: law
    for law in (
        allocator,
        availability,
        codec,
        fading,
        jitter,
        loss,
        method,
        metric,
        optimizer,
        partition,
        pathloss,
        rate,
        reward,
        selector,
        staleness,
    )
}
"""The laws of a family, where it has any beyond its contract and the simulation."""
