"""YAML as documents: places, anchors, and what is no scenario at all."""

import copy
import math
import pickle

import pytest

from wfl_sim.config.documents import Place, SourcedStr, read_yaml
from wfl_sim.config.errors import ScenarioError


def refusal(files, file):
    with pytest.raises(ScenarioError) as caught:
        read_yaml(file)
    return files.short(caught.value)


def test_values_are_plain_and_know_their_lines(files):
    file = files.write("a: 2e-3\nb:\n  - 1_000\n  - {c: on, d: 0o17}\ne: 2026-01-02\nf: .inf\n")
    document = read_yaml(file)
    assert document.data == {
        "a": 0.002,
        "b": [1000, {"c": "on", "d": 15}],
        "e": "2026-01-02",
        "f": math.inf,
    }
    assert document.places[("b", 1, "d")] == Place(f"{file}:4", ("b", 1, "d"))


def test_keys_are_texts(files):
    assert read_yaml(files.write("8: a\n0.5: b\ntrue: c\n")).data == {
        "8": "a",
        "0.5": "b",
        "true": "c",
    }


def test_anchors_and_merges(files):
    file = files.write("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3\ne: *x\n")
    document = read_yaml(file)
    assert document.data["d"] == {"b": 1, "c": 3}
    assert document.data["e"] == {"b": 1, "c": 2}
    assert document.places[("d", "b")].where == f"{file}:1"
    assert document.places[("d", "c")].where == f"{file}:4"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: must be a mapping of keys to values, got nothing"),
        ("# only a comment\n", ":1: must be a mapping of keys to values, got nothing"),
        ("- 1\n", ":1: must be a mapping of keys to values, got [1]"),
        ("3\n", ":1: must be a mapping of keys to values, got 3"),
        ("a: 1\nb: 2\na: 3\n", ":3: a: is written twice (first in line 1)"),
        ("a: {b: 1, b: 2}\n", ":1: a.b: is written twice (first in line 1)"),
        ("a:\n\t- 1\n", ":2: not valid YAML: a tab cannot stand here, use blanks"),
        (
            "a: 1\n  b: 2\n",
            ":2: not valid YAML: a key stands where none can be: check the indentation and the "
            "blank behind each ':', and quote texts with ': '",
        ),
        ("a: [1,\n", ":2: not valid YAML: expected the node content, but found '<stream end>'"),
        (
            "a: {b: 1,\n  c: 2\nd: 3\n",
            ":3: not valid YAML: a comma is missing, or the '}' of what line 1 opens",
        ),
        (
            "a: [1, 2\nb: 3\n",
            ":2: not valid YAML: a comma is missing, or the ']' of what line 1 opens",
        ),
        (
            "a:\n  - b: {}\n   c: {}\n",
            ":3: not valid YAML: does not go on what line 2 begins: items and keys of one level "
            "must be indented alike",
        ),
        (
            "b: 2\na:1\nc: 3\n",
            ":2: not valid YAML: a key must have ': ' behind it, a colon and a blank",
        ),
        ('a: "1\nb: 2\nc: 3\n', ":1: not valid YAML: a quote opens here and is not closed"),
        ("a:\t%b\n", ":1: not valid YAML: a tab cannot stand here, use blanks"),
        (
            "a: %b\n",
            ":1: not valid YAML: found character '%' that cannot start any token: write the text "
            "in quotes",
        ),
        ("a: *x\n", ":1: not valid YAML: found undefined alias 'x'"),
        (
            "a: 1\n---\nb: 2\n",
            ":2: not valid YAML: the file must hold one document: remove the line `---`",
        ),
        ("a: 1\nb: !code 3\n", ":2: b: tags such as !code are not understood"),
        ("a: &x [*x]\n", ":1: a.0: an alias cannot stand within what it repeats"),
        ("a: {<<: 3}\n", ":1: a.<<: only a mapping can be merged"),
        ("[1, 2]: 3\n", ":1: a key must be a text"),
        (
            "a: 1\nb: \x07\n",
            ":2: not valid YAML: unacceptable character #x0007: special characters are not allowed",
        ),
    ],
)
def test_broken_yaml_is_one_located_line(files, text, message):
    assert refusal(files, files.write(text)) == f"s.yaml{message}"


def test_files_that_cannot_be_read(files):
    assert refusal(files, files.folder / "none.yaml") == "none.yaml: no such file"
    (files.folder / "folder").mkdir()
    said = "folder: is a folder, not a file (take the .yaml in it)"
    assert refusal(files, files.folder / "folder") == said
    (files.folder / "latin.yaml").write_bytes(b"a: \xe9\n")
    assert refusal(files, files.folder / "latin.yaml") == "latin.yaml: is not UTF-8 text (byte 3)"


def test_a_byte_order_mark_is_no_part_of_the_first_key(files):
    (files.folder / "bom.yaml").write_bytes(b"\xef\xbb\xbfname: x\n")
    assert read_yaml(files.folder / "bom.yaml").data == {"name": "x"}


def test_a_text_is_copied_with_its_folder(tmp_path):
    text = SourcedStr("a", tmp_path)
    for other in (copy.deepcopy(text), pickle.loads(pickle.dumps(text))):
        assert (other, other.folder) == ("a", tmp_path)
