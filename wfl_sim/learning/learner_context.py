"""What all tasks of a learner share: its settings, and the texts and networks in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

from wfl_sim.codecs.codec import Codec
from wfl_sim.learning.caches import EncodedShards, ModelCache
from wfl_sim.learning.pretrained_model import Pretrained
from wfl_sim.methods.device_parts import DeviceParts
from wfl_sim.methods.method import Method
from wfl_sim.methods.phases import Phase
from wfl_sim.methods.privacy import Privacy
from wfl_sim.methods.server import AggregationConfig


@dataclass(frozen=True, kw_only=True, eq=False)
class LearnerContext:
    """A learner builds it once, and gives it to whatever counts or executes its tasks."""

    model: Pretrained
    """The base model."""
    method: Method
    phases: tuple[Phase, ...]
    """The phases of `method`, which builds them anew whenever it is asked."""
    tokens: int
    """Length of a text."""
    codec_up: Codec
    """Codec of uploads."""
    codec_down: Codec
    """Codec of downloads."""
    server: AggregationConfig
    """What the server does with an aggregate."""
    privacy: Privacy | None
    """What is done to an update before it is encoded, and what protects it on its way."""
    device_parts: DeviceParts
    """The parts of each device."""
    examples: EncodedShards
    """The examples of each device."""
    models: ModelCache
    """A network for each rank among the devices."""

    def phases_of(self, device: int) -> Sequence[Phase]:
        """Return the phases with the steps that a device takes; -1 has the texts of all."""
        if not any(phase.local.epochs for phase in self.phases):
            return self.phases
        size = len(self.examples.examples("train", device))
        return [phase.of(size) for phase in self.phases]
