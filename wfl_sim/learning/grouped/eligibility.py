"""Whether the devices of a method can be trained, or evaluated, in shared passes."""

import re
from collections.abc import Sequence
from typing import Any

from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.grouped.layers import GroupLayers
from wfl_sim.learning.objectives import losses_of
from wfl_sim.learning.phase_requests import PhaseRequest
from wfl_sim.learning.tokenized import TokenizedTexts
from wfl_sim.learning.torch_settings import noisy_part
from wfl_sim.methods.objectives import Alignment
from wfl_sim.methods.parts import Full, Part, Router, Tuner


def why_not_trainable(adapted: AdaptedModel, request: PhaseRequest) -> str | None:
    """Return why requests of this kind cannot be trained as a group; None where they can."""
    objective = request.train.phase.objective
    if request.train.phase.local.micro_batch:
        return "micro_batch asks for passes smaller than a batch, and a group's are larger"
    aligns = isinstance(objective, Alignment)
    if losses_of(objective) is None and not aligns:
        return f"the loss of {type(objective).__name__} is no mean over examples or words"
    if reason := _why_parts_not(adapted, request.parts):
        return reason
    if not aligns and (dropout := noisy_part(adapted.model)):
        return f"{dropout} drops out, and every device has noise of its own"
    return None


def why_not_stackable(adapted: AdaptedModel, parts: Sequence[Part], examples: Any) -> str | None:
    """Return why devices with such parts and examples cannot share a pass; None where they can."""
    if not isinstance(examples, TokenizedTexts):
        return f"{type(examples).__name__} are no labelled texts"
    return _why_parts_not(adapted, parts)


def _why_parts_not(adapted: AdaptedModel, parts: Sequence[Part]) -> str | None:
    """Return why layers cannot hold stacks of such parts; None where they can."""
    if any(isinstance(part.config, Full) for part in parts):
        return "the pretrained weights are a part themselves, so there is little to share"
    if any(isinstance(part.config, Tuner) for part in parts):
        return "layers of PEFT other than LoRA compute each device's part themselves"
    if any(isinstance(part.config, Router) for part in parts):
        return "a router weighs what LoRAs add inside of their layers"
    if any(re.search(r"experts\.\d", name) for name in adapted.parameters):
        return "an expert gets words of all devices in no order"
    try:
        GroupLayers(adapted.model, adapted.parameters)
    except ValueError as error:
        return f"{error}, which cannot be stacked"
    return None
