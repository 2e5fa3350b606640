"""Examples and tables: what is read is what is dealt, and bad files are named."""

import configparser
import csv
import gzip
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wfl_sim.data import (
    IID,
    ByColumn,
    Csv,
    Dirichlet,
    Examples,
    Hub,
    InstructionRecords,
    Jsonl,
    Shards,
)
from wfl_sim.data.examples import joined
from wfl_sim.data.sharding import exchange, shifted_devices
from wfl_sim.randomness import stream

ROOT = Path(__file__).parents[2]
AG_NEWS = ROOT.parent / "shared" / "data" / "ag_news_test.csv"


def some(count: int = 4) -> Examples:
    return Examples(tuple(f"text {i}" for i in range(count)), np.arange(count) % 2)


class TestExamples:
    def test_a_subset_keeps_texts_with_their_labels(self):
        subset = some().subset([3, 0])
        assert subset.texts == ("text 3", "text 0")
        assert subset.labels.tolist() == [1, 0]

    def test_labels_are_read_only_and_own(self):
        labels = np.array([0, 1])
        examples = Examples(("a", "b"), labels)
        labels[0] = 1
        assert examples.labels.tolist() == [0, 1]
        with pytest.raises(ValueError, match="read-only"):
            examples.labels[0] = 1

    def test_the_fingerprint_tells_any_change(self):
        examples = some()
        same = Examples(examples.texts, examples.labels)
        assert examples == same
        assert hash(examples) == hash(same)
        assert examples.fingerprint() == same.fingerprint()
        changed = [
            examples.subset([1, 0, 2, 3]),
            examples.relabelled(1 - examples.labels),
            # the border between texts counts, not only their letters
            Examples(("text 0t", "ext 1", "text 2", "text 3"), examples.labels),
        ]
        digests = {examples.fingerprint(), *(other.fingerprint() for other in changed)}
        assert len(digests) == 4
        assert all(other != examples for other in changed)

    def test_joined_is_one_after_the_other(self):
        assert joined([some(2), some(4)]).texts[:3] == ("text 0", "text 1", "text 0")
        assert len(joined([])) == 0

    def test_as_many_labels_as_texts(self):
        with pytest.raises(ValueError, match=r"shape \(2,\), one per text, got \(1,\)"):
            Examples(("a", "b"), np.array([0]))
        with pytest.raises(ValueError, match="must not be negative, got -1"):
            Examples(("a",), np.array([-1]))
        with pytest.raises(ValueError, match=r"must be whole, got 0\.5"):
            Examples(("a", "b"), [1.0, 0.5])

    def test_each_label_has_a_class(self):
        """It ended in a traceback of the loss, in the middle of a run."""
        with pytest.raises(ValueError, match="labels must be below the 1 classes, got 1"):
            Shards((some(),), (some(),), some(), ("x",))

    def test_states_are_shown(self):
        assert repr(some()) == "Examples(4 texts, 2 labels)"
        shards = Shards((some(),), (some(),), some(), ("x", "y"))
        assert repr(shards) == "Shards(1 devices, 4 train, 4 test, 2 classes)"
        with pytest.raises(ValueError, match="one shard per device"):
            Shards((some(),), (), some(), ("x", "y"))


class TestConceptShift:
    @pytest.mark.parametrize(("fraction", "count"), [(0.0, 0), (0.25, 3), (0.5, 6), (1.0, 12)])
    def test_as_many_devices_as_stated(self, fraction, count):
        for seed in range(5):
            assert shifted_devices(12, fraction, stream(seed, "x")).sum() == count

    def test_the_two_commonest_labels_trade_places(self):
        assert exchange(np.array([3, 9, 0, 5])).tolist() == [0, 3, 2, 1]
        assert exchange(np.array([0, 7, 0])).tolist() == [1, 0, 2]
        with pytest.raises(ValueError, match="at least 2 classes"):
            exchange(np.array([3]))


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def csv_rows(count: int = 24) -> str:
    return "".join(f'{i % 3 + 9},"T, {i}",body {i}\n' for i in range(count))


class TestCsv:
    def test_columns_without_a_header(self, tmp_path):
        path = write(tmp_path / "x.csv", csv_rows())
        data = Csv(
            path=path,
            columns=("label", "title", "text"),
            text=("title", "text"),
            partition=IID(),
            test_fraction=0.25,
        )
        shards = data.shards(3, seed=1)
        # numbers in numerical order: "10" after "9"
        assert shards.classes == ("9", "10", "11")
        assert [len(shard) for shard in shards.train] == [6, 6, 6]
        assert [len(shard) for shard in shards.test] == [2, 2, 2]
        seen = joined([*shards.train, *shards.test])
        assert sorted(seen.texts) == sorted(f"T, {i} body {i}" for i in range(24))
        for text, label in zip(seen.texts, seen.labels, strict=True):
            assert int(text.split()[-1]) % 3 == label

    def test_names_for_a_file_that_has_them_are_refused(self, tmp_path):
        path = write(tmp_path / "x.csv", "text, label\n" + 9 * "a,b\nc,d\n")
        with pytest.raises(ValueError, match=r"x\.csv:1: a header: leave `columns` out"):
            Csv(path=path, columns=("text", "label")).shards(2, seed=0)

    def test_a_header_names_the_columns(self, tmp_path):
        path = write(tmp_path / "x.csv", "text,label\n" + "good,yes\nbad,no\n\n" * 10)
        shards = Csv(path=path, partition=IID()).shards(2, seed=0)
        assert shards.classes == ("no", "yes")
        assert sum(len(shard) for shard in shards.train) + len(shards.pooled) == 20

    def test_a_limit_draws_rows(self, tmp_path):
        rows = "".join(f"body {i},{i % 3}\n" for i in range(90))
        path = write(tmp_path / "x.csv", "text,label\n" + rows)
        data = Csv(path=path, partition=IID(), limit=30)
        shards = data.shards(2, seed=0)
        seen = joined([*shards.train, *shards.test])
        assert len(seen) == len(set(seen.texts)) == 30
        assert data.shards(2, seed=1).pooled != shards.pooled
        assert data.shards(2, seed=0).pooled == shards.pooled

    def test_a_wrong_column_count_is_located(self, tmp_path):
        path = write(tmp_path / "x.csv", csv_rows(4) + "1,only two\n")
        data = Csv(path=path, columns=("label", "title", "text"))
        with pytest.raises(ValueError, match=r"x\.csv:5: expected 3 columns .* found 2"):
            data.shards(2, seed=0)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("txet,label\na,b\n", r"x\.csv:1: no column 'text', did you mean 'txet'\?"),
            ("text,label\na,\n", r"x\.csv:2: column 'label' is empty"),
            ("text,text,label\n", r"x\.csv:1: column 'text' occurs 2 times"),
            ('text,label\n"a,b\nc,d\n', r"x\.csv:2: not a CSV row"),
            ('text,label\n"a\nb",c\n"d\ne",\n', r"x\.csv:4: column 'label' is empty"),
            ("text,label\na,b\nc,b\n", r"at least 2 values, found only 'b'"),
            ("", r"at least 2 values, found no rows"),
            ("text,label\na,b\nc,d\n", r"device 0 would hold \d examples, at least 8 are needed"),
        ],
    )
    def test_bad_files_are_named(self, tmp_path, content, message):
        path = write(tmp_path / "x.csv", content)
        with pytest.raises(ValueError, match=message):
            Csv(path=path).shards(2, seed=0)

    def test_files_that_cannot_be_read(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"no such file: .*missing\.csv"):
            Csv(path=str(tmp_path / "missing.csv")).shards(2, seed=0)
        with pytest.raises(ValueError, match="cannot be read: Is a directory"):
            Csv(path=str(tmp_path)).shards(2, seed=0)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"text,label\n" + 9999 * b"a,b\n" + b"caf\xe9,b\n", ":10001: not UTF-8 text: save"),
            (gzip.compress(b"text,label\n", mtime=0), ":1: not UTF-8 text but a gzip file"),
            (b"PK\x03\x04\xff", ":1: not UTF-8 text but a zip file or a spreadsheet"),
            (b"PAR1\x15\xff", ":1: not UTF-8 text but a Parquet file"),
            (b"ARROW1\x00\xff", ":1: not UTF-8 text but an Arrow file"),
            ("text,label\n".encode("utf-16"), ":1: not UTF-8 text but UTF-16"),
        ],
    )
    def test_what_is_no_text_is_named(self, tmp_path, content, message):
        (tmp_path / "x.csv").write_bytes(content)
        with pytest.raises(ValueError, match=r"x\.csv" + message):
            Csv(path=str(tmp_path / "x.csv")).shards(2, seed=0)

    def test_rows_without_text_are_left_out_which_is_said(self, tmp_path):
        path = write(tmp_path / "x.csv", "title,text,label\n,,a\n,b,b\n" + 20 * "a,b,a\n")
        made = Csv(path=path, text=("title", "text"), partition=IID()).shards(2, seed=0)
        texts = [text for part in (*made.train, *made.test) for text in part.texts]
        assert sorted(texts) == 20 * ["a b"] + ["b"]
        assert made.remarks[0] == f"{path}: 1 of 22 rows left out, without text"

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"columns": ("label", "titel"), "text": "title"}, "did you mean 'titel'"),
            ({"columns": ("a", "a")}, "columns: column 'a' occurs 2 times"),
            ({"text": ()}, "text must name at least one column"),
            ({"limit": 1}, "limit must be at least 2, got 1"),
            ({"tokens": 4}, "tokens must be at least 8, got 4"),
            ({"test_fraction": 1.0}, "test_fraction must be less than 1, got 1.0"),
            ({"concept_shift": 1.5}, "concept_shift must be at most 1, got 1.5"),
            ({"delimiter": ";;"}, "delimiter must be one character"),
        ],
    )
    def test_impossible_options(self, options, message):
        with pytest.raises(ValueError, match=message):
            Csv(path="x.csv", **options)

    @pytest.mark.skipif(not AG_NEWS.exists(), reason="needs ../shared/data/ag_news_test.csv")
    def test_real_articles(self):
        data = Csv(
            path=str(AG_NEWS),
            columns=("label", "title", "text"),
            text=("title", "text"),
            partition=Dirichlet(alpha=0.5),
        )
        shards = data.shards(20, seed=7)
        assert shards.classes == ("1", "2", "3", "4")
        assert sum(len(shard) for shard in shards.train) + len(shards.pooled) == 7600
        assert shards.pooled.counts(4).sum() == len(shards.pooled)


class TestJsonl:
    def test_labels_of_any_plain_type(self, tmp_path):
        rows = [{"q": f"ask {i}", "kind": bool(i % 2), "n": i % 5} for i in range(40)]
        path = write(tmp_path / "x.jsonl", "\n".join(json.dumps(row) for row in rows) + "\n\n")
        data = Jsonl(path=path, text="q", label="kind", partition=IID())
        assert data.shards(2, seed=0).classes == ("false", "true")
        counted = Jsonl(path=path, text="q", label="n", partition=IID()).shards(2, seed=0)
        assert counted.classes == ("0", "1", "2", "3", "4")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ('{"text": "a", "label": 1}\n{"text"\n', r"x\.jsonl:2: not JSON"),
            ("[1]\n", r"x\.jsonl:1: expected a JSON object, found a list"),
            (
                '{"text": "a", "label": 1}\n{"text": "a", "label": 1, "text": "b"}\n',
                r"x\.jsonl:2: cannot be read: 'text' is given twice in one record: keep one",
            ),
            (
                '[{"text": "a", "label": 1},\n\n{"text": "a", "label": 1, "label": 2}]',
                r"x\.jsonl:3: 'label' is given twice in one record: keep one",
            ),
            ('{"text": "a", "lable": 1}\n', r"x\.jsonl:1: no column 'label', did you mean 'lable'"),
            ('{"text": ["a"], "label": 1}\n', r"x\.jsonl:1: 'text' must be a string, found a list"),
            ('{"text": "a", "label": null}\n', r"'label' must be a string, .* found null"),
            (
                '{"text": "a", "label": " "}\n',
                r"'label' must be a string, .* found an empty string",
            ),
            ('{"text": "\\ud83d", "label": 1}\n', r"x\.jsonl:1: no text: half a surrogate pair"),
            ('{"text": "a", "label": ' + 5000 * "1" + "}\n", r"x\.jsonl:1: cannot be read"),
            (99999 * "[", r"x\.jsonl:1: cannot be read"),
        ],
    )
    def test_bad_files_are_named(self, tmp_path, content, message):
        with pytest.raises(ValueError, match=message):
            Jsonl(path=write(tmp_path / "x.jsonl", content)).shards(2, seed=0)

    def test_an_array_reads_as_its_lines_do(self, tmp_path):
        rows = [{"text": f"t{n}", "label": n % 2} for n in range(20)]
        array = write(tmp_path / "x.json", json.dumps(rows, indent=1))
        lines = write(tmp_path / "x.jsonl", "\n".join(map(json.dumps, rows)))
        assert Jsonl(path=array).rows() == Jsonl(path=lines).rows()

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="no such file"):
            Jsonl(path=str(tmp_path / "x.jsonl")).shards(2, seed=0)


def test_a_long_text_and_quotation_marks_that_are_signs(tmp_path):
    text = "label\ttext\n" + "".join(f'{i % 2}\tsays "{"x" * 200_000}\n' for i in range(8))
    path = write(tmp_path / "x.tsv", text)
    rows = Csv(path=path, delimiter="\t", quoting="off").rows()
    assert rows[1] == ('says "' + "x" * 200_000, "1", "", "")


ROWS = [("ann", 12), ("bob", 6), ("cy", 4), ("dan", 2), ("eve", 1)]
"""Who wrote how many rows."""


class TestWhoWroteIt:
    """One device for each value of a column, whatever the kind of the table."""

    partition = ByColumn(column="user")

    def rows(self):
        return [(user, f"{user} {i}", i % 2) for user, count in ROWS for i in range(count)]

    def tables(self, folder):
        written = [f"{user},{text},{label}" for user, text, label in self.rows()]
        csv_file = write(folder / "x.csv", "\n".join(["user,text,label", *written]))
        lines = [{"user": user, "text": text, "label": label} for user, text, label in self.rows()]
        jsonl = write(folder / "x.jsonl", "\n".join(map(json.dumps, lines)))
        answers = [{"user": u, "instruction": t, "output": "yes"} for u, t, _ in self.rows()]
        alpaca = write(folder / "a.jsonl", "\n".join(map(json.dumps, answers)))
        return [
            Csv(path=csv_file, partition=self.partition),
            Jsonl(path=jsonl, partition=self.partition),
            InstructionRecords(path=alpaca, partition=self.partition),
        ]

    def test_a_device_holds_the_rows_of_its_user(self, tmp_path):
        for table in self.tables(tmp_path):
            shards = table.shards(4, seed=1)
            for (user, count), *parts in zip(ROWS, shards.train, shards.test, strict=False):
                texts = [text for part in parts for text in part.texts]
                assert sorted(texts) == sorted(f"{user} {i}" for i in range(count))
            assert shards.remarks == ("1 of 25 rows left out, without a device, by their 'user'",)

    def test_a_row_of_nobody_is_refused(self, tmp_path):
        path = write(tmp_path / "x.csv", "user,text,label\nann,a,0\n,b,1\n")
        with pytest.raises(ValueError, match=r"x.csv:3: column 'user' is empty"):
            Csv(path=path, partition=self.partition).shards(2, seed=0)
        path = write(tmp_path / "x.jsonl", '{"user": null, "instruction": "a", "output": "b"}')
        with pytest.raises(ValueError, match=r"x.jsonl:1: 'user' must be a string, an integer"):
            InstructionRecords(path=path, partition=self.partition).shards(2, seed=0)


class TestHub:
    def test_a_label_of_minus_one_is_none(self, monkeypatch):
        class Table(list):
            column_names = ("text", "label")
            features: dict[str, object]

        class Names:
            names = ("calm", "angry")

        table = Table({"text": f"text {i}", "label": i % 3 - 1} for i in range(30))
        table.features = {"label": Names()}
        module = type(sys)("datasets")
        module.load_dataset = lambda name, config, split: table
        monkeypatch.setitem(sys.modules, "datasets", module)
        labels = [row.label for row in Hub(name="somebody/some").rows()]
        assert labels.count("calm") == 10
        assert labels.count("angry") == 10
        assert labels.count("") == 10
        shards = Hub(name="somebody/some", partition=IID()).shards(2, seed=0)
        assert sum(map(len, (*shards.train, *shards.test))) == 20
        assert shards.remarks == ("somebody/some: 10 of 30 rows left out, without label",)

    def test_one_split_saved_to_disk_is_said(self, tmp_path, monkeypatch):
        (tmp_path / "state.json").write_text("{}")
        module = type(sys)("datasets")
        module.load_dataset = None
        monkeypatch.setitem(sys.modules, "datasets", module)
        with pytest.raises(ValueError, match=r"is one split, .* use `DatasetDict\(train=\.\.\.\)"):
            Hub(name=str(tmp_path)).rows()

    def test_without_datasets_the_extra_is_named(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "datasets", None)
        with pytest.raises(ImportError, match=r"wfl_sim\[hub\]"):
            Hub(name="somebody/some").shards(2, seed=0)

    def test_rows_come_with_their_class_names(self, monkeypatch):
        class Table(list):
            column_names = ("text", "label")
            features: dict[str, object]

        class Names:
            names = ("calm", "angry")

        table = Table({"text": f"text {i}", "label": i % 2} for i in range(40))
        table.features = {"label": Names()}
        module = type(sys)("datasets")
        module.load_dataset = lambda name, config, split: table
        monkeypatch.setitem(sys.modules, "datasets", module)
        shards = Hub(name="somebody/some", partition=IID()).shards(2, seed=0)
        assert shards.classes == ("angry", "calm")
        assert all(
            shards.classes[label] == ("calm", "angry")[int(text.split()[1]) % 2]
            for text, label in zip(shards.pooled.texts, shards.pooled.labels, strict=True)
        )
        assert shards.remarks == ()
        with pytest.raises(ValueError, match="no column 'txt', did you mean 'text'"):
            Hub(name="somebody/some", text="txt").shards(2, seed=0)


def test_the_data_room_needs_neither_torch_nor_pydantic():
    heavy = ("torch", "transformers", "pydantic", "datasets")
    code = f"import sys, wfl_sim.data; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert found.stdout.strip() == "[]", found.stderr


def test_the_lexicon_is_package_data():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert "data/*.toml" in setup["options.package_data"]["wfl_sim"].split()


def test_reading_a_long_text_leaves_the_process_as_it_was(tmp_path):
    """The limit of a field belongs to the whole process."""
    before = csv.field_size_limit()
    path = tmp_path / "long.csv"
    path.write_text("text,label\n" + "a" * 200_000 + ",x\n")
    table = Csv(path=str(path), text="text", label="label")
    assert len(table.rows()[0][0]) == 200_000
    assert csv.field_size_limit() == before


def test_sentence_pairs_stay_two_texts(tmp_path: Path) -> None:
    rows = [{"a": f"a{n}", "b": f"b{n}", "y": n % 2} for n in range(10)]
    file = tmp_path / "pairs.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows))
    data = Jsonl(path=str(file), text="a", pair="b", label="y", partition=IID(), concept_shift=0.5)
    shards = data.shards(2, 0)
    for part in (*shards.train, *shards.test, shards.pooled):
        assert part.pairs == tuple(text.replace("a", "b") for text in part.texts)
    assert len(shards.gathered.pairs) == len(shards.gathered)
    alone = replace(data, pair=None).shards(2, 0)
    assert alone.train[0].texts == shards.train[0].texts
    assert alone.train[0] != shards.train[0]
    table = tmp_path / "pairs.csv"
    table.write_text("a,b,y\n" + "\n".join(f"a{n},b{n},{n % 2}" for n in range(10)))
    same = Csv(path=str(table), text="a", pair="b", label="y", partition=IID(), concept_shift=0.5)
    assert same.shards(2, 0).train == shards.train
    with pytest.raises(ValueError, match="no column 'c'"):
        replace(data, pair="c").shards(2, 0)
    table.write_text(table.read_text() + "\na10,,0")
    more = same.shards(2, 0)
    assert more.train == shards.train
    assert more.remarks == (f"{table}: 1 of 11 rows left out, without 'b'",)


def test_an_official_test_set_is_the_pooled_one(tmp_path: Path) -> None:
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text("text,label\n" + "\n".join(f"t{n},{'ab'[n % 2]}" for n in range(20)))
    test.write_text("text,label\nofficial,b\n")
    data = Csv(path=str(train), test=str(test), partition=IID())
    shards = data.shards(2, 0)
    assert shards.pooled.texts == ("official",)
    assert shards.pooled.labels.tolist() == [1]
    assert shards.train == replace(data, test=None).shards(2, 0).train
    test.write_text("text,label\nofficial,c\n")
    with pytest.raises(ValueError, match=r"test.csv: label 'c' occurs in the test set alone"):
        data.shards(2, 0)


@pytest.mark.parametrize(
    "data",
    [
        lambda: Csv(path="a.csv", test="a.csv"),
        lambda: Hub(name="a/b", test="train"),
        lambda: InstructionRecords(path="a.json", test="a.json"),
        lambda: InstructionRecords(path="a/b", test="train"),
    ],
)
def test_an_official_test_set_is_other_than_what_is_learned(data) -> None:
    with pytest.raises(ValueError, match="test must be other examples than those to learn from"):
        data()


def test_texts_that_are_learned_from_and_judged_on_are_said(tmp_path: Path) -> None:
    """Rows that stand twice, or an official test set cut from the rows to learn from."""
    rows = [f"text {i},{'ab'[i % 2]}" for i in range(40)]
    train = write(tmp_path / "a.csv", "\n".join(["text,label", *rows]))
    data = Csv(path=train, partition=IID())
    assert data.shards(2, 0).remarks == ()
    test = write(tmp_path / "b.csv", "\n".join(["text,label", "new,a", *rows[:9]]))
    learned = {text for part in data.shards(2, 0).train for text in part.texts}
    share = 10 * round(sum(f"text {i}" in learned for i in range(9)))
    (said,) = replace(data, test=test).shards(2, 0).remarks
    assert said.startswith(f"about {share}% of the texts to be judged on are learned from, too")
    twice = write(tmp_path / "c.csv", "\n".join(["text,label", *rows[:2] * 20]))
    (said,) = replace(data, path=twice).shards(2, 0).remarks
    assert said.startswith("about 100% of the texts to be judged on")


def test_an_official_test_set_needs_no_column_of_users(tmp_path: Path) -> None:
    train = write(tmp_path / "a.csv", "text,label,user\n" + 9 * "a,b,x\nc,d,y\n")
    test = write(tmp_path / "b.csv", "text,label\nofficial,b\n")
    data = Csv(path=train, test=test, partition=ByColumn(column="user"))
    assert data.shards(2, 0).pooled.texts == ("official",)


def test_labels_that_look_alike_are_said(tmp_path):
    path = tmp_path / "x.csv"
    names = ("caf\u00e9", "cafe\u0301", "bar")
    path.write_text("text,label\n" + "".join(f"text {i},{names[i % 3]}\n" for i in range(30)))
    made = Csv(path=str(path), text="text", label="label").shards(2, 0)
    assert len(made.classes) == 3
    (said,) = made.remarks
    assert said.endswith("classes of their own (Unicode forms NFC and NFD): 'caf\u00e9'")
