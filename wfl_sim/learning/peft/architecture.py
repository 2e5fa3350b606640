"""Names of layers in known architectures: where a prefix ends, and where tokens are independent."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from torch import nn
from transformers import PreTrainedModel

from wfl_sim.config.errors import LocatedError


@dataclass(frozen=True)
class Layers:
    """Names of the layers inside a backbone, each of which hands on one tensor."""

    name: re.Pattern[str]
    token_by_token: str | None = None
    """First module of a layer behind its attention, from which on tokens are independent; given
    where a classifier's head reads the first token alone."""


_BERT: Final = Layers(re.compile(r"encoder\.layer\.\d+"), "attention.output")
_LLAMA: Final = Layers(re.compile(r"layers\.\d+"))
_LAYERS: Final = MappingProxyType(
    {
        **dict.fromkeys(("bert", "electra", "roberta", "xlm-roberta", "camembert"), _BERT),
        "distilbert": Layers(re.compile(r"transformer\.layer\.\d+"), "sa_layer_norm"),
        "gpt2": Layers(re.compile(r"h\.\d+")),
        **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3", "gemma"), _LLAMA),
    }
)


def token_by_token(model: PreTrainedModel) -> str | None:
    """Return the first module of a layer from which on tokens are independent, where known."""
    known = _LAYERS.get(model.config.model_type)
    return known.token_by_token if known else None


def layers_of(model: PreTrainedModel) -> list[nn.Module]:
    """Return the layers of a network, the lowest first; none for an unknown architecture."""
    known = _LAYERS.get(model.config.model_type)
    named = model.base_model.named_modules() if known else ()
    return [module for name, module in named if known and known.name.fullmatch(name)]


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
