"""The network of a large study: seconds of the host, processor time and peak memory.

    python benchmarks/large_network.py [scenario.yaml]
    python benchmarks/large_network.py --growth

The first runs `scenarios/large-network.yaml` unless another is given, in half a minute to one. The
second runs its network for one simulated hour with 20 clients a round and 1,000, 10,000 and 100,000
devices, each in a process of its own, and prints by what power of the number of devices each figure
grows.
"""

import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from math import log10
from multiprocessing import get_context
from pathlib import Path

from wfl_sim.cli.scripts import run_script, script_options
from wfl_sim.execution.worker_process import keep_freed_memory
from wfl_sim.scenario.loading import load
from wfl_sim.simulation.simulation import Simulation

SCENARIO = Path(__file__).parents[1] / "scenarios/large-network.yaml"
SIZES = (1_000, 10_000, 100_000)
HOUR = "rounds={kind: synchronous, until: 1 h, clients: 20}"


def measure(file: Path, settings: tuple[str, ...] = ()) -> tuple[str, dict[str, float]]:
    """Run once; return what was simulated, and seconds and GiB by name."""
    keep_freed_memory()  # as in a run
    wall, processor = time.perf_counter(), time.process_time()
    scenario = load(file, settings=settings)[0].scenario
    simulation = Simulation(scenario, network_only=True)
    prepared = time.perf_counter()
    outcome = simulation.run()
    ended = time.perf_counter()
    simulated = (
        f"{scenario.device_count} devices, {len(scenario.base_stations)} cells, "
        f"{outcome.totals['simulated_seconds']:.1f} simulated s, {len(outcome.spans)} spans, "
        f"torch loaded: {'torch' in sys.modules}"
    )
    return simulated, {
        "preparation s": prepared - wall,
        "network s": ended - prepared,
        "together s": ended - wall,
        "processor s": time.process_time() - processor,
        "peak GiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def growth() -> None:
    """Print the figures by number of devices, and their exponents from each size to the next."""
    rows = []
    for devices in SIZES:
        with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
            settings = (f"devices.0.count={devices}", HOUR)
            simulated, figures = fresh.submit(measure, SCENARIO, settings).result()
        print(f"{simulated}\n  {described(figures)}", flush=True)
        rows.append(figures)
    for less, more, a, b in zip(rows, rows[1:], SIZES, SIZES[1:], strict=False):
        powers = {name: log10(more[name] / less[name]) / log10(b / a) for name in less}
        print(f"exponents from {a:,} to {b:,} devices: {described(powers)}")


def described(figures: dict[str, float]) -> str:
    """Return the figures in one line."""
    return ", ".join(f"{name} {value:.2f}" for name, value in figures.items())


def main() -> None:
    """Print the figures."""
    parser = script_options(__doc__)
    parser.add_argument("scenario", nargs="?", type=Path, default=SCENARIO)
    parser.add_argument("--growth", action="store_true", help="one hour of three sizes")
    asked = parser.parse_args()
    if asked.growth:
        growth()
    else:
        print(*(part if isinstance(part, str) else described(part)
                for part in measure(asked.scenario)), sep="\n")  # fmt: skip


if __name__ == "__main__":
    run_script(main)
