"""The next shared state, from the uploads that one task of the server names."""

from collections.abc import Sequence

import numpy as np

from wfl_sim.execution.task import Aggregate
from wfl_sim.learning.learner_context import LearnerContext
from wfl_sim.learning.payloads import Payloads
from wfl_sim.methods.aggregation import Upload
from wfl_sim.methods.method import hook
from wfl_sim.methods.server import server_update
from wfl_sim.randomness import stream
from wfl_sim.state import State, check_same, shapes_of


class ServerUpdate:
    """Combines uploads, each with the state that its device began from.

    Args:
        context: settings, texts and networks of the learner.
        payloads: what devices have received.
    """

    def __init__(self, context: LearnerContext, payloads: Payloads) -> None:
        self._context = context
        self._payloads = payloads
        names = ("initial_server_state", "download")
        self._checks_aggregate = not any(hook(context.method, name) for name in names)

    def __repr__(self) -> str:
        return f"ServerUpdate({self._context.method!r}, {self._context.server!r})"

    def next(self, task: Aggregate, states: Sequence[State]) -> State:
        """Return the next shared state, in float32.

        Args:
            task: names the uploads.
            states: the present shared state, the uploads, and the older states they began from.

        Raises:
            ValueError: the method makes other parameters than are shared.
        """
        method, server = self._context.method, self._context.server
        shared, uploads = states[0], states[1 : 1 + len(task.uploads)]
        older = dict(zip(task.older, states[1 + len(task.uploads) :], strict=True))
        received = []
        for upload, weight, device, base, staleness in zip(
            uploads, task.weights, task.devices, task.bases, task.staleness, strict=True
        ):
            began: State = {}
            if server.asks_base(method, staleness):
                began = self._payloads.received(device, base, older.get(base, shared))
            received.append(Upload(upload, weight, device, began, staleness))
        shapes = self._payloads.shapes(-1)
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
        if self._checks_aggregate:
            what = f"{type(method).__name__}.aggregate"
            expected = {**shapes.shared, **shapes.known}
            check_same(expected, shapes_of(server.without_memory(made)), what)
        return {name: np.asarray(array, np.float32) for name, array in made.items()}
