"""Aggregator: the next shared state, from the uploads that one task of the server names."""

from collections.abc import Sequence

import numpy as np

from wfl_sim.execution.task import Aggregate
from wfl_sim.learning.costs import UpdateCosts
from wfl_sim.learning.payloads import Payloads
from wfl_sim.methods.aggregation import Upload
from wfl_sim.methods.method import Method, hook
from wfl_sim.methods.server import AggregationConfig, server_update
from wfl_sim.randomness import stream
from wfl_sim.state import State, check_same, shapes_of


class ServerUpdate:
    """Brings together each upload and the state that its device began from, and combines them."""

    def __init__(
        self, method: Method, server: AggregationConfig, costs: UpdateCosts, transfers: Payloads
    ) -> None:
        """Aggregate nothing yet.

        Args:
            method: aggregates.
            server: what the server makes of an aggregate.
            costs: know the shapes of what is shared.
            transfers: know what a device has received.
        """
        self._method = method
        self._server = server
        self._costs = costs
        self._transfers = transfers

    def __repr__(self) -> str:
        return f"Aggregator({self._method!r}, {self._server!r})"

    def next(self, task: Aggregate, states: Sequence[State]) -> State:
        """Return the next shared state, in float32.

        Args:
            task: whose uploads.
            states: the present shared state, the uploads, and the older states they began from.

        Raises:
            ValueError: the method makes other parameters than are shared.
        """
        shared, uploads = states[0], states[1 : 1 + len(task.uploads)]
        older = dict(zip(task.older, states[1 + len(task.uploads) :], strict=True))
        received = []
        for upload, weight, device, base, staleness in zip(
            uploads, task.weights, task.devices, task.bases, task.staleness, strict=True
        ):
            began: State = {}
            if self._server.asks_base(self._method, staleness):
                began = self._transfers.received(device, base, older.get(base, shared))
            received.append(Upload(upload, weight, device, began, staleness))
        made = server_update(
            self._method,
            self._server,
            shared,
            received,
            known=self._costs.shapes(-1, "known"),
            edge=task.edge,
            noise=task.noise,
            rng=stream(task.seed, "noise") if task.noise else None,
        )
        if not any(hook(self._method, name) for name in ("initial_server_state", "download")):
            what = f"{type(self._method).__name__}.aggregate"
            expected = self._costs.shapes(-1, "shared", "known")
            check_same(expected, shapes_of(self._server.without_memory(made)), what)
        return {name: np.asarray(array, np.float32) for name, array in made.items()}
