"""What is told of the processor, and that recipes are of one kind of processor."""

import json
import os
import subprocess
import sys

import pytest

from tests.simulation.test_training_runs import TRAINING
from wfl_sim.execution import processor as told

AMD = """\
processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 1
model name\t: AMD EPYC 7763
stepping\t: 1
flags\t\t: fpu sse sse2 ssse3 fma avx avx2 f16c rdtscp

processor\t: 1
vendor_id\t: Other
"""
ARM = """\
processor\t: 0
BogoMIPS\t: 50.00
Features\t: fp asimd crc32 sve bf16 i8mm
CPU implementer\t: 0x41
CPU variant\t: 0x1
CPU part\t: 0xd40
"""


@pytest.fixture
def described(tmp_path, monkeypatch):
    def describe(text=None, **environment):
        for name in told._CHOICES:
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        if text is not None:
            (tmp_path / "cpuinfo").write_text(text)
        monkeypatch.setattr(told, "_CPUINFO", tmp_path / "cpuinfo")
        return dict(told.processor.__wrapped__())

    return describe


def test_thefirst_core_is_told_with_what_chooses_kernels(described):
    found = described(AMD)
    assert found.pop("machine")
    assert found == {
        "model": "AuthenticAMD 25 1 AMD EPYC 7763",
        "capability": "AVX2",
        "instructions": "avx avx2 f16c fma sse sse2 ssse3",
    }
    more = AMD.replace("avx2", "avx2 avx512f avx512bw avx512dq avx512vl")
    assert described(more)["capability"] == "AVX512"
    assert described(AMD.replace("avx2", ""))["capability"] == "DEFAULT"
    chosen = described(AMD, ATEN_CPU_CAPABILITY="default", OPENBLAS_CORETYPE="Zen")
    assert chosen["capability"] == "DEFAULT"
    assert chosen["choices"] == "ATEN_CPU_CAPABILITY=default OPENBLAS_CORETYPE=Zen"


def test_other_machines(described):
    assert "capability" not in described()
    found = described(ARM)
    assert (found["model"], found["instructions"]) == ("0x41 0x1 0xd40", "asimd bf16 i8mm sve")
    assert "capability" not in found


SCRIPT = """
import json, sys
from wfl_sim.execution.processor import processor
from wfl_sim.scenario.loading import load
from wfl_sim.simulation.learner_cache import LearnerCache
(loaded,) = load(sys.argv[1])
recipe = LearnerCache().learner(loaded.scenario).recipe
print(json.dumps([dict(processor()).get("capability"), recipe, "torch" in sys.modules]))
if sys.argv[2] and processor()["machine"] in ("x86_64", "AMD64"):
    import torch
    told = torch.backends.cpu.get_cpu_capability().replace("NO AVX", "DEFAULT")  # torch 2.8
    assert told == processor()["capability"]
"""


def test_a_recipe_is_of_one_kind_of_processor(tmp_path):
    (tmp_path / "s.yaml").write_text(TRAINING)
    found = []
    for choice in ({}, {}, {"ATEN_CPU_CAPABILITY": "default"}, {"OPENBLAS_CORETYPE": "Prescott"}):
        # Torch is asked once for each choice.
        asked = ["" if choice == {} and not found else "torch"]
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path / "s.yaml"), *asked],
            env={**os.environ, **choice},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
    assert found[0] == found[1]
    assert not any(imported for *_, imported in found)
    assert len({recipe for _, recipe, _ in found}) == 3
