"""Loading of base models: configuration, tokenizer, classifier and causal language model."""

import json
import os
from collections.abc import Callable
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

from wfl_sim.learning.base_models.network_options import WRITTEN_OUT, attention_of, frozen
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.base_models.quantised import options_of, quantise
from wfl_sim.learning.torch_settings import deterministic, silence_transformers

_FROM_PAD: Final = {"roberta", "xlm-roberta", "camembert"}
"""Architectures that number positions from the padding token on."""
_WITHOUT_MASK: Final = {"rwkv", "xlstm"}
"""Language models that read padding as words, whatever mask they are given."""


def load_config(model: Pretrained, classes: int) -> PretrainedConfig:
    """Return the configuration with a head of `classes` outputs."""
    config = loaded(model, AutoConfig.from_pretrained, num_labels=classes)
    if hasattr(config, "use_cache"):
        config.use_cache = False
    return config


def load_tokenizer(model: Pretrained) -> PreTrainedTokenizerBase:
    """Return the tokenizer, padding on the right; without a padding token, end of text pads.

    Its `eos_token` is what ends an answer: that after an answer in the chat template, or else the
    tokenizer's own, or else the first that generation_config.json or config.json names.

    Raises:
        ValueError: the tokenizer has neither a padding token nor an end-of-text token.
    """
    tokenizer: PreTrainedTokenizerBase = loaded(model, AutoTokenizer.from_pretrained)
    tokenizer.padding_side = "right"
    if tokenizer.eos_token is None and (named := _named_ends(model)):
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(named[0])
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise ValueError(f"{model.pretrained!r}: the tokenizer has no token to pad with")
        tokenizer.pad_token = tokenizer.eos_token
    if end := _end_of_turn(tokenizer):
        tokenizer.eos_token = end
    return tokenizer


def _named_ends(model: Pretrained) -> list[int]:
    """Return the ids that generation_config.json, or else config.json, says to end a text."""
    for name in ("generation_config.json", "config.json"):
        file = model.folder() / name
        found = json.loads(file.read_bytes()).get("eos_token_id") if file.is_file() else None
        if found is not None:
            return list(found) if isinstance(found, list) else [found]
    return []


def _end_of_turn(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """Return the first special token after an answer in the chat template."""
    if tokenizer.chat_template is None:
        return None
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "answer"}]
    try:
        text = str(tokenizer.apply_chat_template(turns, tokenize=False))
    except Exception:  # a template is code of others; what it does to requests is told elsewhere
        return None
    known = {*tokenizer.all_special_tokens, *map(str, tokenizer.added_tokens_decoder.values())}
    after = tokenizer.tokenize(text.rpartition("answer")[2])
    return next((token for token in after if token in known), None)


def load_model(
    model: Pretrained, classes: int, pad: int, *, headed: bool = False
) -> PreTrainedModel:
    """Return the network on its device and in its type, everything frozen, in evaluation mode.

    The head and the pooler below it may be missing in the checkpoint; they are then drawn from a
    fixed seed, so that they are the same in every process.

    Args:
        model: what to load.
        classes: outputs of the head.
        pad: id of the padding token, which decoders need to find the last word.
        headed: whether the checkpoint must hold the head, too.

    Raises:
        ValueError: other weights are missing: the checkpoint is of another network.
        OSError: the machine has no such device.
    """
    check_device(model)
    return _placed(model, _classifier(model, classes, pad, headed, **options_of(model))[0])


def check_device(model: Pretrained) -> None:
    """Make CUDA deterministic where it is asked for.

    Raises:
        OSError: the machine has none.
    """
    if model.device == "cuda":
        # Without it cuBLAS has no fixed order of sums; it is read when CUDA is first used.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        if not torch.cuda.is_available():
            raise OSError("model.device: cuda is asked for, but torch finds none on this machine")


def read_headers(
    model: Pretrained, classes: int | None, pad: int, *, headed: bool = False
) -> tuple[PreTrainedModel, set[str]]:
    """Return the network on the meta device, and the names of the weights that will be drawn.

    Names and shapes of the weights are read, and no values.

    Args:
        model: what to load.
        classes: outputs of the head; None for a language model.
        pad: id of the padding token.
        headed: whether the checkpoint must hold the head, too.

    Raises:
        ValueError: the weights are not those of the network.
    """
    if classes is None:
        return _causal(model, device_map="meta"), set()
    return _classifier(model, classes, pad, headed, device_map="meta")


def load_in_full(
    model: Pretrained, classes: int | None, pad: int
) -> tuple[PreTrainedModel, set[str]]:
    """Return what `read_headers` does, with values: the network in float32, on the host."""
    if classes is None:
        return _causal(model), set()
    return _classifier(model, classes, pad, headed=False)


def load_on_meta(model: Pretrained, classes: int) -> PreTrainedModel:
    """Return the network on the meta device: shapes and no values, from the configuration alone."""
    config = load_config(model, classes)
    if config.pad_token_id is None:
        config.pad_token_id = 0
    return _without_values(model, AutoModelForSequenceClassification, config)


def most_tokens(config: PretrainedConfig) -> int | None:
    """Return the longest text that the network can read, in tokens; None for no limit."""
    positions = getattr(config, "max_position_embeddings", None)
    if positions is None or positions < 1:
        return None
    return int(positions) - int(config.model_type in _FROM_PAD) * (
        int(config.pad_token_id or 0) + 1
    )


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
        except MemoryError:
            raise
        except Exception as error:  # a file of others may raise anything in transformers
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise ValueError(f"cannot load {model.pretrained!r}: {reason}") from error


def load_causal(model: Pretrained) -> PreTrainedModel:
    """Return the network with its weights, everything frozen, in evaluation mode.

    Raises:
        ValueError: the checkpoint is of no causal language model, or weights are missing.
    """
    check_device(model)
    return _placed(model, _causal(model, **options_of(model)))


def causal_shape(model: Pretrained) -> PreTrainedModel:
    """Return the network on the meta device: shapes and no values, from the configuration alone.

    Raises:
        ValueError: the configuration is of no causal language model.
    """
    return _without_values(model, AutoModelForCausalLM, _causal_config(model))


def _classifier(
    model: Pretrained, classes: int, pad: int, headed: bool, **options: Any
) -> tuple[PreTrainedModel, set[str]]:
    config = load_config(model, classes)
    config.pad_token_id = pad

    def needed(network: PreTrainedModel, name: str) -> bool:
        return headed or (
            name.startswith(f"{network.base_model_prefix}.") and ".pooler." not in name
        )

    return _with_weights(model, AutoModelForSequenceClassification, config, needed, **options)


def _causal(model: Pretrained, **options: Any) -> PreTrainedModel:
    config = _causal_config(model)
    tied = {"lm_head.weight"} if config.tie_word_embeddings else set()
    return _with_weights(
        model, AutoModelForCausalLM, config, lambda _, name: name not in tied, **options
    )[0]


def _with_weights(
    model: Pretrained,
    auto: Any,
    config: PretrainedConfig,
    needed: Callable[[PreTrainedModel, str], bool],
    **options: Any,
) -> tuple[PreTrainedModel, set[str]]:
    """Return a network, in float32 unless told, and the names of the weights that were drawn.

    Raises:
        ValueError: a weight that is needed is missing, or has another shape.
    """
    attention = attention_of(model, auto, config)
    if model.fresh:
        dtype = options.get("dtype", torch.float32)
        with deterministic(seed=0), torch.device(options.get("device_map", "cpu")):
            return auto.from_config(config, attn_implementation=attention, dtype=dtype), set()
    with deterministic(seed=0):
        network, report = loaded(
            model,
            auto.from_pretrained,
            weights=True,
            config=config,
            attn_implementation=attention,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # an error below, unless it is a head of other classes
            **{"dtype": torch.float32, **options},
        )
    drawn = {*report["missing_keys"]}
    for name, held, expected in sorted(report["mismatched_keys"]):
        drawn.add(name)
        if needed(network, name):
            raise ValueError(
                f"{model.pretrained!r}: {name} has the shape {tuple(held)} in the weights and "
                f"{tuple(expected)} by config.json: correct config.json, or save the model anew"
            )
    if lost := {name for name in drawn if needed(network, name)}:
        raise ValueError(f"{model.pretrained!r} lacks {len(lost)} weights, such as {min(lost)}")
    return network, drawn


def _placed(model: Pretrained, network: Any) -> PreTrainedModel:
    if not model.quantise.startswith("bnb-"):  # which places what it loads
        network = network.to(model.device)
    return frozen(model, network.eval())


def _without_values(model: Pretrained, auto: Any, config: PretrainedConfig) -> PreTrainedModel:
    with silence_transformers(), torch.device("meta"):
        network = auto.from_config(config, attn_implementation=WRITTEN_OUT, dtype=torch.float32)
    return frozen(model, quantise(model.quantise, network))


def _causal_config(model: Pretrained) -> PretrainedConfig:
    config = load_config(model, 1)
    writes = type(config) in AutoModelForCausalLM._model_mapping and not config.is_encoder_decoder
    fills_in = type(config) in AutoModelForMaskedLM._model_mapping
    why = ""
    if not writes or (fills_in and not getattr(config, "is_decoder", False)):
        why = "writes no text: instructions need a causal language model, as builtin:tiny-gpt2"
    elif config.model_type in _WITHOUT_MASK:
        why = "reads padding as words: requests of different lengths cannot be in one batch"
    if why:
        raise ValueError(f"{model.pretrained!r} is a {config.model_type!r}, which {why}")
    return config
