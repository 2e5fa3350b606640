"""Where the sub-layers of the known architectures end: the places of adapters and of LoRA.

A pattern matches the name, inside the backbone, of the last module of a sub-layer before the
residual sum; its group ``layer`` is the layer.
"""

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from torch import nn
from transformers import PreTrainedModel


@dataclass(frozen=True)
class Layout:
    """Names of the modules that close attention and feed-forward in every layer."""

    attention: re.Pattern[str]
    feed_forward: re.Pattern[str]
    token_by_token: str | None = None
    """in a layer, the first module from which on no token looks at another; given where a
    classifier's head reads the first token alone"""


def _layout(
    layer: str, attention: str, feed_forward: str, token_by_token: str | None = None
) -> Layout:
    prefix = rf"(?P<layer>{layer}\.\d+)\."
    return Layout(
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


def layout_of(model_type: str) -> Layout:
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
