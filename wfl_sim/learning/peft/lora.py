"""LoRA as PEFT implements it; the name of the part is that of the PEFT adapter.

W x + (alpha / r) B A x; A is initialised Kaiming-uniform and B with zeros (Hu et al. 2021, section
4.1), so a new LoRA is the identity. A router weighs the LoRAs of a layer by softmax(G x): x is the
layer's input, (batch, tokens, width), and G, (parts, width), is zero at first: all weigh the same.
"""

import math
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
from torch import Generator, Tensor, nn
from torch.nn import Parameter
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from wfl_sim.config.errors import LocatedError
from wfl_sim.methods.parts import LoRA, Part, Router

ALL_LINEAR = "all-linear"
_USUAL = (
    *(("q_proj", "v_proj"), ("query", "value"), ("q_lin", "v_lin"), ("q", "v")),
    *(("qkv_proj",), ("query_key_value",), ("in_proj", "x_proj")),
)
"""What query and value projections are called in architectures that PEFT does not list."""


def attach_lora(model: PreTrainedModel, part: Part) -> dict[str, Parameter]:
    """Adapt the target layers of the backbone and return A and B of each."""
    config = part.config
    assert isinstance(config, LoRA)
    backbone = model.base_model
    targets = targets_of(model, config.targets)
    layers = _targeted(model, part.name, targets)
    inject_adapter_in_model(
        LoraConfig(
            r=config.rank,
            lora_alpha=config.alpha or 2 * config.rank,  # type: ignore[arg-type]
            lora_dropout=config.dropout,
            target_modules=list(targets),
            fan_in_fan_out=all(isinstance(layer, Conv1D) for layer in layers),
        ),
        backbone,
        adapter_name=part.name,
    )
    del backbone.peft_config  # PEFT warns when it finds it at the next LoRA; nothing else reads it
    activate(backbone)
    return {
        name.replace(f".{part.name}.", "."): value
        for name, value in backbone.named_parameters()
        if f".lora_A.{part.name}." in name or f".lora_B.{part.name}." in name
    }


def activate(network: nn.Module) -> None:
    """Switch all LoRAs on."""
    for module in network.modules():
        if isinstance(module, LoraLayer):
            module.set_adapter([*module.lora_A])


@contextmanager
def muted(network: nn.Module, parts: Collection[str]) -> Iterator[None]:
    """Let the LoRAs of some parts contribute nothing; afterwards all are as they were."""
    layers = [each for each in network.modules() if isinstance(each, LoraLayer)]
    before = [list(layer.active_adapters) for layer in layers]
    try:
        for layer, names in zip(layers, before, strict=True):
            layer.set_adapter([name for name in names if name not in parts])
        yield
    finally:
        for layer, names in zip(layers, before, strict=True):
            layer.set_adapter(names)


def initialize_lora(model: PreTrainedModel, name: str, value: Tensor, rng: Generator) -> None:
    """Draw A Kaiming-uniform with a = sqrt(5), as PEFT does; B = 0."""
    if ".lora_A." in name:
        nn.init.kaiming_uniform_(value, a=math.sqrt(5), generator=rng)
    else:
        nn.init.zeros_(value)


def targets_of(model: PreTrainedModel, named: Sequence[str]) -> tuple[str, ...]:
    """Return the linear layers that LoRA adapts, as suffixes of their names.

    `all-linear` is all of the backbone; none named are the query and value projections, as PEFT
    knows the architecture or as they are usually called, or else all of the backbone.
    """
    if named in (ALL_LINEAR, (ALL_LINEAR,)):
        return tuple(name for name, _ in _linear(model.base_model))
    known = TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING.get(model.config.model_type, ())
    there = set(_linear_names(model.base_model))
    for usual in (named, known, *_USUAL):
        if usual and (
            usual == named or there.issuperset([usual] if isinstance(usual, str) else usual)
        ):
            return tuple(usual)
    return targets_of(model, (ALL_LINEAR,))


def _targeted(model: PreTrainedModel, part: str, targets: Sequence[str]) -> list[nn.Module]:
    found: list[nn.Module] = []
    for target in targets:
        ends = re.compile(rf"(.*\.)?{re.escape(target)}")
        named = [m for n, m in model.base_model.named_modules() if ends.fullmatch(n)]
        layers = [m.get_base_layer() if isinstance(m, LoraLayer) else m for m in named]
        if not layers or not all(isinstance(layer, (nn.Linear, Conv1D)) for layer in layers):
            raise LocatedError(
                f"part {part!r}: no linear layer of {model.config.model_type!r} is named "
                f"{target!r} (known: {', '.join(_linear_names(model.base_model))})",
                "method",
            )
        found += layers
    return found


def _linear_names(backbone: nn.Module) -> list[str]:
    return sorted({name.rpartition(".")[2] for name, _ in _linear(backbone)})


def _linear(backbone: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the linear layers as the network has them, without those of LoRA and adapters."""
    for name, module in backbone.named_modules():
        if isinstance(module, (nn.Linear, Conv1D)) and not re.search(r"lora_|adapter_", name):
            yield name.removesuffix(".base_layer"), module


class Gate(nn.Module):
    """G, and the weights of the present input of a layer."""

    def __init__(self, width: int, experts: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, experts, bias=False)
        self._weights: list[Tensor] = []

    def route(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Compute the weights before the layer runs."""
        self._weights = [torch.softmax(self.linear(inputs[0]), dim=-1)]

    def weighting(self, expert: int) -> Callable[[nn.Module, Any, Tensor], Tensor]:
        """Return the hook that weighs the output of one LoRA."""

        def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            return output * self._weights[0][..., expert : expert + 1]

        return hook


def attach_router(model: PreTrainedModel, part: Part) -> dict[str, Parameter]:
    """Add a gate to every layer that the LoRAs of all its parts adapt."""
    config = part.config
    assert isinstance(config, Router)
    found: dict[str, Parameter] = {}
    for name, module in list(model.base_model.named_modules()):
        if isinstance(module, LoraLayer) and all(each in module.lora_B for each in config.over):
            assert isinstance(module, nn.Module)
            gate = Gate(int(module.in_features or 0), len(config.over))
            module.add_module(f"router_{part.name}", gate)
            module.register_forward_pre_hook(gate.route)
            for expert, each in enumerate(config.over):
                module.lora_B[each].register_forward_hook(gate.weighting(expert))
            found |= {f"{name}.{each}": value for each, value in gate.linear.named_parameters()}
    if not found:
        raise ValueError(f"part {part.name!r}: no layer is adapted by all of {config.over}")
    return found
