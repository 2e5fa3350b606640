"""Where figures go: a picture as PNG and SVG, and the numbers behind it as CSV."""

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from matplotlib.figure import Figure


def save(
    figure: Figure, folder: Path, name: str, header: Sequence[str], rows: Iterable[Sequence[object]]
) -> list[Path]:
    """Write `<name>.png`, `.svg` and `.csv` into a folder, which is made, and return the paths.

    Equal figures give equal files: no date is written and identifiers in the SVG are salted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    png, svg = folder / f"{name}.png", folder / f"{name}.svg"
    figure.savefig(png, metadata={"Software": None})
    figure.savefig(svg, metadata={"Date": None, "Creator": "wfl_sim"})
    return [png, svg, write_csv(folder / f"{name}.csv", header, rows)]


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write rows under a header in full precision; None and NaN become empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow(["" if value is None or value != value else value for value in row])
    return path


def file_name(*words: object) -> str:
    """Return words as one lower-case file name."""
    text = "-".join(str(word) for word in words)
    return re.sub(r"[^\w.-]+", "-", text).strip("-").lower()
