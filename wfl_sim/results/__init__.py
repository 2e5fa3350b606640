"""Run folders and folders of sweeps: writing, reading, statistics and figures.

`docs/results.md` describes the run folder. Figures, notebooks and reports read the folder and
nothing else.
"""

from wfl_sim.results.comparison import Goal, compared
from wfl_sim.results.digests import digest_metrics, digest_spans, digest_states
from wfl_sim.results.run import Run
from wfl_sim.results.series import Crossing, Series, crossing
from wfl_sim.results.sweep import Sweep, write_sweep, write_table
from wfl_sim.results.writing import write_run

__all__ = [
    "Crossing",
    "Goal",
    "Run",
    "Series",
    "Sweep",
    "compared",
    "crossing",
    "digest_metrics",
    "digest_spans",
    "digest_states",
    "write_run",
    "write_sweep",
    "write_table",
]
