"""The command line: `wfl-sim`."""

    check_command,
    flower_command,
    report_command,
)
from wfl_sim.cli import (  # noqa: F401  (register their commands)
from wfl_sim.cli import flower_command  # noqa: F401  (registers its command)
from wfl_sim.cli.commands import main

__all__ = ["main"]
