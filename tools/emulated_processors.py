"""Digests of spans of the shipped scenarios, on this processor and on others that are emulated.

`python -m tools.emulated_processors` prints the table of docs/reliability.md and ends with exit
code 1 where a digest differs; with names of scenarios it takes these alone. NumPy, OpenBLAS and the
C library read the kind of processor once, when they are loaded, so each kind is a process of its
own. Long scenarios are shortened. All take three minutes of the processor.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from wfl_sim.cli.scripts import run_script, script_options

ROOT: Final = Path(__file__).parents[1]

KINDS: Final = {
    "as it is": {},
    "Haswell, no AVX-512": {"OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": "X86_V4"},
    "Zen": {"OPENBLAS_CORETYPE": "Zen"},
    "SkylakeX": {"OPENBLAS_CORETYPE": "SkylakeX"},
    "Prescott, no AVX, no FMA": {
        "OPENBLAS_CORETYPE": "Prescott",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4",
    },
}
"""Kinds of processor, and the environment that emulates each."""

SCENARIOS: Final[dict[str, tuple[str, ...]]] = {
    "presets/chen-2021": ("rounds.count=3",),
    "presets/fedl-2019": ("rounds.count=3",),
    "presets/yang-2021": ("rounds.count=1",),
    "smoke/synthetic": (),
    "hierarchical": ("rounds.count=4",),
    "handover": ("rounds.count=1", "model.payload=1 Mbit"),
    "allocators": ("rounds.count=1", "model.payload=1 Mbit"),
    "water-filling": ("rounds.count=1", "model.payload=1 Mbit"),
    "joint-energy": ("rounds.count=1",),
    "quickstart": ("rounds.count=2",),
    "wifi": ("rounds.count=1", "model.payload=1 Mbit"),
    "background-traffic": ("rounds.count=3",),
    "antenna-arrays": ("rounds.count=1", "model.payload=1 Mbit"),
    "channels": ("rounds.count=1", "model.payload=0.2 Mbit"),
    "access": ("rounds.count=4",),
    "ray-table": ("rounds.count=1",),
    "outage": ("rounds.count=1",),
    "uav": ("rounds.count=1",),
    "blockage": ("rounds.count=1",),
    "indoor-office": ("rounds.count=1",),
    "large-network": ("rounds.count=1", "rounds.clients=4", "model.payload=1 Mbit"),
}
"""Scenarios, and the settings that shorten them."""


def digests(names: list[str]) -> dict[str, list[str]]:
    """Return the digests of spans by scenario, one for each variant of the first seed."""
    from wfl_sim.results.digests import digest_spans
    from wfl_sim.scenario.loading import load
    from wfl_sim.simulation.simulation import Simulation

    found: dict[str, list[str]] = {}
    for name in names or SCENARIOS:
        settings = SCENARIOS[name]
        begin = time.process_time()
        loaded = [
            each.scenario for each in load(ROOT / f"scenarios/{name}.yaml", settings=settings)
        ]
        runs = [each for each in loaded if each.seed == loaded[0].seed]
        found[name] = [
            digest_spans(Simulation(each, network_only=True).run().spans) for each in runs
        ]
        took = time.process_time() - begin
        print(f"{name}: {found[name]}, {took:.1f} s", file=sys.stderr, flush=True)
    return found


def emulated(environment: dict[str, str], names: list[str]) -> dict[str, list[str]]:
    """Return the digests of a process with this environment; none where it cannot run here."""
    done = subprocess.run(
        [sys.executable, "-m", "tools.emulated_processors", "--here", *names],
        env=os.environ | environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    if done.returncode == -signal.SIGILL:
        return {}
    done.check_returncode()
    read: dict[str, list[str]] = json.loads(done.stdout)
    return read


def main() -> int:
    """Print the table; return whether digests differ."""
    options = script_options(__doc__)
    options.add_argument("scenario", nargs="*", help=f"of {', '.join(SCENARIOS)}")
    options.add_argument("--here", action="store_true", help="digests of this processor as JSON")
    given = options.parse_args()
    names = given.scenario
    if unknown := sorted(set(names) - set(SCENARIOS)):
        options.error(f"{', '.join(unknown)}: must be of {', '.join(SCENARIOS)}")
    if given.here:
        print(json.dumps(digests(names)))
        return 0
    by_kind = {kind: emulated(environment, names) for kind, environment in KINDS.items()}
    first, *others = by_kind.values()
    print("| scenario | shortened by | runs | digest | " + " | ".join(list(KINDS)[1:]) + " |")
    print("|---|---|---:|---|" + "---|" * len(others))
    differ = 0
    for name, here in first.items():
        found = [each.get(name) for each in others]
        differ += any(each not in (None, here) for each in found)
        said = {True: "the same", False: "**other**"}
        cells = " | ".join(
            "cannot run here" if each is None else said[each == here] for each in found
        )
        how = ", ".join(f"`{setting}`" for setting in SCENARIOS[name])
        print(f"| {name} | {how} | {len(here)} | `{here[0][:12]}` | {cells} |")
    return int(differ > 0)


if __name__ == "__main__":
    run_script(main)
