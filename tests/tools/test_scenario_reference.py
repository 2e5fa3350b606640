"""The pages of keys are those of the source."""

from tools.scenario_fields import NOTES
from tools.scenario_reference import FOLDER, pages, write


def test_the_pages_are_up_to_date(capsys):
    assert write(check=True) == 0, capsys.readouterr().out
    assert {file.name for file in FOLDER.iterdir()} == set(pages())


def test_every_note_is_used():
    text = "\n".join(pages().values())
    assert [key for key, note in NOTES["meanings"].items() if note not in text] == []
