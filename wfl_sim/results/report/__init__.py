"""Report: one HTML file about one or more runs, which a browser opens without a network."""

import json
import math
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from wfl_sim.results.report.content import report_content
from wfl_sim.results.run import Run
from wfl_sim.results.tables import write_whole

PARTS: Final = ("style.css", "charts.js", "timeline.js", "replay.js", "page.js")


def write_report(
    runs: Sequence[Run],
    path: Path | str,
    *,
    metric: str = "",
    scope: str = "",
    target: float | None = None,
) -> Path:
    """Write the report of runs to a file, and return its path. Equal runs give equal files.

    Args:
        runs: Runs of any labels and seeds.
        path: The HTML file; a link in its place is replaced, not followed.
        metric: The metric that is shown first; accuracy unless given, else loss.
        scope: Scope of that metric; the personal models unless given, else the shared one.
        target: Value of the metric to reach; `default_target` unless given.

    Raises:
        ValueError: There are no runs, a label has a seed twice, or no run has such a metric.
    """
    page = (files(__name__) / "page.html").read_text("utf-8")
    for name in PARTS:
        page = page.replace(f"@{name}@", (files(__name__) / name).read_text("utf-8"))
    # The data come last: what names and labels hold is replaced by nothing.
    page = page.replace("@data@", as_script(report_content(runs, metric, scope, target)))
    return write_whole(Path(path), page.encode())


def as_script(value: object) -> str:
    """Return a value as JSON that no text in it can end or escape inside an HTML script."""
    text = json.dumps(_finite(value), allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _finite(value: Any) -> Any:
    """Replace numbers that JSON does not have by null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
