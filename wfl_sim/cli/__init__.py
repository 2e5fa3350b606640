"""The command line: `wfl-sim`."""

from wfl_sim.cli import flower_command  # noqa: F401  (registers its command)
from wfl_sim.cli.commands import main

__all__ = ["main"]
