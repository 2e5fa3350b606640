"""Folders of PEFT: what a run has trained as one, and the values that one begins a run with.

A folder holds `adapter_config.json` and the values of one LoRA and of whole modules beside it, such
as a head. In the weights every name begins with `base_model.model.`.
"""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils import ModulesToSaveWrapper
from safetensors import SafetensorError
from safetensors.numpy import load_file
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from wfl_sim.config.errors import counted
from wfl_sim.learning.base_models.model_loading import load_in_full, load_tokenizer
from wfl_sim.learning.base_models.pretrained_model import ADAPTER, Pretrained
from wfl_sim.learning.peft.architecture import last_weights
from wfl_sim.learning.peft.tuner import BITFIT, config_of, own_weights, plain_name
from wfl_sim.learning.torch_settings import silence_transformers
from wfl_sim.methods.parts import (
    Critic,
    Full,
    Head,
    LastLayers,
    LoRA,
    Offset,
    Part,
    RewardWeights,
    Shapes,
    Tuner,
    owner,
)
from wfl_sim.state import State, shapes_of, under

_BEGIN: Final = "base_model.model."
_WEIGHTS: Final = "adapter_model.safetensors"
_PLAIN: Final = {
    "use_dora": False,
    "bias": "none",
    "rank_pattern": {},
    "alpha_pattern": {},
    "target_parameters": None,
    "trainable_token_indices": None,
}
"""Options of a LoRA without which it is A and B of one rank."""


def write_peft(
    model: Pretrained,
    parts: Sequence[Part],
    state: State,
    classes: Sequence[str] | None,
    folder: Path,
    *,
    merge: bool = False,
) -> None:
    """Write trained values as a folder that `PeftModel.from_pretrained` loads.

    Args:
        model: the base model.
        parts: the parts of a method.
        state: the values of all of them.
        classes: names of the labels; None for a language model.
        folder: is made.
        merge: write the whole network in place of it, with everything added to its weights, which
            `from_pretrained` of transformers loads.

    Raises:
        ValueError: a part has no place in such a folder.
    """
    for part in parts:
        if isinstance(part.config, Critic | RewardWeights):
            continue  # of training alone
        if not isinstance(part.config, LoRA | Tuner | Head | Full | LastLayers | Offset):
            kind = type(part.config).__name__
            raise ValueError(f"part {part.name!r} has the type {kind}, which PEFT does not know")
    if not merge:
        if model.fresh:
            raise ValueError("the weights were drawn (fresh: true): give --merge, which writes all")
        for part in parts:
            if isinstance(part.config, Full | LastLayers | Offset) or _is_bitfit(part):
                raise ValueError(
                    f"part {part.name!r} is in the weights of the network itself: give --merge, "
                    "which writes the whole network"
                )
    tokenizer = load_tokenizer(model)
    count = None if classes is None else len(classes)
    network, drawn = load_in_full(model, count, int(tokenizer.pad_token_id))
    prefix = f"{network.base_model_prefix}."
    begin_with(model, network, parts)  # modules beside the LoRA that the run began with
    _write_into(network, parts, state)
    config, values = _combined(parts, state)
    tuned: Any = network
    if config is not None:
        heads = [part for part in parts if isinstance(part.config, Head)]
        whole = {name for part in heads for name in under(part.name, state)}
        whole = {name.partition(".")[0] for name in whole}
        below = {name.removeprefix(prefix) for name in drawn if name.startswith(prefix)}
        saved = {*whole, *(name.partition(".")[0] for name in below)}
        if inside := [name for name in values if name.partition(".")[0] in saved]:
            raise ValueError(f"{inside[0]!r} is of a module that is new itself: give --merge")
        if not any(isinstance(part.config, Tuner) for part in parts):
            layers = sorted({name.rpartition(".lora_")[0] for name in values})
            adapted = [network.base_model.get_submodule(name) for name in layers]
            config.target_modules = [f"{prefix}{name}" for name in layers]
            config.fan_in_fan_out = all(isinstance(layer, Conv1D) for layer in adapted)
        begun = json.loads((Path(model.adapter) / ADAPTER).read_bytes()) if model.adapter else {}
        for given in (vars(config), begun):
            saved |= {*(given.get("modules_to_save") or ())}
        config.modules_to_save = sorted(saved) or None
        config.task_type = "CAUSAL_LM" if classes is None else "SEQ_CLS"
        with warnings.catch_warnings():  # peft asks transformers by a name that it will drop
            warnings.simplefilter("ignore", FutureWarning)
            tuned = get_peft_model(network, config)
        with torch.no_grad():
            named = {plain_name(n, "default"): each for n, each in tuned.named_parameters()}
            for name, value in values.items():
                named[f"{_BEGIN}{prefix}{name}"].copy_(torch.from_numpy(value))
        tuned.peft_config["default"].base_model_name_or_path = _address(model)
        tuned.peft_config["default"].revision = None
    if merge:
        merged = _merged(tuned) if isinstance(tuned, PeftModel) else tuned
        if classes is not None:
            merged.config.id2label = dict(enumerate(classes))
            merged.config.label2id = {name: number for number, name in enumerate(classes)}
        with silence_transformers():
            merged.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    elif config is None:
        raise ValueError("nothing was trained that PEFT has a place for: no part is a LoRA")
    else:
        tuned.save_pretrained(folder, save_embedding_layers=False)


def _merged(tuned: PeftModel) -> Any:
    """Return the network with everything added to its weights, and whole modules in their place."""
    own_weights(tuned)
    try:
        merged: Any = tuned.merge_and_unload()
    except (NotImplementedError, AttributeError) as error:
        kind: Any = tuned.peft_config["default"].peft_type
        raise ValueError(f"PEFT cannot merge {kind.value}: leave --merge out ({error})") from error
    for name, module in list(merged.named_modules()):
        if isinstance(module, ModulesToSaveWrapper):  # some types leave them
            above, _, leaf = name.rpartition(".")
            setattr(merged.get_submodule(above), leaf, module.modules_to_save["default"])
    return merged


def how_to_load(
    model: Pretrained, classes: Sequence[str] | None, folder: str, *, merge: bool
) -> str:
    """Return the lines of Python that load what `write_peft` has written."""
    auto = "AutoModelForCausalLM" if classes is None else "AutoModelForSequenceClassification"
    if merge:
        lines = [f"from transformers import {auto}", f'{auto}.from_pretrained("{folder}")']
    else:
        labels = "" if classes is None else f", num_labels={len(classes)}"
        base = f'{auto}.from_pretrained("{_address(model)}", dtype="float32"{labels})'
        lines = ["from peft import PeftModel", f"from transformers import {auto}"]
        lines.append(f'PeftModel.from_pretrained({base}, "{folder}")')
    return "\n".join(f"    {line}" for line in lines)


def begin_with(model: Pretrained, network: PreTrainedModel, parts: Sequence[Part]) -> State:
    """Return the values that parts begin with, of the PEFT folder that a model names.

    What the folder holds of other modules is written into the network, which has no parts yet.

    Raises:
        ValueError: the folder cannot be read, or is of another kind or network.
    """
    if not model.adapter:
        return {}
    folder = Path(model.adapter)
    name = _lora_of(folder, parts)
    heads = any(isinstance(part.config, Head) for part in parts) and not network.can_generate()
    prefix = f"{network.base_model_prefix}."
    try:
        held = load_file(folder / _WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"adapter: {folder / _WEIGHTS} cannot be read: {error}") from error
    there, values = network.state_dict(), {}
    for full, value in held.items():
        inner = full.removeprefix(_BEGIN)
        if ".lora_" in inner:
            values[f"{name}/{inner.removeprefix(prefix)}"] = value.astype(np.float32)
        elif inner not in there or tuple(there[inner].shape) != value.shape:
            raise ValueError(f"adapter: the network has no {inner!r} of the shape {value.shape}")
        elif heads and not inner.startswith(prefix):
            values[f"head/{inner}"] = value.astype(np.float32)
        elif there[inner].device.type != "meta":
            there[inner].copy_(torch.from_numpy(value))
    return values


def check_begin(begin: State, shapes: Shapes) -> None:
    """Check that initial values are those of whole parts.

    Raises:
        ValueError: they are not.
    """
    owners = {name.partition("/")[0] for name in begin if ".lora_" in name}
    due = {n: tuple(shape) for n, shape in shapes.items() if n in begin or owner(n) in owners}
    given = shapes_of(begin)
    wrong = [name for name in sorted({*due, *given}) if due.get(name) != given.get(name)]
    if wrong:
        layers = {n.rpartition(".lora_")[0].rpartition(".")[2] for n in begin if ".lora_" in n}
        raise ValueError(
            f"adapter: it and the method differ in {counted(len(wrong), 'value')}, such as "
            f"{wrong[0].partition('/')[2]!r}; it adapts layers named {', '.join(sorted(layers))}: "
            "give these as lora.targets, or name the base model that it was made for"
        )


def _lora_of(folder: Path, parts: Sequence[Part]) -> str:
    """Return the name of the part that a folder holds the values of."""
    config = json.loads((folder / ADAPTER).read_bytes())
    loras = {part.name: part.config for part in parts if isinstance(part.config, LoRA)}
    if config.get("peft_type") != "LORA" or len(loras) != 1:
        raise ValueError(
            f"adapter: {folder} holds values of {config.get('peft_type')}, and the method has "
            f"{len(loras)} LoRAs: one LoRA can begin with the values of one"
        )
    for name, plain in _PLAIN.items():
        if config.get(name) not in (plain, None):
            raise ValueError(f"adapter: {folder} has {name}, which a LoRA of a method has not")
    rank = int(config["r"])
    scale = float(config["lora_alpha"]) / (rank**0.5 if config.get("use_rslora") else rank)
    ((name, lora),) = loras.items()
    if (rank, scale) != (lora.rank, lora.scale):
        raise ValueError(
            f"adapter: {folder} has rank {rank} and alpha {scale * rank:g}, and the method's LoRA "
            f"{lora.rank} and {lora.scale * lora.rank:g}: "
            f"give lora: {{rank: {rank}, alpha: {scale * rank:g}}}"
        )
    return name


def _write_into(network: PreTrainedModel, parts: Sequence[Part], state: State) -> None:
    """Write heads and trained weights into a network, and add offsets to them."""
    places = dict(network.named_parameters()) | dict(network.base_model.named_parameters())
    with torch.no_grad():
        for part in sorted(parts, key=lambda part: isinstance(part.config, Offset)):
            values = under(part.name, state)
            if isinstance(part.config, Head):
                for name, value in values.items():
                    network.get_parameter(name).copy_(torch.from_numpy(value))
            elif isinstance(part.config, Full) or _is_bitfit(part):
                for name, value in values.items():
                    stem = name.removesuffix("transposed")
                    name = name if stem == name else f"{stem}weight"
                    places[name].copy_(torch.from_numpy(value))
            elif isinstance(part.config, LastLayers | Offset):
                for name, module, leaf in last_weights(network, part.name, part.config.layers):
                    trained, weight = torch.from_numpy(values[name]), getattr(module, leaf)
                    before = weight if isinstance(part.config, Offset) else 0
                    weight.copy_(before + trained)


def _is_bitfit(part: Part) -> bool:
    return isinstance(part.config, Tuner) and part.config.type == BITFIT


def _combined(parts: Sequence[Part], state: State) -> tuple[Any, State]:
    """Return the configuration of what adapts layers, and its values by name.

    LoRAs are made one, whose rank is the sum of theirs.
    """
    for part in parts:
        if isinstance(part.config, Tuner) and not _is_bitfit(part):
            return config_of(part.config), under(part.name, state)
    parts = [part for part in parts if isinstance(part.config, LoRA)]
    configs = [part.config for part in parts if isinstance(part.config, LoRA)]
    if not configs:
        return None, {}
    values = [under(part.name, state) for part in parts]
    rank = sum(config.rank for config in configs)
    alpha = configs[0].scale * rank if len(configs) == 1 else rank
    made = {}
    for name in values[0]:
        first = ".lora_A." in name
        scales = [1.0 if first or len(configs) == 1 else config.scale for config in configs]
        pairs = zip(scales, values, strict=True)
        each = [np.float32(scale) * own[name] for scale, own in pairs]
        made[name] = np.concatenate(each, axis=0 if first else 1)
    return LoraConfig(r=rank, lora_alpha=alpha), made  # type: ignore[arg-type]


def _address(model: Pretrained) -> str:
    """Return what the base model is loaded from: its folder, or its id on the Hub."""
    return str(model.folder()) if model.is_local else model.pretrained
