"""What all tasks of a learner share: its settings, and the texts and networks in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from wfl_sim.codecs.codec import Codec
from wfl_sim.data.examples import Padding, Shards
from wfl_sim.data.metrics import NamedMetrics
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.caches import EncodedShards, ModelCache
from wfl_sim.methods.device_parts import DeviceParts
from wfl_sim.methods.method import Method
from wfl_sim.methods.phases import Phase
from wfl_sim.methods.privacy import Privacy
from wfl_sim.methods.server import AggregationConfig


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LearnerContext:
    """What counts or executes tasks of a learner is given the learner as this."""

    model: Pretrained
    method: Method
    shards: Shards
    """The devices' examples."""
    tokens: int
    """Length to which every text is cut or padded."""
    codec_up: Codec
    """Codec of uploads."""
    codec_down: Codec
    """Codec of the shared state as it is sent to devices."""
    server: AggregationConfig = field(default_factory=AggregationConfig)
    """What the server does with an aggregate."""
    ranks: Sequence[int | None] = ()
    """Rank of each device whose group has one of its own."""
    privacy: Privacy | None = None
    """What is done to an update before it is encoded, and what protects it on its way."""
    threads: int = 1
    """Threads of torch in every task. They decide the last bits, so they are in the recipe."""
    padding: Padding = "fixed"
    """How long the texts of a batch are made."""
    metrics: NamedMetrics = ()
    """Of evaluations, beside the usual ones."""

    @cached_property
    def phases(self) -> tuple[Phase, ...]:
        """The phases of `method`, which builds them anew whenever it is asked."""
        return self.method.phases

    @cached_property
    def device_parts(self) -> DeviceParts:
        """The parts of each device."""
        return DeviceParts(self.method, self.ranks)

    @cached_property
    def examples(self) -> EncodedShards:
        """The examples of each device."""
        return EncodedShards(self.model, self.shards, self.tokens, self.padding, self.phases)

    @cached_property
    def models(self) -> ModelCache:
        """A network for each rank among the devices."""
        return ModelCache(self.examples, self.threads, self.metrics)

    def phases_of(self, device: int) -> Sequence[Phase]:
        """Return the phases with the steps that a device takes; -1 has the texts of all."""
        if not any(phase.local.epochs for phase in self.phases):
            return self.phases
        size = len(self.examples.examples("train", device))
        return [phase.of(size) for phase in self.phases]
