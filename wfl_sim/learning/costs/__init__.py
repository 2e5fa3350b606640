"""Costs of local updates, by device, and the shapes of their parameters."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wfl_sim.device_models.workload import Workload
from wfl_sim.learning.learner_context import LearnerContext
from wfl_sim.learning.privacy_accounting import with_secure_aggregation
from wfl_sim.methods.parts import Part, Role, with_role
from wfl_sim.randomness import stream

if TYPE_CHECKING:
    from wfl_sim.learning.costs.workload import CountedUpdate, SampledCosts


class UpdateCosts:
    """Costs of local updates and shapes of parameters, counted on the meta device without weights.

    Devices with parts of the same ranks are counted once, whatever steps they take.
    """

    def __init__(self, context: LearnerContext) -> None:
        self._context = context
        self._counted: dict[tuple[Part, ...], CountedUpdate] = {}
        self._workloads: dict[int, Workload] = {}
        self._drawn: dict[tuple[Part, ...], SampledCosts] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the networks on the meta device, which every process builds for itself."""
        return {**self.__dict__, "_drawn": {}}

    def workload(self, device: int) -> Workload:
        """Return the costs of one local update, all texts padded to the full length."""
        if device not in self._workloads:
            phases, tokens = self._context.phases_of(device), self._context.tokens
            counted = self._count(device).of(phases, tokens)
            if (retrieval := self._context.examples.retrieval) is not None:
                texts = self._context.examples.examples("train", device).texts
                most = retrieval.largest_exchange(texts, phases[0].local.batch)
                counted = replace(counted, exchange=most)
            self._workloads[device] = counted
        return self._workloads[device]

    def drawn(self, device: int, seed: int) -> Workload:
        """Return the costs of the local update with this seed, from the texts in its batches."""
        from wfl_sim.learning.costs.workload import SampledCosts
        from wfl_sim.learning.training import batches

        whole, parts = self.workload(device), self._context.device_parts.parts(device)
        if (retrieval := self._context.examples.retrieval) is not None:
            asked = self._context.examples.examples("train", device)
            (rows,) = batches(asked, self._context.phases[0].local, stream(seed, "batches", 0))
            return replace(whole, exchange=retrieval.exchange(asked.subset(rows.numpy()).texts))
        if parts not in self._drawn:
            self._drawn[parts] = SampledCosts(
                self._context.model, self._context.examples.classes, parts, self._context.phases
            )
        fingerprint = self._context.examples.examples("train", device).fingerprint()
        examples = self._context.examples.encoded("train", device, fingerprint)
        return self._drawn[parts].of(whole, examples, seed)

    def shapes(self, device: int, *roles: Role) -> dict[str, tuple[int, ...]]:
        """Return the shapes of a device's parameters that have one of the roles."""
        named = {part.name: part for part in self._context.device_parts.parts(device)}
        return with_role(named, self._count(device).shapes, *roles)

    def all_shapes(self, device: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of all parameters of a device."""
        return dict(self._count(device).shapes)

    def _count(self, device: int) -> "CountedUpdate":
        from wfl_sim.learning.costs.workload import count_update_of

        parts = self._context.device_parts.parts(device)
        if parts not in self._counted:
            counted = count_update_of(self._context, parts)
            values = round(counted.apart.aggregate_flops / 2)
            apart = with_secure_aggregation(counted.apart, self._context.privacy, values)
            self._counted[parts] = replace(counted, apart=apart)
        return self._counted[parts]
