"""The pretrained backbone's own weights as a part: full fine-tuning, or that of some matrices.

A matrix of a layer that keeps it transposed (GPT-2) is named ``transposed`` in place of ``weight``,
for whoever adds products of LoRA factors to it.
"""

import re

import torch
from torch import Generator, Tensor
from torch.nn import Parameter
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from wfl_sim.learning.peft.lora import usual_targets
from wfl_sim.methods.parts import Full, Part

_PRETRAINED = "_wfl_sim_pretrained"


def attach(model: PreTrainedModel, part: Part) -> dict[str, Parameter]:
    """Return the parameters of the backbone, and keep their values to start from."""
    config = part.config
    assert isinstance(config, Full)
    backbone, found = model.base_model, {}
    targets = (config.targets or usual_targets(model)) if config.adapted else ()
    turned = {f"{n}.weight" for n, m in backbone.named_modules() if isinstance(m, Conv1D)}
    ends = [re.compile(rf"(.*\.)?{re.escape(each)}\.weight") for each in targets]
    for name, value in backbone.named_parameters():
        if not ends or any(each.fullmatch(name) for each in ends):
            stem = name.removesuffix("weight")
            found[f"{stem}transposed" if name in turned else name] = value
    if not found:
        raise ValueError(f"part {part.name!r}: no weight is named {targets}")
    kept = {**getattr(model, _PRETRAINED, {})}
    kept |= {name: value.detach().clone() for name, value in found.items()}
    object.__setattr__(model, _PRETRAINED, kept)
    return found


def start(model: PreTrainedModel, name: str, value: Tensor, rng: Generator) -> None:
    """The pretrained values."""
    with torch.no_grad():
        value.copy_(getattr(model, _PRETRAINED)[name])
