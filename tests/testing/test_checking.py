"""The published contract tests: every built-in kind passes, and each broken rule is a sentence."""

import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from wfl_sim.codecs import Float32
from wfl_sim.scenario.builtin_kinds import FAMILIES
from wfl_sim.testing import check
from wfl_sim.testing.laws import LAWS

OPTIONS = {
    ("allocator", "fixed"): {"channels": 3},
    ("allocator", "minimum-energy"): {"within": 60.0},
    ("codec", "random-mask"): {"share": 0.3},
    ("codec", "top-k"): {"share": 0.3},
}
PURE = sorted(LAWS)
"""Families that are checked here with every kind that has defaults."""
BY_PATH_LOSS = {("fading", name) for name in ("scenario", "blocked", "screens")}
"""Laws only with a path loss beside them; what they give then is tested as such."""
CASES = [
    (each.family, name)
    for each in FAMILIES
    if each.family in PURE
    for name in each.kinds()
    if (each.family, name) not in BY_PATH_LOSS
]


@pytest.mark.parametrize(("family", "name"), CASES)
def test_built_in_kinds_keep_the_laws_that_are_published(family, name, monkeypatch):
    registry = {each.family: each for each in FAMILIES}[family]
    try:
        kind = registry.find(name)(**OPTIONS.get((family, name), {}))
    except TypeError:
        pytest.skip("has no defaults")
    monkeypatch.setattr("wfl_sim.testing.checking._PLACES", {})  # simulated in other tests
    assert check(kind, family=family) == family


def test_a_kind_is_simulated_and_its_family_is_found():
    from wfl_sim.radio.allocation import MaxCI

    assert check(MaxCI()) == "allocator"


@dataclass(frozen=True)
class Greedy:
    def shares(self, demands):
        return np.ones(demands.efficiency.shape)


@dataclass(frozen=True)
class Transposed:
    def shares(self, demands):
        return np.ones(demands.efficiency.T.shape)


@dataclass
class Changing:
    def shares(self, demands):
        return demands.flat(np.full(len(demands.bits_left), 1 / len(demands.bits_left)))


@dataclass(frozen=True)
class Drawing:
    def shares(self, demands):
        count = len(demands.bits_left)
        return demands.flat(np.random.default_rng().uniform(0, 1 / count, count))


class Bare:
    def shares(self, demands):
        return demands.efficiency


@dataclass(frozen=True)
class Understated(Float32):
    def bits(self, shapes):
        return super().bits(shapes) - 8


@dataclass(frozen=True)
class Everyone:
    def select(self, devices, count, rng):
        return devices


@dataclass(frozen=True)
class Falling:
    def spectral_efficiency(self, sinr):
        return -np.log2(1 + np.asarray(sinr))


@dataclass(frozen=True)
class Failing:
    def probability(self, sinr_db):
        raise KeyError("sinr")


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (Greedy(), "a block is given 2 times: shares must add up to at most 1 per block"),
        (Transposed(), "`shares` must be of shape (transfers, blocks) (1, 6), got (6, 1)"),
        (Changing(), "Changing can change: write @dataclass(frozen=True) above the class"),
        (Drawing(), "equal demands must get equal shares: it may keep nothing, and draw nothing"),
        (Bare(), "Bare is no dataclass: write @dataclass(frozen=True) above the class"),
        (Understated(), "`bits` announces"),
        (Everyone(), "`select` was asked for 3 devices and returned 6"),
        (Falling(), "`spectral_efficiency` must be at least 0 and must not fall with the SINR"),
        (Failing(), "Failing fails on what its contract allows: KeyError: 'sinr'"),
    ],
)
def test_a_broken_rule_is_a_sentence_that_says_what_to_do(kind, sentence, monkeypatch):
    monkeypatch.setattr("wfl_sim.testing.checking._PLACES", {})
    with pytest.raises(AssertionError) as raised:
        check(kind)
    assert sentence in str(raised.value)


def test_a_family_that_cannot_be_told_is_asked_for():
    with pytest.raises(ValueError, match=r"which family is object of \(none fits\)\? give"):
        check(object())
    with pytest.raises(ValueError, match="no family 'alocator': there are "):
        check(Greedy(), family="alocator")


def test_the_command(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from dataclasses import dataclass\n"
        "@dataclass(frozen=True)\n"
        "class Mine:\n"
        "    share: float = 1.0\n"
        "    def shares(self, demands):\n"
        "        count = len(demands.bits_left)\n"
        "        return demands.efficiency * 0 + self.share / count\n"
    )

    def run(*words):
        start = [sys.executable, "-c", "from wfl_sim.cli import main; main()", "check", *words]
        return subprocess.run(start, capture_output=True, text=True, cwd=tmp_path)

    fine = run("./mine.py:Mine")
    assert (fine.returncode, fine.stdout) == (0, "./mine.py:Mine: keeps the rules of allocator\n")
    broken = run("./mine.py:Mine", "--set", "share=2.0")
    assert broken.returncode == 1
    assert "a block is given 2 times" in broken.stderr
    missing = run("./mine.py:Other")
    assert (missing.returncode, missing.stderr) == (
        2,
        "error: ./mine.py: defines no class 'Other'\n",
    )
    unnamed = run("./mine.py")
    assert unnamed.stderr == "error: ./mine.py: which class of it? Give ./mine.py:Mine\n"
