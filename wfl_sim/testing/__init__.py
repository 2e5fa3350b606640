"""Contract tests for kinds of one's own: what every kind of a family has to keep.

    wfl_sim.testing.check(Mine(floor=0.2))

`wfl-sim check ./mine.py:Mine` does the same from the command line.
"""

from wfl_sim.testing.checking import check, problems

__all__ = ["check", "problems"]
