"""Names of layers and sub-layers in known architectures: the places of adapters and of LoRA.

A pattern matches the name, inside the backbone, of the last module of a sub-layer before the
residual sum; its group ``layer`` is the layer.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from torch import nn
from transformers import PreTrainedModel

from wfl_sim.config.errors import LocatedError


@dataclass(frozen=True)
class LayerNames:
    """Names of the modules that close attention and feed-forward in every layer."""

    attention: re.Pattern[str]
    feed_forward: re.Pattern[str]
    token_by_token: str | None = None
    """First module of a layer behind its attention, from which on tokens are independent; given
    where a classifier's head reads the first token alone."""


def _layout(
    layer: str, attention: str, feed_forward: str, token_by_token: str | None = None
) -> LayerNames:
    prefix = rf"(?P<layer>{layer}\.\d+)\."
    return LayerNames(
        re.compile(prefix + re.escape(attention)),
        re.compile(prefix + re.escape(feed_forward)),
        token_by_token,
    )


_BERT: Final = _layout(
    r"encoder\.layer", "attention.output.dropout", "output.dropout", "attention.output"
)
_LLAMA: Final = _layout("layers", "self_attn.o_proj", "mlp")
_LAYOUTS: Final = MappingProxyType(
    {
        **dict.fromkeys(("bert", "electra", "roberta", "xlm-roberta", "camembert"), _BERT),
        "distilbert": _layout(r"transformer\.layer", "attention.out_lin", "ffn", "sa_layer_norm"),
        "gpt2": _layout("h", "attn.resid_dropout", "mlp"),
        **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3", "gemma"), _LLAMA),
    }
)
_TARGETS: Final = MappingProxyType(
    {"distilbert": ("q_lin", "v_lin"), "camembert": ("query", "value")}
)


def layout_of(model_type: str) -> LayerNames:
    """Return the layout of an architecture.

    Raises:
        ValueError: the architecture is not in the table.
    """
    if model_type not in _LAYOUTS:
        raise ValueError(
            f"adapters have no place in {model_type!r} yet (known: {', '.join(sorted(_LAYOUTS))})"
        )
    return _LAYOUTS[model_type]


def layers_of(model: PreTrainedModel) -> list[nn.Module]:
    """Return the layers of a network, the lowest first; none for an unknown architecture."""
    if model.config.model_type not in _LAYOUTS:
        return []
    ends = _LAYOUTS[model.config.model_type].feed_forward
    names = [name for name, _ in model.base_model.named_modules()]
    found = dict.fromkeys(match["layer"] for name in names if (match := ends.fullmatch(name)))
    return [model.base_model.get_submodule(name) for name in found]


def lora_targets(model_type: str) -> tuple[str, ...]:
    """Return the query and value projections of architectures that PEFT does not list."""
    return _TARGETS.get(model_type, ())


def last_weights(
    model: PreTrainedModel, part: str, count: int
) -> Iterator[tuple[str, nn.Module, str]]:
    """Yield the name of each pretrained weight of the last `count` blocks, its module, and its
    name there.

    Raises:
        LocatedError: the backbone has fewer blocks.
    """
    blocks = _blocks(model)
    if count > len(blocks):
        raise LocatedError(
            f"part {part!r}: {model.config.model_type!r} has {len(blocks)} layers, not {count}",
            "method",
        )
    for prefix in blocks[len(blocks) - count :]:
        for inner, module in list(model.base_model.get_submodule(prefix).named_modules()):
            if not re.search(r"(lora_|adapter_|parametrizations)", inner):
                for leaf, _ in list(module.named_parameters(recurse=False)):
                    yield ".".join(filter(None, (prefix, inner, leaf))), module, leaf


def _blocks(model: PreTrainedModel) -> list[str]:
    """Return the names of the blocks: those of the longest list of modules."""
    lists = {
        name: len(module)
        for name, module in model.base_model.named_modules()
        if isinstance(module, nn.ModuleList)
    }
    if not lists:
        raise ValueError(f"{model.config.model_type!r} has no list of layers")
    longest = max(lists, key=lambda name: lists[name])
    return [f"{longest}.{number}" for number in range(lists[longest])]
