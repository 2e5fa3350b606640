"""The command line: `wfl-sim`."""

from wfl_sim.cli import code_commands  # noqa: F401  (registers its commands)
from wfl_sim.cli.commands import main

__all__ = ["main"]
