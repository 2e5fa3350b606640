"""Elementary functions: near the C library's, and with the same bits on emulated processors."""

import hashlib
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from channel_models import elementary

RNG = np.random.default_rng(1)
WIDE = 10.0 ** RNG.uniform(-300, 300, 20_000)
NEAR_ONE = RNG.uniform(0.5, 2.0, 20_000)
SMALL = 10.0 ** RNG.uniform(-15, 10, 20_000)


@pytest.mark.parametrize(
    ("mine", "other", "x"),
    [
        (elementary.exp, np.exp, RNG.uniform(-700, 700, 20_000)),
        (elementary.expm1, np.expm1, RNG.uniform(-40, 3, 20_000) * SMALL / 1e10),
        (elementary.log, np.log, WIDE),
        (elementary.log, np.log, NEAR_ONE),
        (elementary.log10, np.log10, WIDE),
        (elementary.log2, np.log2, WIDE),
        (elementary.log1p, np.log1p, SMALL),
    ],
)
def test_errors_are_a_few_units_of_the_last_place(mine, other, x) -> None:
    assert np.max(np.abs(mine(x) - other(x)) / np.spacing(np.abs(other(x)))) <= 4


def test_cosine_and_sine_of_turns() -> None:
    turns = RNG.uniform(-1e6, 1e6, 20_000)
    angle = 2 * np.pi * (turns - np.rint(turns))
    for single, error in ((False, 1e-15), (True, 1.5e-7)):
        cosine, sine = elementary.cosine_and_sine(turns, single=single)
        assert np.abs(cosine - np.cos(angle)).max() < error
        assert np.abs(sine - np.sin(angle)).max() < error
    assert elementary.cosine_and_sine([0, 0.25, 0.5, 0.75, 1])[0].tolist() == [1, 0, -1, 0, 1]


def test_arctan2_in_all_quadrants_and_on_the_axes() -> None:
    y, x = RNG.standard_normal((2, 20_000))
    assert np.abs(elementary.arctan2(y, x) - np.arctan2(y, x)).max() < 1e-15
    y, x = np.array([(0, 1), (0, -1), (1, 0), (-1, 0), (0, 0), (-0.0, -1), (1, 1)]).T
    assert elementary.arctan2(y, x) == pytest.approx(np.arctan2(y, x), abs=1e-15)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_limits_are_those_of_numpy() -> None:
    x = np.array([0.0, -1.0, np.inf, -np.inf, np.nan, 5e-324])
    for name in ("exp", "expm1", "log", "log1p"):
        found, expected = getattr(elementary, name)(x), getattr(np, name)(x)
        np.testing.assert_allclose(found, expected, rtol=1e-15)
    assert elementary.exp(-746.0) == 0
    assert np.isinf(elementary.exp(710.0))


def test_single_numbers_have_the_bits_of_arrays() -> None:
    numbers = np.concatenate([RNG.uniform(-760, 709, 300), RNG.uniform(-1, 1, 300)])
    found = [float(elementary.exp(number)) for number in numbers.tolist()]
    assert found == elementary.exp(numbers).tolist()


def test_powers() -> None:
    assert elementary.power(NEAR_ONE, 1.72) == pytest.approx(NEAR_ONE**1.72, rel=1e-14)
    assert elementary.power_of_ten(2.0) == pytest.approx(100, rel=1e-15)
    assert elementary.hypot(3.0, 4.0) == 5


def test_capacities_are_multiples_whatever_the_logarithm(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = np.log1p(SMALL) / np.log(2)
    found = elementary.capacity(SMALL)
    assert np.abs(found - exact).max() <= 2.0**-34 + 1e-14
    assert (found * 2.0**33 == np.rint(found * 2.0**33)).all()
    log1p = np.log1p
    # A logarithm with errors of several units of the last place, as another processor's may have.
    for error in (-4e-16, 4e-16):
        monkeypatch.setattr(
            np, "log1p", lambda x, e=error, **options: log1p(x, **options) * (1 + e)
        )
        assert (elementary.capacity(SMALL) == found).all()


@pytest.mark.parametrize(
    ("mine", "fast", "bits", "x"),
    [
        ("decay", "exp", 36, RNG.exponential(0.3, 20_000)),
        ("decibels", "log10", 30, 10.0 ** RNG.uniform(-30, 30, 20_000)),
    ],
)
def test_decays_and_decibels_are_multiples_too(monkeypatch, mine, fast, bits, x) -> None:
    exact = np.exp(-x) if mine == "decay" else 10.0 * np.log10(x)
    found = getattr(elementary, mine)(x)
    assert np.abs(found - exact).max() <= 2.0 ** -(bits + 1) + 1e-13
    assert (found * 2.0**bits == np.rint(found * 2.0**bits)).all()
    processor = getattr(np, fast)
    for error in (-4e-16, 4e-16):
        monkeypatch.setattr(np, fast, lambda y, e=error: processor(y) * (1 + e))
        assert (getattr(elementary, mine)(x) == found).all()


def test_limits_of_decay_and_decibels() -> None:
    assert elementary.decay(np.array([0.0, 800.0, np.inf])).tolist() == [1.0, 0.0, 0.0]
    assert elementary.decibels(np.array([0.0, 1.0, 100.0])).tolist() == [-np.inf, 0.0, 20.0]


def test_capacities_of_single_numbers_are_those_of_arrays() -> None:
    # Half of them are in doubt: their capacity is the middle of two multiples.
    middles = (RNG.integers(1, 2**36, 100) + 0.5) * 2.0**-33
    numbers = np.concatenate([np.expm1(middles * np.log(2)), RNG.exponential(3.0, 100)])
    found = [float(elementary.capacity(np.asarray(number))) for number in numbers]
    assert found == elementary.capacity(numbers).tolist()


def test_rounding_to_20_bits() -> None:
    values = RNG.exponential(1e6, 20_000)
    found = elementary.rounded(values)
    assert found == pytest.approx(values, rel=2.0**-20)
    fraction = np.frexp(found)[0] * 2.0**20
    assert (fraction == np.rint(fraction)).all()
    assert (elementary.rounded(found) == found).all()


SCRIPT = """
import hashlib
import numpy as np
import channel_models as cm
from channel_models import elementary

x = np.random.default_rng(3).exponential(3.0, 4000)
digest = hashlib.sha256()
for name in ("exp", "expm1", "log", "log1p", "capacity", "decay", "decibels", "cosine_and_sine"):
    digest.update(np.asarray(getattr(elementary, name)(x)).tobytes())
streams = [np.random.default_rng([1, link]) for link in range(6)]
offsets = cm.resource_block_offsets(51, 30e3)
for model in (
    cm.Rayleigh(profile="tdl-c", delay_spread=3e-7),
    cm.Rician(k_factor=3.0, los_angle=0.5),
    cm.Nakagami(m=2.0),
    cm.Block(duration=0.1),
    cm.OrnsteinUhlenbeck(coherence_time=0.05),
):
    fading = model.realise(streams, np.full(6, 30.0))
    digest.update(np.ascontiguousarray(fading.power_grid(100, 700, 1e-3, offsets)).tobytes())
loss = cm.UMa(condition="nlos").loss_db(np.linspace(40.0, 2000.0, 500), 3.5e9)
digest.update(np.asarray(loss).tobytes())
digest.update(cm.McsRate().spectral_efficiency(x).tobytes())
digest.update(np.array([cm.db_to_linear(v) for v in x]).tobytes())
powers = cm.Unit("W", minimum=0.0)
digest.update(np.array([powers.parse(f"{v} dBm") for v in x[:200]]).tobytes())
print(digest.hexdigest())
"""


def _digest(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
    )
    if done.returncode == -signal.SIGILL:
        pytest.skip(f"this processor lacks instructions of {environment['OPENBLAS_CORETYPE']}")
    assert not done.returncode, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def native() -> str:
    return _digest()


@pytest.mark.parametrize(
    "kind",
    [
        {"OPENBLAS_CORETYPE": "Haswell"},
        {"OPENBLAS_CORETYPE": "Zen"},
        {"OPENBLAS_CORETYPE": "SkylakeX"},
        {"OPENBLAS_CORETYPE": "Prescott", "NPY_DISABLE_CPU_FEATURES": "X86_V4 X86_V3"},
        {"OPENBLAS_CORETYPE": "Zen", "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4"},
    ],
    ids=lambda kind: kind["OPENBLAS_CORETYPE"] + " no FMA" * ("GLIBC_TUNABLES" in kind),
)
def test_channels_have_the_same_bits_on_other_processors(kind: dict[str, str], native: str) -> None:
    assert len(native) == len(hashlib.sha256().hexdigest())
    assert _digest(**kind) == native
