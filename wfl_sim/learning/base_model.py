"""Base models in memory: configuration, tokenizer, and network with a classification head."""

from collections.abc import Callable
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from wfl_sim.learning.exact import exact
from wfl_sim.learning.model import Pretrained
from wfl_sim.learning.quiet import quiet

_FROM_PAD = {"roberta", "xlm-roberta", "camembert"}
"""architectures that number positions from the padding token on"""


def load_config(model: Pretrained, classes: int) -> PretrainedConfig:
    """Return the configuration with a head of `classes` outputs."""
    config = _fetch(model, AutoConfig.from_pretrained, num_labels=classes)
    if hasattr(config, "use_cache"):
        config.use_cache = False
    return config


def load_tokenizer(model: Pretrained) -> PreTrainedTokenizerBase:
    """Return the tokenizer, padding on the right; without a padding token, end of text pads.

    Raises:
        ValueError: the tokenizer has neither a padding token nor an end-of-text token.
    """
    tokenizer = _fetch(model, AutoTokenizer.from_pretrained)
    tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise ValueError(f"{model.pretrained!r}: the tokenizer has no token to pad with")
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(model: Pretrained, classes: int, pad: int) -> PreTrainedModel:
    """Return the network with its weights in float32, everything frozen, in evaluation mode.

    Weights that the checkpoint lacks (the head; a pooler that was never trained) are drawn from a
    fixed seed, so that they are the same in every process.

    Args:
        model: what to load.
        classes: outputs of the head.
        pad: id of the padding token, which decoders need to find the last word.
    """
    config = load_config(model, classes)
    config.pad_token_id = pad
    with exact(seed=0):
        network = _fetch(
            model,
            AutoModelForSequenceClassification.from_pretrained,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
        )
    return network.requires_grad_(False).eval()


def shape_of(model: Pretrained, classes: int) -> PreTrainedModel:
    """Return the network on the meta device: shapes and no values, from the configuration alone.

    Attention is written out ("eager"), so that its products are seen by a counter.
    """
    config = load_config(model, classes)
    if config.pad_token_id is None:
        config.pad_token_id = 0
    with quiet(), torch.device("meta"):
        network = AutoModelForSequenceClassification.from_config(
            config, attn_implementation="eager", dtype=torch.float32
        )
    return network.requires_grad_(False)


def most_tokens(config: PretrainedConfig) -> int | None:
    """Return the longest text that the network can read, in tokens; None for no limit."""
    positions = getattr(config, "max_position_embeddings", None)
    if positions is not None and config.model_type in _FROM_PAD:
        return int(positions) - int(config.pad_token_id or 0) - 1
    return positions


def commit_of(model: Pretrained) -> str:
    """Return the commit that a Hub id and its revision resolve to."""
    config = _fetch(model, AutoConfig.from_pretrained)
    return config._commit_hash or model.revision or "main"


def _fetch(model: Pretrained, load: Callable[..., Any], **options: Any) -> Any:
    folder = model.folder
    if folder is None and model.revision:
        options["revision"] = model.revision
    with quiet():
        try:
            return load(
                str(folder or model.pretrained),
                trust_remote_code=False,
                local_files_only=folder is not None,
                **options,
            )
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            hint = "" if folder else "; a Hub id needs a network connection or cached files"
            raise FileNotFoundError(f"cannot load {model.pretrained!r}: {reason}{hint}") from error
