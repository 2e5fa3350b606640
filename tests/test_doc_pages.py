"""The Python in the pages runs, block after block, from an empty folder."""

import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.results.test_comparison import written
from wfl_sim.methods import ditto
from wfl_sim.methods.local_update import ClientContext

PAGES = {"channel_models": [], "gym": ["gymnasium"], "link_level": [], "python": ["pandas"]}
"""Pages, and the packages that their code needs."""
ELSEWHERE = {"extending", "flower", "methods", "results", "tutorial-learning", "tutorial-wireless"}
"""Pages whose code other tests run: those of pages, of Flower, of tutorials, and below."""
RUN = "runs/quickstart-1a2b3c4d"
DOCS = Path(__file__).parents[1] / "docs"


def python_of(page):
    return re.findall(r"```python\n(.*?)```", (DOCS / f"{page}.md").read_text(), re.DOTALL)


@pytest.fixture
def kinds():
    """What a page registers is forgotten afterwards."""
    from wfl_sim.scenario.builtin_kinds import FAMILIES

    before = [(each, dict(each._kinds)) for each in FAMILIES]
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


def test_the_python_of_every_page_runs_somewhere():
    assert {page.stem for page in DOCS.glob("*.md") if python_of(page.stem)} == {*PAGES} | ELSEWHERE


def test_one_block_stands_for_itself(tmp_path, monkeypatch):
    """Who copies the allocator against water-filling alone gets a figure."""
    monkeypatch.chdir(tmp_path)
    exec(python_of("link_level")[-1], {"__name__": "__main__"})
    assert (tmp_path / "allocators.png").is_file()


@pytest.mark.parametrize(("number", "package"), [(0, "numpy"), (1, "pandas"), (2, "duckdb")])
def test_results_are_read_as_the_page_says(number, package, tmp_path, monkeypatch, capsys):
    pytest.importorskip(package)
    written(tmp_path / "runs", 5, 3, fast=True)
    (tmp_path / "runs" / "fast-5-3").rename(tmp_path / RUN)
    monkeypatch.chdir(tmp_path)
    assert RUN in "".join(python_of("results"))
    names = {}
    exec(python_of("results")[number], names)
    if number == 0:
        assert names["accuracy"].value.tolist() == pytest.approx([0.1, 0.7, 0.83])
        assert capsys.readouterr().out.splitlines()[-1].endswith(" J")
    if number == 1:
        assert names["spans"].schema.field("joules").metadata == {b"unit": b"J"}
        assert names["frame"].activity.tolist() == ["compute", "upload"]


def test_the_local_update_on_the_page_of_methods_is_that_of_ditto():
    _, code = python_of("methods")
    names = dict(vars(ditto))
    exec(code, names)
    method, w, kept = ditto.Ditto(), {"a": np.ones(2)}, {"own/a": np.zeros(2)}

    def played(update):
        steps = update(w, kept, None)
        asked = [next(steps), steps.send({"a": np.full(2, 3.0)})]
        with pytest.raises(StopIteration) as ended:
            steps.send({"a": np.full(2, 4.0)})
        return repr((asked, ended.value.value))

    assert played(partial(names["local_update"], method)) == played(method.local_update)


def test_the_attack_on_the_page_of_methods_is_sent_by_the_wrong_devices_alone():
    code, _ = python_of("methods")
    names = {"__name__": "page"}
    exec(code, names)
    sent = []
    for device in (0, 1):
        client = ClientContext(device=device, shapes={}, rng=np.random.default_rng(0))
        update = names["Flipped"]().local_update({"a": np.ones(2)}, {}, client)
        next(update)
        with pytest.raises(StopIteration) as ended:
            update.send({"a": np.full(2, 3.0)})
        sent.append(ended.value.value.upload["a"].tolist())
    assert sent == [[-19, -19], [3, 3]]


@pytest.mark.parametrize(
    ("word", "page"),
    [
        ("client selection", "rounds"),
        ("client sampling", "rounds"),
        ("participation", "rounds"),
        ("dropout", "rounds"),
        ("straggler", "rounds"),
        ("macro-F1", "data"),
        ("non-IID", "data"),
        ("SINR", "radio"),
        ("scheduling", "radio"),
        ("link budget", "radio"),
        ("airtime", "radio"),
        ("resource block", "radio"),
        ("Flower", "flower"),
        ("SLURM", "clusters"),
        ("GPU", "how-to"),
    ],
)
def test_search_finds_a_word_of_the_field_on_the_page_about_it(word, page):
    """The search of the pages knows what stands in their text, and headings first."""
    text = " ".join((DOCS / f"{page}.md").read_text().split())
    assert word.lower() in text.lower()
    assert word.lower() in (DOCS / "glossary.md").read_text().lower() or word in (
        "SLURM",
        "GPU",
        "Flower",
    )
