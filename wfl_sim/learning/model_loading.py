"""Loading of base models: configuration, tokenizer, classifier and causal language model."""

import os
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from wfl_sim.learning.pretrained_model import Pretrained
from wfl_sim.learning.torch_settings import deterministic, silence_transformers

ATTENTION: Final = "eager"
"""Attention is written out, so that a counter sees its products."""
DTYPES: Final = MappingProxyType({"fp32": torch.float32, "bf16": torch.bfloat16})
_FROM_PAD: Final = {"roberta", "xlm-roberta", "camembert"}
"""Architectures that number positions from the padding token on."""


def load_config(model: Pretrained, classes: int) -> PretrainedConfig:
    """Return the configuration with a head of `classes` outputs."""
    config = loaded(model, AutoConfig.from_pretrained, num_labels=classes)
    if hasattr(config, "use_cache"):
        config.use_cache = False
    return config


def load_tokenizer(model: Pretrained) -> PreTrainedTokenizerBase:
    """Return the tokenizer, padding on the right; without a padding token, end of text pads.

    Raises:
        ValueError: the tokenizer has neither a padding token nor an end-of-text token.
    """
    tokenizer = loaded(model, AutoTokenizer.from_pretrained)
    tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise ValueError(f"{model.pretrained!r}: the tokenizer has no token to pad with")
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(model: Pretrained, classes: int, pad: int) -> PreTrainedModel:
    """Return the network on its device and in its type, everything frozen, in evaluation mode.

    The head and the pooler below it may be missing in the checkpoint; they are then drawn from a
    fixed seed, so that they are the same in every process.

    Args:
        model: what to load.
        classes: outputs of the head.
        pad: id of the padding token, which decoders need to find the last word.

    Raises:
        ValueError: other weights are missing: the checkpoint is of another network.
        OSError: the machine has no such device.
    """
    if model.device == "cuda":
        # Without it cuBLAS has no fixed order of sums; it is read when CUDA is first used.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        if not torch.cuda.is_available():
            raise OSError("model.device: cuda is asked for, but torch finds none on this machine")
    config = load_config(model, classes)
    config.pad_token_id = pad
    auto = AutoModelForSequenceClassification
    network, missing = _with_weights(model, auto, config, ignore_mismatched_sizes=True)
    backbone = f"{network.base_model_prefix}."
    lost = {n for n in missing if n.startswith(backbone) and ".pooler." not in n}
    return _frozen(model, network, lost)


def load_on_meta(model: Pretrained, classes: int) -> PreTrainedModel:
    """Return the network on the meta device: shapes and no values, from the configuration alone."""
    config = load_config(model, classes)
    if config.pad_token_id is None:
        config.pad_token_id = 0
    return _without_values(AutoModelForSequenceClassification, config)


def most_tokens(config: PretrainedConfig) -> int | None:
    """Return the longest text that the network can read, in tokens; None for no limit."""
    positions = getattr(config, "max_position_embeddings", None)
    if positions is not None and config.model_type in _FROM_PAD:
        return int(positions) - int(config.pad_token_id or 0) - 1
    return positions


def loaded(
    model: Pretrained, load: Callable[..., Any], *, weights: bool = False, **options: Any
) -> Any:
    """Return what `load` makes of a model's folder, fetched with or without its weights.

    Raises:
        ValueError: it cannot be loaded.
    """
    with silence_transformers():
        folder = model.folder(weights=weights)
        try:
            return load(str(folder), trust_remote_code=False, local_files_only=True, **options)
        except (OSError, ValueError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ValueError(f"cannot load {model.pretrained!r}: {reason}") from error


def load_causal(model: Pretrained) -> PreTrainedModel:
    """Return the network with its weights in float32, everything frozen, in evaluation mode.

    Raises:
        ValueError: the checkpoint is of no causal language model, or weights are missing.
    """
    config = _causal_config(model)
    network, missing = _with_weights(model, AutoModelForCausalLM, config)
    tied = {"lm_head.weight"} if config.tie_word_embeddings else set()
    return _frozen(model, network, missing - tied)


def causal_shape(model: Pretrained) -> PreTrainedModel:
    """Return the network on the meta device: shapes and no values, from the configuration alone.

    Raises:
        ValueError: the configuration is of no causal language model.
    """
    return _without_values(AutoModelForCausalLM, _causal_config(model))


def _with_weights(
    model: Pretrained, auto: Any, config: PretrainedConfig, **options: Any
) -> tuple[PreTrainedModel, set[str]]:
    """Return a network in float32, and the names of the weights that the checkpoint lacks."""
    with deterministic(seed=0):
        network, report = loaded(
            model,
            auto.from_pretrained,
            weights=True,
            config=config,
            dtype=torch.float32,
            attn_implementation=ATTENTION,
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
    return network, {*report["missing_keys"]}


def _frozen(model: Pretrained, network: PreTrainedModel, lost: set[str]) -> PreTrainedModel:
    """Return a network on its device and in its type, frozen, in evaluation mode.

    Raises:
        ValueError: weights are lost.
    """
    if lost:
        raise ValueError(f"{model.pretrained!r} lacks {len(lost)} weights, such as {min(lost)}")
    placed: Any = network
    return placed.to(model.device, DTYPES[model.dtype]).requires_grad_(False).eval()


def _without_values(auto: Any, config: PretrainedConfig) -> PreTrainedModel:
    with silence_transformers(), torch.device("meta"):
        network = auto.from_config(config, attn_implementation=ATTENTION, dtype=torch.float32)
    return network.requires_grad_(False)


def _causal_config(model: Pretrained) -> PretrainedConfig:
    config = load_config(model, 1)
    writes = type(config) in AutoModelForCausalLM._model_mapping
    fills_in = type(config) in AutoModelForMaskedLM._model_mapping
    if not writes or (fills_in and not getattr(config, "is_decoder", False)):
        raise ValueError(
            f"{model.pretrained!r} is a {config.model_type!r}, which writes no text: instructions "
            "need a causal language model, such as builtin:tiny-gpt2"
        )
    return config
