"""The table of architectures in docs/models.md: `python -m tools.models [ARCHITECTURE ...]`.

Without arguments it tries all, and writes the page anew; else it prints the rows.
"""

import logging
import tempfile
import warnings
from pathlib import Path
from typing import Literal

from tools.models.checkpoints import DECODERS, ENCODERS, checkpoint
from tools.models.trials import outcome
from wfl_sim.cli.scripts import run_script, script_options

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
BEGIN, END = "<!-- python -m tools.models -->\n", "<!-- end -->\n"
COLUMNS = ("classification", "adapters", "split", "instructions", "PPO", "DPO")


def row(architecture: str) -> tuple[str, list[str]]:
    """Return the row of an architecture, and the lines that say why something does not work."""
    with tempfile.TemporaryDirectory() as folder:
        saved = checkpoint(architecture, Path(folder) / architecture)
        found = [
            _tried(saved, column) if architecture in DECODERS or number < 3 else ""
            for number, column in enumerate(COLUMNS)
        ]
        halved = "PFTT" if architecture in DECODERS else "classification"
        found.append(_tried(saved, halved, "bf16"))
        found = [each.replace(f"{folder}/", "") for each in found]
    reasons = [each for each in dict.fromkeys(found) if each not in ("yes", "")]
    cells = [each if each in ("yes", "") else f"no ({reasons.index(each) + 1})" for each in found]
    lines = [f"{architecture} ({number}): {each}" for number, each in enumerate(reasons, 1)]
    return f"| {architecture} | {' | '.join(cells)} |", lines


def _tried(saved: Path, column: str, dtype: Literal["fp32", "bf16"] = "fp32") -> str:
    try:
        return outcome(saved, column, dtype)
    except Exception as error:  # one fault must not hide the rest of the table
        return f"FAULT {type(error).__name__}: {error}".partition("\n")[0]


def main() -> None:
    """Print the rows of some architectures, or write those of all."""
    options = script_options(__doc__)
    known = [*ENCODERS, *DECODERS]
    options.add_argument("architecture", nargs="*", help=f"of {', '.join(known)}")
    asked = options.parse_args().architecture
    if unknown := sorted(set(asked) - set(known)):
        options.error(f"{', '.join(unknown)}: must be of {', '.join(known)}")
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    header = ["| architecture | " + " | ".join((*COLUMNS, "bf16")) + " |", "|---" * 8 + "|"]
    rows, notes = [], []
    for architecture in asked or known:
        cells, lines = row(architecture)
        print(cells, *lines, sep="\n", flush=True)
        rows.append(cells)
        notes += lines
    if not asked:
        text = PAGE.read_text()
        before, after = text.partition(BEGIN)[0], text.partition(END)[2]
        listed = "".join(f"- {line}\n" for line in notes)
        table = "\n".join([*header, *rows])
        PAGE.write_text(f"{before}{BEGIN}\n{table}\n\n{listed}\n{END}{after}")


if __name__ == "__main__":
    run_script(main)
