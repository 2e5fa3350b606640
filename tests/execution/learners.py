"""Learners that other processes load: no import here that these do not need."""

import os
import signal
import time
from types import SimpleNamespace

from tests.execution.test_graph import Counting
from wfl_sim.execution.task import Aggregate, LocalUpdate


class Diverging(Counting):
    def run(self, task, inputs):
        if isinstance(task, Aggregate):
            raise FloatingPointError("training diverged")
        return super().run(task, inputs)


class Stumbling(Counting):
    def run(self, task, inputs):
        if isinstance(task, LocalUpdate) and task.device == 3:
            raise KeyError("a bug")
        return super().run(task, inputs)


class Deadly(Counting):
    def run(self, task, inputs):
        if isinstance(task, LocalUpdate) and task.device == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run(task, inputs)


class Slow(Counting):
    def run(self, task, inputs):
        time.sleep(0.02)
        return super().run(task, inputs)

    def run_series(self, tasks, inputs):
        return [self.run(task, each) for task, each in zip(tasks, inputs, strict=True)]

    def workload(self, device):
        return SimpleNamespace(memory=1e6)


class Homeless(Slow):
    def __reduce__(self):
        raise TypeError("cannot be pickled")
