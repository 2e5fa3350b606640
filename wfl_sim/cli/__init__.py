"""The command line: `wfl-sim`."""

from wfl_sim.cli import (  # noqa: F401  (register their commands)
    flower_command,
    report_command,
)
from wfl_sim.cli.commands import main

__all__ = ["main"]
