"""The weights of the last blocks of a backbone, in the order of the network."""

import re
from collections.abc import Iterator

from torch import nn
from transformers import PreTrainedModel

from wfl_sim.registry import LocatedError


def last_weights(
    model: PreTrainedModel, part: str, count: int
) -> Iterator[tuple[str, nn.Module, str]]:
    """Yield the name of each pretrained weight of the last `count` blocks, its module, and its
    leaf.

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
