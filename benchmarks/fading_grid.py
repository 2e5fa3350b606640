"""Fast against direct evaluation of TDL-C fading on a time grid, measured in one run.

100 links x 51 resource blocks (20 MHz at 30 kHz) every 5 ms at 9.73 Hz (3 km/h, 3.5 GHz), and the
fast path at 500 links, in ten seconds. Both are timed in wall time and in processor time of the one
thread that computes; other programs on the machine disturb the first more.

Run: OMP_NUM_THREADS=1 python benchmarks/fading_grid.py
"""

import os
import time
from collections.abc import Callable

import numpy as np

import channel_models as cm
from wfl_sim.cli.scripts import run_script, script_options

STEP = 5e-3
OFFSETS = cm.resource_block_offsets(51, 30e3)
SAMPLES = 4 * cm.GRID_BLOCK
DIRECT_SAMPLES = 64


def process(links: int) -> cm.SumOfSinusoids:
    streams = [np.random.default_rng([1, link]) for link in range(links)]
    return cm.Rayleigh(profile="tdl-c").realise(streams, np.full(links, 9.73))


def microseconds_a_sample(
    run: Callable[[], object], samples: int, repeats: int
) -> tuple[float, float]:
    walls, processors = [], []
    for _ in range(repeats):
        wall, processor = time.perf_counter(), time.thread_time()
        run()
        walls.append(time.perf_counter() - wall)
        processors.append(time.thread_time() - processor)
    return min(walls) / samples * 1e6, min(processors) / samples * 1e6


def report(label: str, wall: float, processor: float) -> None:
    print(f"{label:24}{wall:>12.1f}{processor:>12.1f}")


def main() -> None:
    if os.environ.get("OMP_NUM_THREADS") != "1":
        raise SystemExit("set OMP_NUM_THREADS=1: the numbers are for one core")
    script_options(__doc__).parse_args()
    midpoints = (np.arange(DIRECT_SAMPLES) + 0.5) * STEP
    print(f"{'microseconds a sample':24}{'wall':>12}{'processor':>12}   (best of several)")
    for links in (100, 500):
        fading = process(links)
        fading.power_grid(0, 1, STEP, OFFSETS)
        fast = microseconds_a_sample(
            lambda fading=fading: fading.power_grid(0, SAMPLES, STEP, OFFSETS), SAMPLES, 10
        )
        report(f"{links} links, fast path", *fast)
        if links == 100:
            direct = microseconds_a_sample(
                lambda fading=fading: fading.power(midpoints, OFFSETS), DIRECT_SAMPLES, 3
            )
            report("100 links, direct", *direct)
            report("ratio", direct[0] / fast[0], direct[1] / fast[1])
            exact = fading.power(midpoints, OFFSETS)
            gap = fading.power_grid(0, DIRECT_SAMPLES, STEP, OFFSETS) - exact
            print(f"largest difference of the two: {np.abs(gap).max():.1e}")


if __name__ == "__main__":
    run_script(main)
