"""Files in one LTE cell: ns-3 beside the fluid cell, calibrated on single users.

ns-3 is measured first with one user at a time: the difference in time of a file of 8 Mbit and one
of 2 Mbit gives the rate at that distance. These steps are the rate map of the fluid cell. Then n
users in a ring download (or upload) together in both, under proportional fair and round robin.
Needs libns3-dev (3.37 was tried), g++ and pkg-config.

    apt-get install libns3-dev g++ pkg-config libgsl-dev libxml2-dev libsqlite3-dev
    .venv/bin/python benchmarks/ns3/compare.py downlink
"""

import argparse
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import simpy
from numpy.typing import NDArray

import channel_models as cm
import wfl_sim

PROGRAM = Path(__file__).with_name("cell.cc")
PACKAGES = "ns3-lte ns3-internet ns3-applications ns3-point-to-point ns3-mobility"
BLOCKS, BLOCK_WIDTH = 100, 180e3
SCHEDULERS = {"proportional-fair": "PfFfMacScheduler", "equal": "RrFfMacScheduler"}
"""ours and theirs"""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Direction:
    """What differs between the directions."""

    power_dbm: float
    """of the base station on all blocks, or of a user on those that it holds"""
    noise_figure_db: float
    calibrated: Sequence[int]
    """m, where the rate of a single user is measured"""
    ring: tuple[float, float]
    """m, where users are; a single one at its outer edge still gets something on all blocks"""
    cases: Sequence[tuple[int, float]]
    """users, Mbit of each; of more than 25 that upload none gets above the lowest scheme of ns-3"""


DIRECTIONS = {
    "downlink": Direction(
        46.0,
        9.0,
        [*range(400, 1000, 25), *range(1000, 2000, 50)],
        (400.0, 1700.0),
        ((2, 8.0), (5, 8.0), (10, 8.0), (20, 4.0), (40, 2.0)),
    ),
    "uplink": Direction(
        23.0,
        5.0,
        [*range(60, 300, 10), *range(300, 640, 20)],
        (250.0, 600.0),
        ((2, 8.0), (5, 8.0), (10, 8.0), (20, 4.0), (25, 4.0)),
    ),
}


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


def calibrated(program: Path, direction: str) -> Steps:
    """Measure single users, and return the rate over SINR; print the table."""
    kind = DIRECTIONS[direction]
    noise = cm.noise_power(BLOCK_WIDTH, kind.noise_figure_db)
    share = cm.dbm_to_watt(kind.power_dbm) / BLOCKS
    sinr = share * gain(np.array(kind.calibrated, dtype=float)) / noise
    rates = []
    print("distance (m)  SNR (dB)  ns-3 (Mbit/s)")
    for distance, ratio in zip(kind.calibrated, sinr, strict=True):
        (long,), _ = with_ns3(program, direction, [distance], 8.0, SCHEDULERS["equal"])
        (short,), _ = with_ns3(program, direction, [distance], 2.0, SCHEDULERS["equal"])
        rates.append(6.0 / (long - short))
        print(f"{distance:12.0f}  {cm.linear_to_db(ratio):8.2f}  {rates[-1]:13.2f}", flush=True)
    order = np.argsort(sinr)
    efficiency = np.maximum.accumulate(np.array(rates)[order]) * 1e6 / (BLOCKS * BLOCK_WIDTH)
    # A little below the measured SINR, so that a user at that very place has that rate.
    return Steps(sinr[order] * (1 - 1e-9), efficiency)


def with_fluid_cell(
    direction: str, distances: Sequence[float], megabits: float, allocator: str, steps: Steps
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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("direction", choices=DIRECTIONS)
    parser.add_argument("--seed", type=int, default=1, help="of the users' places")
    given = parser.parse_args()
    direction, (near, far) = given.direction, DIRECTIONS[given.direction].ring
    with tempfile.TemporaryDirectory() as folder:
        program = compiled(Path(folder))
        steps = calibrated(program, direction)
        with_fluid_cell(direction, [500.0], 1.0, "equal", steps)  # kinds are imported
        print("allocator          users x Mbit  mean (s): ours/ns-3  last (s): ours/ns-3", end="  ")
        print("ours over ns-3: mean, least, most  CPU: ns-3 over ours")
        for allocator, scheduler in SCHEDULERS.items():
            for users, megabits in DIRECTIONS[direction].cases:
                rng = np.random.default_rng([given.seed, users])
                places = np.sqrt(rng.uniform(near**2, far**2, users)).tolist()
                theirs, slow = with_ns3(program, direction, places, megabits, scheduler)
                ours, quick = with_fluid_cell(direction, places, megabits, allocator, steps)
                ratio = ours / theirs
                cells = (
                    f"{allocator:17s}  {users:5d} x {megabits:4g}",
                    f"{ours.mean():9.3f}/{theirs.mean():.3f}",
                    f"{ours.max():13.3f}/{theirs.max():.3f}",
                    f"{ratio.mean():16.3f}, {ratio.min():.3f}, {ratio.max():.3f}",
                    f"{slow / quick:14.0f}",
                )
                print("  ".join(cells), flush=True)


if __name__ == "__main__":
    main()
