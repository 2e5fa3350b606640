"""The next shared state, from the uploads that one task of the server names.

A robust rule gets the uploads that are finite. Any other aggregate that an upload has made NaN or
infinite ends the run: nothing could be learned after it.
"""

from collections.abc import Sequence

import numpy as np

from wfl_sim.config import answers
from wfl_sim.execution.task import Aggregate, Result
from wfl_sim.learning.divergence import check_aggregate, check_uploads
from wfl_sim.learning.learner_context import LearnerContext
from wfl_sim.learning.payloads import Payloads
from wfl_sim.methods.aggregation import Upload
from wfl_sim.methods.method import hook, is_weighted_mean
from wfl_sim.methods.server import server_update
from wfl_sim.methods.server_optimizers import MEMORY
from wfl_sim.randomness import stream
from wfl_sim.state import State, is_finite, outside


def next_shared(
    context: LearnerContext, payloads: Payloads, task: Aggregate, states: Sequence[State]
) -> Result:
    """Return the next shared state, in float32, and `left_out/` with the place of each upload that
    is not in it.

    Args:
        context: method and server of the learner.
        payloads: what devices have received.
        task: names the uploads.
        states: the present shared state, the uploads, and the older states they began from.

    Raises:
        ValueError: the method makes other parameters than are shared.
        FloatingPointError: the aggregate is not finite by an upload or by the server optimiser.
    """
    method, server = context.method, context.server
    shared, uploads = states[0], states[1 : 1 + len(task.uploads)]
    older = dict(zip(task.older, states[1 + len(task.uploads) :], strict=True))
    received, averages = [], is_weighted_mean(method)
    for upload, weight, device, base, staleness in zip(
        uploads, task.weights, task.devices, task.bases, task.staleness, strict=True
    ):
        began: State = {}
        if task.noise or not averages or (staleness and server.staleness.needs_base):
            began = payloads.received(device, base, older.get(base, shared))
        received.append(Upload(upload, weight, device, began, staleness))
    left_out = {}
    if server.robust is not None:
        broken = [place for place, each in enumerate(received) if not is_finite(each.state)]
        left_out = {f"left_out/{place}": 1.0 for place in broken}
        received = [each for place, each in enumerate(received) if place not in broken]
        if not received:
            return Result({"shared": shared}, left_out)
    shapes = payloads.shapes(-1)
    try:
        made = server_update(
            method,
            server,
            shared,
            received,
            known=shapes.known,
            edge=task.edge,
            noise=task.noise,
            rng=stream(task.seed, "noise") if task.noise else None,
        )
    except np.linalg.LinAlgError:  # of what is not finite there is no decomposition
        check_uploads(received)
        raise
    if not (hook(method, "initial_server_state") or hook(method, "download")):
        expected = {**shapes.shared, **shapes.known}
        answers.state(method, "aggregate", outside(MEMORY, made), expected)
    check_aggregate(context, received, made)
    made = {name: np.asarray(array, np.float32) for name, array in made.items()}
    return Result({"shared": made}, left_out)
