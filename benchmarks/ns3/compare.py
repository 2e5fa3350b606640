"""Files in one LTE cell: ns-3 beside the fluid cell, calibrated on single users.

ns-3 is measured first with one user at a time, for each scheduler: the difference in time of a file
of 20 Mbit and one of 4 Mbit gives the rate at a distance, and halving finds where a rate gives way
to the next, to a metre. These steps are the rate map of the fluid cell. Then n users in a ring
download (or upload) together in both, under proportional fair and round robin. Takes five
minutes of processor time a direction. Needs libns3-dev (3.37 was tried), g++ and pkg-config.

    apt-get install libns3-dev g++ pkg-config libgsl-dev libxml2-dev libsqlite3-dev
    .venv/bin/python benchmarks/ns3/compare.py downlink
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import simpy
from numpy.typing import NDArray

import channel_models as cm
import wfl_sim
from wfl_sim.cli.scripts import at_least, run_script, script_options
from wfl_sim.radio.allocation.allocator import Demands

PROGRAM = Path(__file__).with_name("cell.cc")
PACKAGES = "ns3-lte ns3-internet ns3-applications ns3-point-to-point ns3-mobility"
BLOCKS, BLOCK_WIDTH = 100, 180e3
SHORT, LONG = 4.0, 20.0
"""Mbit of the files whose difference in time is a rate."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Direction:
    """What differs between the directions."""

    power_dbm: float
    """of the base station on all blocks, or of a user on those that it holds"""
    noise_figure_db: float
    calibrated: Sequence[int]
    """m, where the rate of a single user is measured first"""
    ring: tuple[float, float]
    """m, where users are; a single one at its outer edge still gets something on all blocks"""
    cases: Sequence[tuple[int, float]]
    """users, Mbit of each; of more than 25 that upload none gets above the lowest scheme of ns-3"""
    group: int
    """blocks that ns-3's round robin gives together"""


DIRECTIONS = {
    "downlink": Direction(
        46.0,
        9.0,
        range(400, 2000, 50),
        (400.0, 1700.0),
        ((2, 8.0), (5, 8.0), (10, 8.0), (20, 4.0), (40, 2.0)),
        4,
    ),
    "uplink": Direction(
        23.0,
        5.0,
        range(60, 640, 20),
        (250.0, 600.0),
        ((2, 8.0), (5, 8.0), (10, 8.0), (20, 4.0), (25, 4.0)),
        1,
    ),
}


@dataclass(frozen=True)
class RoundRobin:
    """ns-3's round robin: whole groups of blocks for each user, as many for all; a rest is empty.

    Of more users than groups each has one in its turn.
    """

    group: int

    def shares(self, demands: Demands) -> Floats:
        """Return (n, blocks) shares, alike for all."""
        users, groups = len(demands.bits_left), BLOCKS // self.group
        held = max(groups // users, min(1.0, groups / users)) / groups
        return np.full(demands.efficiency.shape, held)


def gain(distance: Floats) -> Floats:
    """Linear gain at a distance in m: loss of 15.3 + 37.6 log10(d) dB, antennas at 25 and 1.5 m."""
    return np.asarray(cm.db_to_linear(-15.3 - 37.6 * np.log10(np.hypot(distance, 23.5))))


def compiled(folder: Path) -> Path:
    """Compile the program against the ns-3 that is installed."""
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", *PACKAGES.split()],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    program = folder / "cell"
    subprocess.run(["g++", "-O2", "-std=c++17", PROGRAM, "-o", program, *flags], check=True)
    return program


def with_ns3(
    program: Path, direction: str, distances: Sequence[float], megabits: float, scheduler: str
) -> tuple[Floats, float]:
    """Return when each file ends, in s, and the CPU seconds that ns-3 took."""
    places = ",".join(f"{each:g}" for each in distances)
    command = [
        program,
        f"--uplink={int(direction == 'uplink')}",
        f"--distances={places}",
        f"--megabits={megabits}",
        f"--scheduler={scheduler}",
    ]
    measured = ["/usr/bin/env", "bash", "-c", 'TIMEFORMAT=%U; time "$@"', "-", *map(str, command)]
    done = subprocess.run(measured, capture_output=True, text=True, check=True)
    ends = [float(line.split(",")[2]) for line in done.stdout.split()]
    return np.array(ends), float(done.stderr.split()[-1])


@dataclass(frozen=True)
class Steps:
    """Spectral efficiency in steps, as measured: that of the next lower SINR; none below all."""

    sinr: Floats
    efficiency: Floats

    def spectral_efficiency(self, sinr: Floats) -> Floats:
        """bit/s/Hz at linear SINR, elementwise."""
        below = np.searchsorted(self.sinr, np.asarray(sinr), side="right")
        return np.concatenate(([0.0], self.efficiency))[below]


def halved(rate: Callable[[float], float], near: float, far: float) -> list[tuple[float, float]]:
    """Return distances and rates: both ends, and those between where the rate changes, to 1 m."""
    if far - near <= 1 or abs(rate(near) / rate(far) - 1) < 0.03:
        return [(near, rate(near)), (far, rate(far))]
    middle = (near + far) / 2
    return halved(rate, near, middle) + halved(rate, middle, far)


def calibrated(program: Path, direction: str, scheduler: str) -> Steps:
    """Measure single users, and return the rate over SINR; print the table."""
    kind = DIRECTIONS[direction]

    @cache
    def rate(distance: float) -> float:
        (long,), _ = with_ns3(program, direction, [distance], LONG, scheduler)
        (short,), _ = with_ns3(program, direction, [distance], SHORT, scheduler)
        return (LONG - SHORT) / (long - short)

    places = zip(kind.calibrated, kind.calibrated[1:], strict=False)
    found = dict(each for near, far in places for each in halved(rate, near, far))
    distance = np.array(sorted(found, reverse=True), dtype=float)
    rates = np.maximum.accumulate([found[each] for each in distance])
    noise = cm.noise_power(BLOCK_WIDTH, kind.noise_figure_db)
    sinr = cm.dbm_to_watt(kind.power_dbm) / BLOCKS * gain(distance) / noise
    print(f"{scheduler} alone, up to a distance (m)  at an SNR (dB)  Mbit/s")
    shown = 0.0
    for far, ratio, each in zip(distance, sinr, rates, strict=True):
        if each > 1.03 * shown:
            print(f"{far:50.0f} {cm.linear_to_db(ratio):15.2f} {each:7.2f}", flush=True)
            shown = each
    # A little below the measured SINR, so that a user at that very place has that rate.
    return Steps(sinr * (1 - 1e-9), rates * 1e6 / (BLOCKS * BLOCK_WIDTH))


def with_fluid_cell(
    direction: str, distances: Sequence[float], megabits: float, allocator: Any, steps: Steps
) -> tuple[Floats, float]:
    """Return when each file ends, in s, and the CPU seconds that the fluid cell took."""
    begun, env, kind = time.process_time(), simpy.Environment(), DIRECTIONS[direction]
    side = {"noise_figure": f"{kind.noise_figure_db} dB", "rate": steps, "overhead": 0.0}
    if direction == "downlink":
        side["power"] = f"{kind.power_dbm} dBm"
    band = wfl_sim.band(
        BLOCKS * BLOCK_WIDTH,
        env=env,
        gains=gain(np.array(distances)).tolist(),
        direction=direction,
        allocator=allocator,
        power=f"{kind.power_dbm} dBm",
        channel={"fading": "static"},
        ideal_blocks=BLOCKS,
        **{direction: side},
    )
    transfers = [band.send(link, megabits * 1e6) for link in range(len(distances))]
    env.run()
    return np.array([each.end for each in transfers]), time.process_time() - begun


def main() -> None:
    """Calibrate, predict, and print."""
    parser = script_options(__doc__)
    parser.add_argument("direction", choices=DIRECTIONS)
    parser.add_argument("--seed", type=at_least(0), default=1, help="of the users' places")
    given = parser.parse_args()
    missing = [each for each in ("g++", "pkg-config") if shutil.which(each) is None]
    if missing or subprocess.run(["pkg-config", "--exists", *PACKAGES.split()]).returncode:
        parser.error(f"needs {', '.join(missing) or 'libns3-dev'}: see --help")
    with tempfile.TemporaryDirectory() as folder:
        compare(compiled(Path(folder)), given.direction, given.seed)


def compare(program: Path, direction: str, seed: int) -> None:
    """Print the calibration and the table."""
    kind = DIRECTIONS[direction]
    schedulers = {
        "proportional fair": ("PfFfMacScheduler", "proportional-fair"),
        "round robin": ("RrFfMacScheduler", RoundRobin(kind.group)),
    }
    steps = {name: calibrated(program, direction, each[0]) for name, each in schedulers.items()}
    with_fluid_cell(direction, [500.0], 1.0, "equal", steps["round robin"])  # kinds are imported
    print("scheduler          users x Mbit  mean (s): ours/ns-3  last (s): ours/ns-3", end="  ")
    print("ours over ns-3: mean, least, most  CPU: ns-3 over ours")
    for name, (scheduler, allocator) in schedulers.items():
        for users, megabits in kind.cases:
            rng = np.random.default_rng([seed, users])
            places = np.sqrt(rng.uniform(kind.ring[0] ** 2, kind.ring[1] ** 2, users)).tolist()
            theirs, slow = with_ns3(program, direction, places, megabits, scheduler)
            ours, quick = with_fluid_cell(direction, places, megabits, allocator, steps[name])
            ratio = ours / theirs
            cells = (
                f"{name:17s}  {users:5d} x {megabits:4g}",
                f"{ours.mean():9.3f}/{theirs.mean():.3f}",
                f"{ours.max():13.3f}/{theirs.max():.3f}",
                f"{ratio.mean():16.3f}, {ratio.min():.3f}, {ratio.max():.3f}",
                f"{slow / quick:14.0f}",
            )
            print("  ".join(cells), flush=True)


if __name__ == "__main__":
    run_script(main)
