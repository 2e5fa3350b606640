"""Costs of local updates, by device, and the shapes of their parameters."""

from typing import TYPE_CHECKING, Any

from wfl_sim.device_models.workload import Workload
from wfl_sim.learning.learner_context import LearnerContext
from wfl_sim.learning.privacy_accounting import with_secure_aggregation
from wfl_sim.methods.parts import Part, Role, Shapes, with_role

if TYPE_CHECKING:
    from wfl_sim.learning.costs.sampled import SampledCosts


class UpdateCosts:
    """Costs of local updates and shapes of parameters, counted on the meta device without weights.

    Devices with parts of the same ranks are counted once.

    Args:
        context: of the learner.
    """

    def __init__(self, context: LearnerContext) -> None:
        self._context = context
        self._counted: dict[tuple[Part, ...], tuple[Workload, Shapes]] = {}
        self._by_role: dict[tuple[int, tuple[Role, ...]], dict[str, tuple[int, ...]]] = {}
        self._drawn: dict[tuple[Part, ...], SampledCosts] = {}

    def __repr__(self) -> str:
        return f"UpdateCosts({self._context.method!r}, {len(self._counted)} ranks counted)"

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the networks on the meta device, which every process builds for itself."""
        return {**self.__dict__, "_drawn": {}}

    def workload(self, device: int) -> Workload:
        """Return the costs of one local update, all texts padded to the full length."""
        return self._count(device)[0]

    def drawn(self, device: int, seed: int) -> Workload:
        """Return the costs of the local update with this seed, from the texts in its batches."""
        from wfl_sim.learning.costs.sampled import SampledCosts

        whole, parts = self.workload(device), self._context.device_parts.parts(device)
        if parts not in self._drawn:
            self._drawn[parts] = SampledCosts(
                self._context.model, self._context.examples.classes, parts, self._context.phases
            )
        fingerprint = self._context.examples.examples("train", device).fingerprint()
        examples = self._context.examples.encoded("train", device, fingerprint)
        return self._drawn[parts].of(whole, examples, seed)

    def shapes(self, device: int, *roles: Role) -> dict[str, tuple[int, ...]]:
        """Return the shapes of a device's parameters that have one of the roles."""
        if (device, roles) not in self._by_role:
            named = {part.name: part for part in self._context.device_parts.parts(device)}
            self._by_role[device, roles] = with_role(named, self._count(device)[1], *roles)
        return self._by_role[device, roles]

    def all_shapes(self, device: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of all parameters of a device."""
        return dict(self._count(device)[1])

    def _count(self, device: int) -> tuple[Workload, Shapes]:
        from wfl_sim.learning.costs.workload import workload_of

        parts = self._context.device_parts.parts(device)
        if parts not in self._counted:
            workload, shapes = workload_of(
                self._context.model,
                self._context.method,
                parts,
                classes=self._context.examples.classes,
                tokens=self._context.tokens,
                codec_up=self._context.codec_up,
                codec_down=self._context.codec_down,
                layout=self._context.examples.layout,
            )
            values = round(workload.aggregate_flops / 2)
            workload = with_secure_aggregation(workload, self._context.privacy, values)
            self._counted[parts] = workload, shapes
        return self._counted[parts]
