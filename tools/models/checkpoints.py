"""Tiny random checkpoints of many architectures, as transformers saves them."""

import shutil
from pathlib import Path
from typing import Any, Final

import torch
import transformers
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

from wfl_sim.learning.pretrained import builtin

_SIZES: Final = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 128,
}
_GROUPED: Final = {**_SIZES, "num_key_value_heads": 1, "head_dim": 16}
_EXPERTS: Final = {**_GROUPED, "moe_intermediate_size": 32, "num_experts_per_tok": 2}
_TWO: Final = {"d_model": 32, "num_heads": 2, "num_layers": 2, "d_ff": 64, "d_kv": 16}
_BOTH: Final = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "max_position_embeddings": 130,
}
_NARROW: Final = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 128}
_POSITIONS: Final = {**_SIZES, "max_position_embeddings": 130}

ENCODERS: Final[dict[str, dict[str, Any]]] = {
    "Bert": _SIZES,
    "Roberta": _POSITIONS,
    "XLMRoberta": _POSITIONS,
    "Camembert": _POSITIONS,
    "DistilBert": {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 2},
    "Electra": {**_SIZES, "embedding_size": 32},
    "Albert": {**_SIZES, "embedding_size": 16},
    "Deberta": {**_SIZES, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "DebertaV2": {**_SIZES, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "MPNet": _POSITIONS,
    "ModernBert": {**_SIZES, "global_attn_every_n_layers": 2, "local_attention": 16},
    "Longformer": {**_POSITIONS, "attention_window": [16, 16]},
    "XLNet": {"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 64},
    "Ernie": _SIZES,
    "FNet": {**_SIZES, "tpu_short_seq_length": 128},
    "T5": _TWO,
    "MT5": _TWO,
    "Bart": _BOTH,
    "MBart": _BOTH,
}
DECODERS: Final[dict[str, dict[str, Any]]] = {
    "GPT2": _NARROW,
    "OpenAIGPT": _NARROW,
    "GPTNeo": {
        "hidden_size": 32,
        "num_layers": 2,
        "num_heads": 2,
        "max_position_embeddings": 128,
        "attention_types": [[["global", "local"], 1]],
        "window_size": 16,
    },
    "GPTNeoX": _SIZES,
    "GPTJ": {**_NARROW, "rotary_dim": 8},
    "OPT": {**_SIZES, "ffn_dim": 64, "word_embed_proj_dim": 32},
    "Bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 2},
    "Falcon": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2},
    "Mpt": {"d_model": 32, "n_layers": 2, "n_heads": 2, "max_seq_len": 128},
    "Llama": _GROUPED,
    "Mistral": {**_GROUPED, "sliding_window": 16},
    "Mixtral": {**_EXPERTS, "num_local_experts": 4},
    "Qwen2": _GROUPED,
    "Qwen3": _GROUPED,
    "Qwen2Moe": {**_EXPERTS, "num_experts": 4, "shared_expert_intermediate_size": 32},
    "Qwen3Moe": {**_EXPERTS, "num_experts": 4},
    "Gemma": _GROUPED,
    "Gemma2": {**_GROUPED, "sliding_window": 16, "query_pre_attn_scalar": 16},
    "Gemma3Text": {**_GROUPED, "sliding_window": 16, "query_pre_attn_scalar": 16},
    "Phi": _SIZES,
    "Phi3": {**_GROUPED, "sliding_window": 16},
    "StableLm": {**_SIZES, "num_key_value_heads": 2},
    "Starcoder2": _GROUPED,
    "Olmo": _SIZES,
    "Olmo2": _SIZES,
    "Olmoe": {**_EXPERTS, "num_experts": 4},
    "Cohere": _SIZES,
    "Granite": {**_GROUPED, "residual_multiplier": 0.5},
    "SmolLM3": _GROUPED,
    "Jamba": {
        **_GROUPED,
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
        "num_experts": 2,
        "mamba_d_state": 8,
        "mamba_dt_rank": 4,
        "use_mamba_kernels": False,
    },
    "Mamba": {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 8},
    "Mamba2": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "state_size": 8,
        "num_heads": 4,
        "head_dim": 16,
        "n_groups": 2,
    },
    "Rwkv": {"hidden_size": 32, "num_hidden_layers": 2, "attention_hidden_size": 32},
}


def checkpoint(architecture: str, folder: Path) -> Path:
    """Save a random network of an architecture, with the tokenizer of a built-in one.

    Args:
        architecture: a key of `ENCODERS` or `DECODERS`.
        folder: made anew.
    """
    writes = architecture in DECODERS
    source = builtin("tiny-gpt2" if writes else "tiny-bert")
    tokenizer = AutoTokenizer.from_pretrained(source)
    end = tokenizer.eos_token_id if writes else tokenizer.sep_token_id
    options = {**ENCODERS, **DECODERS}[architecture] | {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": end,
        "eos_token_id": end,
    }
    config = getattr(transformers, f"{architecture}Config")(**options)
    if config.is_encoder_decoder:
        config.decoder_start_token_id = tokenizer.pad_token_id
    auto: Any = AutoModelForCausalLM if writes else AutoModel
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = auto.from_config(config)
    shutil.rmtree(folder, ignore_errors=True)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
