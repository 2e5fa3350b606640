"""The Python in the pages runs, block after block, from an empty folder."""

import re
from pathlib import Path

import pytest

PAGES = {"channel_models": [], "gym": ["gymnasium"], "link_level": [], "python": ["pandas"]}
"""Pages, and the packages that their code needs."""
DOCS = Path(__file__).parents[1] / "docs"


def python_of(page):
    return re.findall(r"```python\n(.*?)```", (DOCS / f"{page}.md").read_text(), re.DOTALL)


@pytest.fixture
def kinds():
    """What a page registers is forgotten afterwards."""
    from wfl_sim.scenario.json_schema import families

    before = [(each, dict(each._kinds)) for each in families()]
    yield
    for registry, known in before:
        registry._kinds.clear()
        registry._kinds.update(known)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch, kinds, capsys):
    for package in PAGES[page]:
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for number, block in enumerate(python_of(page)):
        exec(compile(block, f"{page}.md, block {number}", "exec"), names)
    assert page == "channel_models" or capsys.readouterr().out
