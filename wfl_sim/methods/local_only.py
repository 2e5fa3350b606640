"""Local-only: the baseline without a network."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from wfl_sim.methods.aggregation import Upload
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.parts import LoRA, Part, lora_and_head
from wfl_sim.methods.phases import Local, Phase, one_phase
from wfl_sim.state import State


@METHODS("local-only")
@dataclass(frozen=True, kw_only=True)
class LocalOnly:
    """Every device fine-tunes its own LoRA and head, and sends nothing."""

    lora: LoRA = field(default_factory=LoRA)
    local: Local = field(default_factory=Local)

    @property
    def parts(self) -> tuple[Part, ...]:
        """Nothing is shared."""
        return lora_and_head(self.lora, shared=False, head=False)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """LoRA and head learn jointly."""
        return one_phase("lora", "head", local=self.local)

    def aggregate(self, shared: State, uploads: Sequence[Upload]) -> State:
        """There is nothing to aggregate: the shared state is empty and stays so."""
        return shared
