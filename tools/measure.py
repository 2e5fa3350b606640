"""Print what the house measures: `python -m tools.measure [--root DIR]`.

Files, lines and code of every room, imports and circles, and the journeys of `tools.journeys`.
"""

import ast
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from tools.import_graph import ROOT, circles, imports, module_files, room_of, upward
from wfl_sim.cli.scripts import run_script, script_options

_LONG: Final = 300


@dataclass(frozen=True)
class FileMeasure:
    """Lines of one file."""

    lines: int
    code: int
    """lines that are neither blank, comment, docstring nor import"""
    imports: int
    """lines of import statements"""


def measure_file(text: str) -> FileMeasure:
    """Return the lines of a source text by kind."""
    imported: set[int] = set()
    prose: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            imported |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            prose |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = text.splitlines()
    code = [
        number
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.lstrip().startswith("#") and number not in imported | prose
    ]
    return FileMeasure(len(lines), len(code), len(imported))


def main() -> None:
    """Print the tables."""
    parser = script_options(__doc__)
    parser.add_argument("--root", type=Path, default=ROOT, help="another checkout to measure")
    parser.add_argument("--no-journeys", action="store_true", help="which load and train")
    options = parser.parse_args()
    files = module_files(options.root)
    measured = {name: measure_file(file.read_text("utf-8")) for name, file in files.items()}
    print(f"{'room':16}{'files':>7}{'lines':>8}{'code':>8}{'longest':>9}")
    for room in sorted({room_of(name) for name in files}):
        of_room = [each for name, each in measured.items() if room_of(name) == room]
        print(
            f"{room:16}{len(of_room):7}{sum(each.lines for each in of_room):8}"
            f"{sum(each.code for each in of_room):8}{max(each.lines for each in of_room):9}"
        )
    every = list(measured.values())
    total = sum(each.lines for each in every)
    long = [name for name, each in measured.items() if each.lines > _LONG]
    print(f"{'all':16}{len(every):7}{total:8}{sum(each.code for each in every):8}")
    # A file without code, such as an empty __init__, is no place to read.
    print(f"median file: {median(each.lines for each in every if each.code):.0f} lines")
    print(f"files above {_LONG} lines: {', '.join(long) or 'none'}")
    print(f"imports: {sum(each.imports for each in every) / total:.1%} of lines")
    found = circles(options.root)
    print(f"circles of files: {len(found)}, the largest of {max(map(len, found), default=0)}")
    print(f"imports among files: {len({(i.source, i.target) for i in imports(options.root)})}")
    if options.root == ROOT:
        print(f"imports that go up or sideways: {len(upward())}")
    if not options.no_journeys:
        from tools.journeys import print_journeys

        print()
        print_journeys()


if __name__ == "__main__":
    run_script(main)
