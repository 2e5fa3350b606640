"""Training that has diverged: what a device sends then, and which line names who has diverged."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from wfl_sim.execution.task import LocalUpdate, Result
from wfl_sim.learning.learner_context import LearnerContext
from wfl_sim.learning.payloads import Payloads
from wfl_sim.learning.phase_requests import DivergedError
from wfl_sim.methods.aggregation import Upload
from wfl_sim.state import State, is_finite

_OF_OPTIMIZER: Final = "lr of server.optimizer, or of devices, may be too large"


def check_left_out(
    error: DivergedError, context: LearnerContext, task: LocalUpdate, number: int
) -> None:
    """Raise FloatingPointError, naming the device, unless a robust rule leaves it out.

    A first loss that is not finite is blamed on the server optimiser, which no rule leaves out.
    """
    server, where = context.server, f"({name_of(task.device)}, round {task.round})"
    if number == 0 and error.step == 1 and server.optimizes:
        what = "the loss is not finite before the first local step"
        raise FloatingPointError(f"training diverged: {what}; {_OF_OPTIMIZER} {where}")
    if server.robust is None:
        raise FloatingPointError(f"{error} {where}")


def failed_update(payloads: Payloads, device: int, private: State) -> Result:
    """Return the result of a device that is left out: it sends NaN, and keeps what it had."""
    up = payloads.shapes(device).up
    states = {"upload": {n: np.full(shape, np.nan, np.float32) for n, shape in up.items()}}
    kept = ("private", "unacknowledged") if payloads.remembers_uploads else ("private",)
    return Result({**states, **dict.fromkeys(kept, private)}, {"train_loss": np.nan})


def check_aggregate(context: LearnerContext, uploads: Sequence[Upload], made: State) -> None:
    """Raise FloatingPointError, naming who has diverged, if an aggregate is not finite.

    What a method itself makes of uploads that are finite is its own affair.
    """
    if is_finite(made):
        return
    check_uploads(uploads)
    if context.server.optimizes:
        what = "the server optimiser has made values that are not finite"
        raise FloatingPointError(f"training diverged: {what}; {_OF_OPTIMIZER}")


def check_uploads(uploads: Sequence[Upload]) -> None:
    """Raise FloatingPointError, naming their devices, if uploads are not finite."""
    broken = [name_of(each.device) for each in uploads if not is_finite(each.state)]
    if broken:
        names = ", ".join(broken[:3]) + (", ..." if len(broken) > 3 else "")
        raise FloatingPointError(
            f"training diverged: what {names} sent is not finite; lr may be too large"
        )


def name_of(device: int) -> str:
    """Return the name of a device for messages; -1 is the server."""
    return f"device-{device}" if device >= 0 else "the server"
