"""A model of given costs, for studies of the network alone: no torch, nothing is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from channel_models.units import Unit
from wfl_sim.execution.task import Result, Task
from wfl_sim.methods.aggregation import State
from wfl_sim.protocols import MODELS, Method, Workload

_BITS_OF_A_PARAMETER: Final = 32


@MODELS("synthetic")
@dataclass(frozen=True, kw_only=True)
class Synthetic:
    """Payload and compute as numbers: `payload: 9.4 Mbit, flops_per_step: 60 GFLOP`."""

    payload: Annotated[float, Unit("bit", minimum=1.0)]
    flops_per_step: Annotated[float, Unit("FLOP", minimum=0.0, exclusive=True)]
    memory: Annotated[float, Unit("byte", minimum=0.0)] = 0.0
    """of a local step, in float32; 0 fits everywhere"""
    frozen: Annotated[float, Unit("byte", minimum=0.0)] = 0.0
    """part of `memory` that are frozen weights"""
    traffic_per_step: Annotated[float, Unit("byte", minimum=0.0)] = 0.0
    """between memory and processor; 0 leaves the speed to the arithmetic"""

    def __post_init__(self) -> None:
        if not self.payload >= 1:
            raise ValueError(f"payload must be at least 1 bit, got {self.payload}")
        if not self.flops_per_step > 0:
            raise ValueError(f"flops_per_step must be greater than 0, got {self.flops_per_step}")
        if self.frozen > self.memory:
            raise ValueError(f"frozen must be at most memory {self.memory}, got {self.frozen}")


class SyntheticLearner:
    """The costs of a method on a synthetic model.

    A method that shares any part sends and receives the payload; steps are those of its phases. The
    model has no parameters of its own: the server is charged as if the payload were float32.
    """

    def __init__(self, model: Synthetic, method: Method) -> None:
        self.model = model
        self.method = method
        self.recipe = f"synthetic {model!r}"

    def __repr__(self) -> str:
        return f"SyntheticLearner({self.model!r}, {self.method!r})"

    def workload(self, device: int) -> Workload:
        """Return the costs of one local update; the same for all devices."""
        shares = any(part.shared for part in self.method.parts)
        bits = round(self.model.payload) if shares else 0
        steps = sum(phase.local.steps for phase in self.method.phases)
        return Workload(
            upload_bits=bits,
            download_bits=bits,
            update_flops=steps * self.model.flops_per_step,
            steps=steps,
            aggregate_flops=2.0 * bits / _BITS_OF_A_PARAMETER,
            memory=self.model.memory,
            frozen=self.model.frozen,
            traffic=steps * self.model.traffic_per_step,
        )

    def run(self, task: Task, inputs: Sequence[Mapping[str, State]]) -> Result:
        """Refuse: there is nothing to train.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError("a synthetic model has nothing to train")
