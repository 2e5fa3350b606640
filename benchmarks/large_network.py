"""The network of a large study: seconds of the host, processor time and peak memory.

Run: python benchmarks/large_network.py [scenario.yaml] (scenarios/large-network.yaml unless given)
"""

import resource
import sys
import time
from pathlib import Path

from wfl_sim.scenario.loading import load
from wfl_sim.simulation.simulation import Simulation

SCENARIO = Path(__file__).parents[1] / "scenarios/large-network.yaml"


def main(file: Path) -> None:
    """Print what one run takes."""
    wall, processor = time.perf_counter(), time.process_time()
    scenario = load(file)[0].scenario
    simulation = Simulation(scenario, network_only=True)
    prepared = time.perf_counter()
    outcome = simulation.run()
    ended = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    seconds = outcome.totals["simulated_seconds"]
    print(f"{scenario.device_count} devices, {len(scenario.base_stations)} cells, "
          f"{seconds:.1f} simulated s, {len(outcome.spans)} spans")  # fmt: skip
    print(f"preparation {prepared - wall:.1f} s, network {ended - prepared:.1f} s, "
          f"together {ended - wall:.1f} s of wall time, "
          f"{time.process_time() - processor:.1f} s of processor time")  # fmt: skip
    print(f"peak memory {peak:.2f} GiB, torch loaded: {'torch' in sys.modules}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SCENARIO)
