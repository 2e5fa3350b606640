"""A model of given costs, for studies of the network alone: no torch, nothing is trained."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Annotated, ClassVar, Final

from channel_models.units import Bytes, Fraction, PositiveFlops, Unit
from channel_models.validation import Validated
from wfl_sim.config.errors import LocatedError
from wfl_sim.device_models.workload import StepExchange, Workload
from wfl_sim.execution.task import Result, Task
from wfl_sim.learning.base_models.pretrained_model import MODELS
from wfl_sim.learning.privacy_accounting import with_secure_aggregation
from wfl_sim.methods import parts as kinds
from wfl_sim.methods.device_parts import DeviceParts
from wfl_sim.methods.method import Method, SplitModel, download_shapes, hook, needs, upload_shapes
from wfl_sim.methods.parts import Part, Shapes, with_role
from wfl_sim.methods.privacy import Privacy
from wfl_sim.state import State

_BITS_OF_A_PARAMETER: Final = 32
_FORWARD: Final = 1 / 3
"""Share of the forward pass in the FLOPs of a step; backward takes twice as much."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """What a split network sends in every step, and what is left to the device."""

    activations: Annotated[float, Unit("bit", minimum=1.0)]
    """Bits of the activations of a step; their gradients have as many."""
    device_share: Fraction
    """The device's share of the FLOPs of a step."""


@MODELS("synthetic")
@dataclass(frozen=True, kw_only=True)
class Synthetic(Validated):
    """Payload and compute as numbers: `payload: 9.4 Mbit, flops_per_step: 60 GFLOP`."""

    payload: Annotated[float, Unit("bit", minimum=1.0)]
    flops_per_step: PositiveFlops
    memory: Bytes = 0.0
    """Bytes of a local step, in float32; 0 fits everywhere."""
    frozen: Bytes = 0.0
    """Bytes of `memory` that hold frozen weights."""
    traffic_per_step: Bytes = 0.0
    """Bytes of a step between memory and processor; 0 for a speed that arithmetic limits."""
    cut: Cut | None = None
    """Needed where a method splits the network."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.frozen > self.memory:
            raise ValueError(f"frozen must be at most memory {self.memory}, got {self.frozen}")


class SyntheticLearner:
    """The costs of a method on a synthetic model.

    `payload` is the size of the method's shared parts, with both factors of every LoRA. Uploads and
    downloads are a multiple of it, computed on one layer of a substitute network: half of it for
    FedSA-LoRA, twice for SCAFFOLD, as often as there are participants for the stacks of FLoRA.
    Steps are those of the phases. The server is charged as if payloads were float32.
    """

    keeps: ClassVar[bool] = False
    varies: ClassVar[bool] = False

    def __init__(
        self,
        model: Synthetic,
        method: Method,
        ranks: Sequence[int | None] = (),
        privacy: Privacy | None = None,
    ) -> None:
        self.model = model
        self.privacy = privacy
        self.method = method
        self.fleet = DeviceParts(method, ranks)
        self.recipe = f"synthetic {model!r}"
        self._workloads: dict[tuple[Part, ...], Workload] = {}
        self._whole = values(shapes_of([part for part in method.parts if part.shared]))

    def __repr__(self) -> str:
        return f"SyntheticLearner({self.model!r}, {self.method!r})"

    @property
    def sends_news(self) -> bool:
        """Whether a download depends on what the device has got before."""
        return hook(self.method, "download_shapes") is not None

    def workload(self, device: int) -> Workload:
        """Return the costs of one local update; the same for all devices of one rank."""
        parts = self.fleet.parts(device)
        if parts not in self._workloads:
            self._workloads[parts] = self._workload(parts)
        return self._workloads[parts]

    def _workload(self, parts: tuple[Part, ...]) -> Workload:
        shared = _shared(parts)
        up = self._bits(upload_shapes(self.method, shared))
        every = [phase.local for phase in self.method.phases]
        if any(local.epochs for local in every):
            message = "needs examples, and a synthetic model reads none: give steps"
            raise LocatedError(message, "method", "local", "epochs")
        steps = sum(local.steps for local in every)
        share, exchange = self._split()
        workload = Workload(
            upload_bits=up,
            download_bits=self._bits(download_shapes(self.method, shared)),
            update_flops=steps * share * self.model.flops_per_step,
            steps=steps,
            aggregate_flops=2.0 * up / _BITS_OF_A_PARAMETER,
            memory=self.model.memory,
            frozen=self.model.frozen,
            traffic=steps * self.model.traffic_per_step,
            unicast=needs(self.method, "unicast"),
            upload_values=up // _BITS_OF_A_PARAMETER,
            state_bits=up,
            exchange=exchange,
        )
        return with_secure_aggregation(workload, self.privacy, up // _BITS_OF_A_PARAMETER)

    def drawn_workload(self, device: int, seed: int) -> Workload:
        """Return the costs of one local update, whatever its seed."""
        return self.workload(device)

    def download_bits(self, device: int, news: Sequence[Sequence[int]]) -> int:
        """Return the bits of a download after the aggregations since its last download."""
        uploads = [
            [upload_shapes(self.method, _shared(self.fleet.parts(each))) for each in devices]
            for devices in news
        ]
        return self._bits(download_shapes(self.method, _shared(self.fleet.parts(device)), uploads))

    def run(self, task: Task, inputs: Sequence[Mapping[str, State]]) -> Result:
        """Refuse: there is nothing to train.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError("a synthetic model has nothing to train")

    def _split(self) -> tuple[float, StepExchange | None]:
        """Return the device's share of the FLOPs, and what crosses the cut, if there is one."""
        if not isinstance(self.method, SplitModel):
            return 1.0, None
        cut = self.model.cut
        if cut is None:
            raise ValueError("cut is missing: what a split network sends in every step")
        bits, rest = round(cut.activations), 1 - cut.device_share
        return cut.device_share, StepExchange(
            bits, bits, _FORWARD, rest * self.model.flops_per_step
        )

    def _bits(self, shapes: Shapes) -> int:
        return round(self.model.payload * values(shapes) / self._whole) if shapes else 0


def _shared(parts: tuple[Part, ...]) -> Shapes:
    named = {part.name: part for part in parts}
    return with_role(named, shapes_of(parts), "shared")


_WIDTH: Final = 64
_CLASSES: Final = 4


def shapes_of(parts: Iterable[Part]) -> dict[str, tuple[int, ...]]:
    """Return the parameters that parts would have on the substitute network, and their shapes."""
    return {f"{part.name}/{n}": s for part in parts for n, s in _of(part.config).items()}


def values(shapes: Shapes) -> int:
    """Return the number of values."""
    return sum(prod(shape) for shape in shapes.values())


def _of(config: object) -> dict[str, tuple[int, ...]]:
    match config:
        case kinds.LoRA(rank=rank):
            return {
                "layer.lora_A.weight": (rank, _WIDTH),
                "layer.lora_B.weight": (_WIDTH, rank),
            }
        case kinds.Adapter(bottleneck=size):
            return {
                "layer.down.weight": (size, _WIDTH),
                "layer.down.bias": (size,),
                "layer.up.weight": (_WIDTH, size),
                "layer.up.bias": (_WIDTH,),
            }
        case kinds.Full() | kinds.LastLayers() | kinds.Offset():
            return {"layer.weight": (_WIDTH, _WIDTH)}
        case kinds.Head():
            return {"weight": (_CLASSES, _WIDTH), "bias": (_CLASSES,)}
        case kinds.Critic(values=count):
            return {"weight": (count, _WIDTH), "bias": (count,)}
        case kinds.RewardWeights():
            return {"logits": (2,), "score": (1,)}
        case kinds.Tuner():
            return {"layer.tuned": (_WIDTH,)}
        case kinds.Router(over=over):
            return {"layer.weight": (len(over), _WIDTH)}
    raise ValueError(f"no stand-in for a part of kind {type(config).__name__}")
