"""Causal language models in memory, or their shapes alone."""

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    PretrainedConfig,
    PreTrainedModel,
)

from wfl_sim.learning.base_model import ATTENTION, DTYPES, load_config, loaded
from wfl_sim.learning.exact import exact
from wfl_sim.learning.model import Pretrained
from wfl_sim.learning.quiet import quiet


def load_causal(model: Pretrained) -> PreTrainedModel:
    """Return the network with its weights in float32, everything frozen, in evaluation mode.

    Raises:
        ValueError: the checkpoint is of no causal language model, or weights are missing.
    """
    config = _config(model)
    with exact(seed=0):
        network, report = loaded(
            model,
            AutoModelForCausalLM.from_pretrained,
            weights=True,
            config=config,
            dtype=torch.float32,
            attn_implementation=ATTENTION,
            use_safetensors=True,
            output_loading_info=True,
        )
    tied = {"lm_head.weight"} if config.tie_word_embeddings else set()
    if lost := {*report["missing_keys"]} - tied:
        raise ValueError(f"{model.pretrained!r} lacks {len(lost)} weights, such as {min(lost)}")
    return network.to(model.device, DTYPES[model.dtype]).requires_grad_(False).eval()


def causal_shape(model: Pretrained) -> PreTrainedModel:
    """Return the network on the meta device: shapes and no values, from the configuration alone.

    Raises:
        ValueError: the configuration is of no causal language model.
    """
    config = _config(model)
    with quiet(), torch.device("meta"):
        network = AutoModelForCausalLM.from_config(
            config, attn_implementation=ATTENTION, dtype=torch.float32
        )
    return network.requires_grad_(False)


def _config(model: Pretrained) -> PretrainedConfig:
    config = load_config(model, 1)
    writes = type(config) in AutoModelForCausalLM._model_mapping
    fills_in = type(config) in AutoModelForMaskedLM._model_mapping
    if not writes or (fills_in and not getattr(config, "is_decoder", False)):
        raise ValueError(
            f"{model.pretrained!r} is a {config.model_type!r}, which writes no text: instructions "
            "need a causal language model, such as builtin:tiny-gpt2"
        )
    return config
