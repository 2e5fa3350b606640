"""Scenario files to break: one good text, and changes to it."""

from pathlib import Path

import pytest

GOOD = """\
name: good
seed: 3
model: {kind: synthetic, payload: 2 Mbit, flops_per_step: 20 GFLOP}
method:
  kind: pftt
  lora:
    rank: 8
  local: {steps: 4, lr: 2e-3}
rounds:
  kind: synchronous
  count: 2
  clients: 2
cells:
  - carrier: 3.5 GHz
    bandwidth: 10 MHz
    channel:
      pathloss: uma
      fading: {kind: rayleigh, profile: tdl-a}
    uplink: {allocator: proportional-fair}
devices:
  - count: 3
    hardware: jetson-orin-nano
    area: {radius: 300 m}
"""


class ScenarioFiles:
    """A folder with a good scenario in it, and the changes that a test asks for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, text: str = GOOD, name: str = "s.yaml") -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def changed(self, old: str, new: str, text: str = GOOD) -> Path:
        assert text.count(old) == 1, f"{old!r} must occur once"
        return self.write(text.replace(old, new))

    def short(self, message: object) -> str:
        """Return a message without the folder's name in it."""
        return str(message).replace(f"{self.folder}/", "")


@pytest.fixture
def files(tmp_path):
    return ScenarioFiles(tmp_path)
