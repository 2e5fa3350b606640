"""The versions that wfl_sim says it takes are those that its constraints name."""

import configparser
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


def pinned(file: str) -> dict[str, str]:
    lines = (ROOT / file).read_text().splitlines()
    pairs = (line.partition("==") for line in lines if not line.startswith("#"))
    return {name.lower(): version for name, _, version in pairs}


EXTRAS = ("hub", "gym", "ray", "fast", "notebooks", "privacy")


def test_the_oldest_and_the_present_constraints_lie_at_and_within_the_ranges():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options"]["install_requires"].split()
    extras = setup["options.extras_require"]
    lines += [line for extra in EXTRAS for line in extras[extra].split()]
    needed = {each.name: each.specifier for each in map(Requirement, lines)}
    oldest, present = pinned("constraints-oldest.txt"), pinned("constraints.txt")
    assert oldest.keys() == needed.keys()
    for name, versions in needed.items():
        (floor,) = (each.version for each in versions if each.operator == ">=")
        assert oldest[name] == floor or oldest[name].startswith(f"{floor}."), name
        assert oldest[name] in versions, name
        assert name == "datasets" or present[name] in versions, name  # which no test needs
