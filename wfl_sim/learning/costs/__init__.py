"""Costs of local updates, by device, and the shapes of their parameters."""

from typing import TYPE_CHECKING, Any

from wfl_sim.codecs.codec import Codec
from wfl_sim.device_models.workload import Workload
from wfl_sim.learning.encoded_data import EncodedShards
from wfl_sim.learning.pretrained_model import Pretrained
from wfl_sim.learning.privacy_accounting import with_secure_aggregation
from wfl_sim.methods.device_parts import DeviceParts
from wfl_sim.methods.method import Method
from wfl_sim.methods.parts import Part, Role, Shapes, with_role
from wfl_sim.methods.privacy import Privacy

if TYPE_CHECKING:
    from wfl_sim.learning.costs.sampled import SampledCosts


class UpdateCosts:
    """Costs of local updates and shapes of parameters, counted on the meta device without weights.

    Devices with parts of the same ranks are counted once.

    Args:
        model: the base model.
        method: its parts, phases and payloads.
        fleet: the parts of each device.
        texts: the examples of each device.
        tokens: length of a text.
        codec_up: codec of uploads.
        codec_down: codec of downloads.
        privacy: its protocol adds bits to payloads.
    """

    def __init__(
        self,
        *,
        model: Pretrained,
        method: Method,
        fleet: DeviceParts,
        texts: EncodedShards,
        tokens: int,
        codec_up: Codec,
        codec_down: Codec,
        privacy: Privacy | None,
    ) -> None:
        self._model = model
        self._method = method
        self._fleet = fleet
        self._texts = texts
        self._tokens = tokens
        self._codecs = codec_up, codec_down
        self._privacy = privacy
        self._counted: dict[tuple[Part, ...], tuple[Workload, Shapes]] = {}
        self._by_role: dict[tuple[int, tuple[Role, ...]], dict[str, tuple[int, ...]]] = {}
        self._drawn: dict[tuple[Part, ...], SampledCosts] = {}

    def __repr__(self) -> str:
        return f"UpdateCosts({self._model!r}, {self._method!r}, {len(self._counted)} ranks counted)"

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the networks on the meta device, which every process builds for itself."""
        return {**self.__dict__, "_drawn": {}}

    def workload(self, device: int) -> Workload:
        """Return the costs of one local update, all texts padded to the full length."""
        return self._count(device)[0]

    def drawn(self, device: int, seed: int) -> Workload:
        """Return the costs of the local update with this seed, from the texts in its batches."""
        from wfl_sim.learning.costs.sampled import SampledCosts

        whole, parts = self.workload(device), self._fleet.parts(device)
        if parts not in self._drawn:
            self._drawn[parts] = SampledCosts(
                self._model, self._texts.classes, parts, self._method.phases
            )
        fingerprint = self._texts.examples("train", device).fingerprint()
        examples = self._texts.encoded("train", device, fingerprint)
        return self._drawn[parts].of(whole, examples, seed)

    def shapes(self, device: int, *roles: Role) -> dict[str, tuple[int, ...]]:
        """Return the shapes of a device's parameters that have one of the roles."""
        if (device, roles) not in self._by_role:
            named = {part.name: part for part in self._fleet.parts(device)}
            self._by_role[device, roles] = with_role(named, self._count(device)[1], *roles)
        return self._by_role[device, roles]

    def all_shapes(self, device: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of all parameters of a device."""
        return dict(self._count(device)[1])

    def _count(self, device: int) -> tuple[Workload, Shapes]:
        from wfl_sim.learning.costs.workload import workload_of

        parts = self._fleet.parts(device)
        if parts not in self._counted:
            codec_up, codec_down = self._codecs
            workload, shapes = workload_of(
                self._model,
                self._method,
                parts,
                classes=self._texts.classes,
                tokens=self._tokens,
                codec_up=codec_up,
                codec_down=codec_down,
                layout=self._texts.layout,
            )
            values = round(workload.aggregate_flops / 2)
            workload = with_secure_aggregation(workload, self._privacy, values)
            self._counted[parts] = workload, shapes
        return self._counted[parts]
