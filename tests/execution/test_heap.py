"""What is freed and asked for again is mapped once."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
import numpy as np
from wfl_sim.execution.worker_process import keep_freed_memory

{first}
def step():
    arrays = [np.ones(1 << 20) for _ in range(8)]

step(), step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(first):
    command = [sys.executable, "-c", FAULTS.format(first=first)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="is for glibc")
def test_freed_memory_stays_with_the_process():
    assert faults("") > 10_000
    assert faults("keep_freed_memory()") < 1_000
