"""The command line: `wfl-sim`."""

from wfl_sim.cli import check_command, flower_command  # noqa: F401  (register their commands)
from wfl_sim.cli.commands import main

__all__ = ["main"]
