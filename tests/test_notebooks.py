"""Every notebook runs from top to bottom."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")


LESS = {
    "quickstart": (
        '"sweep.seeds=[1, 2]", "rounds.count=4"',
        '"sweep.seeds=[1]", "rounds.count=1", "evaluation.global_examples=32"',
    )
}
"""What a notebook leaves out here, for the time that it takes."""


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_a_notebook_runs(path):
    notebook = nbformat.read(path, as_version=4)
    if path.stem in LESS:
        (cell,) = (each for each in notebook.cells if LESS[path.stem][0] in each.source)
        cell.source = cell.source.replace(*LESS[path.stem])
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": path.parent}}
    )
    client.execute()
    assert not any(cell.get("outputs") for cell in nbformat.read(path, as_version=4).cells)
