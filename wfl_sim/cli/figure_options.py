"""Options of figures for the screen, a paper or a slide."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfl_sim.cli.options import pair

if TYPE_CHECKING:
    from wfl_sim.results.figures import Look

_INCHES = {"": 1.0, "in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4, "pt": 1 / 72.27}
"""Inches of each unit; points are those of TeX."""

Only = Annotated[list[str] | None, typer.Option(help="Only this figure, e.g. convergence.")]
Style = Annotated[
    str, typer.Option(help="screen, ieee, acm or slide; each panel alone but on the screen.")
]
Width = Annotated[str, typer.Option(help="Width of a figure or panel, e.g. 8.8cm, 3.5in, 252pt.")]
Formats = Annotated[
    list[str] | None, typer.Option("--format", help="png, svg or pdf; png and svg else.")
]
ErrorBars = Annotated[
    bool, typer.Option("--error-bars", help="Intervals along curves as bars, not bands.")
]
Names = Annotated[
    list[str] | None,
    typer.Option("--name", metavar="OLD=NEW", help="Write NEW in place of a label or name."),
]


def look_of(
    style: str, width: str, formats: Sequence[str] | None, error_bars: bool, names: Any
) -> "Look":
    """Return the look that the options ask for.

    Raises:
        ValueError: An option is wrong.
    """
    from wfl_sim.results.figures import Look

    return Look(
        style=style,  # type: ignore[arg-type]
        width=_width(width),
        formats=tuple(formats or ("png", "svg")),  # type: ignore[arg-type]
        error_bars=error_bars,
        names=dict(pair("--name", each) for each in names or ()),
    )


def _width(text: str) -> float | None:
    if not text:
        return None
    found = re.fullmatch(r"\s*(\d*\.?\d+)\s*(in|cm|mm|pt|)\s*", text)
    if found is None:
        raise ValueError(f"--width: must be a length such as 8.8cm or 3.5in, got {text!r}")
    return float(found[1]) * _INCHES[found[2]]
