"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path, typer.Option(help="Folder of the run folders.")]
Figures = Annotated[bool, typer.Option(help="Draw figures at the end.")]
Target = Annotated[
    float | None, typer.Option(help="Value of the metric to reach; chosen unless given.")
]
Metric = Annotated[str, typer.Option(help="The metric to follow; accuracy if measured.")]
Scope = Annotated[str, typer.Option(help="Whose: personal_mean, global or personal_worst10.")]
Runs = Annotated[
    list[Path],
    typer.Argument(
        metavar="RUNS...", help="Run folders and folders of sweeps.", show_default=False
    ),
]


def pair(option: str, text: str) -> tuple[str, str]:
    """Return both sides of a text such as ``KEY=VALUE``.

    Raises:
        ValueError: the text has no such form.
    """
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise ValueError(f"{option}: must be two texts with = between, got {text!r}")
    return key, value
