"""What the page on validation says of measured devices: its benchmark runs, and the ratios stay."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]


def test_rounds_and_uploads_are_those_of_the_measured_devices(tmp_path):
    script = SimpleNamespace(**runpy.run_path(str(ROOT / "benchmarks/real_devices/compare.py")))
    for hardware, measured, ratio, tolerance in (
        (script.NANO, 124.6, 1.0, 0.02),
        (script.PHONE, 1712.2, 1.0, 0.02),
        (script.GPU, 1712.2, 0.054, 0.001),
    ):
        found = script.run(tmp_path, hardware)
        assert script.seconds(found) / measured == pytest.approx(ratio, abs=tolerance)
        assert script.upload(found) / 2_949_120 == pytest.approx(1.0, abs=0.006)
