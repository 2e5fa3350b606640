"""The map of the rooms fits the code, and the measures count what they say."""

from tools.draw_architecture import CONTENTS, is_current
from tools.import_graph import RANKS
from tools.measure import FileMeasure, measure_file


def test_the_drawing_fits_the_imports():
    assert is_current(), "python -m tools.draw_architecture draws it anew"


def test_every_room_is_drawn():
    loose = {"state", "records", "randomness"}
    assert {room for room, rank in RANKS.items() if rank < 10} - loose == set(CONTENTS)


def test_lines_are_counted_by_kind():
    text = '"""Doc."""\n\nimport os\nfrom a import (\n    b,\n)\n\n# why\nx = 1\n"""Unit."""\n'
    assert measure_file(text) == FileMeasure(lines=10, code=1, imports=4)
