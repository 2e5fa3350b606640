"""Runs as many random cases as it is told, and prints every fault and what has been done.

10,000 loads take ten minutes of the processor, 300 networks four, 100 trainings five.
"""

import argparse
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.allocations import KINDS, check_allocation, extremes
from tests.fuzz.laws import check_load, check_network, folder_with_tables
from tests.fuzz.strategies import networks, texts, trainings
from tests.fuzz.trainings import check_training
from wfl_sim.cli.scripts import run_script

_CHUNK = 10
"""Cases of one seed; after each the sums so far are printed."""
_SHOWN = 3
"""Cases of one fault that are printed."""
_SLOW = 30.0
"""Seconds of the processor from which on a case is printed, whatever has come of it."""


class Search:
    """Cases of one kind, and what has come of them."""

    def __init__(self, what: str, strategy: Any, check: Callable[[Any], tuple[str, int]]) -> None:
        self._what, self._strategy, self._check = what, strategy, check
        self._outcomes: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._spans, self._seconds, self._longest = 0, 0.0, 0.0

    def run(self, count: int, first_seed: int) -> None:
        """Check `count` cases; print each fault with the first cases that show it."""
        for number in range(-(-count // _CHUNK)):
            size = min(_CHUNK, count - number * _CHUNK)
            self._chunk(size, first_seed + number)
            outcomes = sorted(self._outcomes.items())
            print(
                f"{sum(self._outcomes.values()):,} {self._what}: "
                + ", ".join(f"{times:,} {outcome}" for outcome, times in outcomes)
                + (f"; {self._spans:,} spans" if self._spans else "")
                + f"; {self._seconds:,.0f} s of the processor, the longest {self._longest:.1f} s"
                + f"; seeds {first_seed} to {first_seed + number}",
                flush=True,
            )

    def _chunk(self, size: int, number: int) -> None:
        def one(case: Any) -> None:
            begin = time.process_time()
            try:
                outcome, spans = self._check(case)
                self._spans += spans
            except Exception as error:
                outcome = "FAULTS"
                self._note(case, error)
            self._outcomes[outcome] += 1
            spent = time.process_time() - begin
            self._seconds += spent
            self._longest = max(self._longest, spent)
            if spent > _SLOW:
                print(f"\n== {outcome} after {spent:.0f} s\n{case}", flush=True)

        limits = settings(
            max_examples=size,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        seed(number)(limits(given(self._strategy)(one)))()

    def _note(self, case: Any, error: Exception) -> None:
        places = traceback.extract_tb(error.__traceback__)
        last = next((each for each in places[::-1] if "wfl_sim" in each.filename), places[-1])
        key = f"{type(error).__name__} at {last.filename}:{last.lineno}"
        self.faults[key] += 1
        if self.faults[key] <= _SHOWN:
            print(f"\n== {key}: {error}\n{traceback.format_exc()[-1500:]}\n{case}", flush=True)


def main() -> None:
    """Run loads, networks and allocations by the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--loads", type=int, default=10_000)
    parser.add_argument("--networks", type=int, default=300)
    parser.add_argument("--trainings", type=int, default=100)
    parser.add_argument("--allocations", type=int, default=200, help="of each allocator")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = folder_with_tables(Path(name))
        trained = partial(check_training, folder=folder)
        searches = [
            (asked.loads, Search("loads", texts(), lambda case: (check_load(*case, folder), 0))),
            (asked.networks, Search("runs", networks(), lambda case: check_network(case, folder))),
            (asked.trainings, Search("runs with training", trainings(), trained)),
        ]
        for kind in sorted(KINDS):
            fits = Search(kind, extremes(), lambda case, kind=kind: _allocated(kind, case))
            searches.append((asked.allocations, fits))
        for count, search in searches:
            search.run(count, asked.seed)
    found = sum((search.faults for _, search in searches), Counter())
    for key, times in found.items():
        print(f"{times:,} x {key}")
    raise SystemExit(1 if found else 0)


def _allocated(kind: str, case: Any) -> tuple[str, int]:
    check_allocation(kind, case)
    return "answers", 0


if __name__ == "__main__":
    run_script(main)
