"""The recipe: one fingerprint of all code and settings that decide a learning result.

Data are not in it: tasks name the fingerprints of their examples.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from wfl_sim.codecs.codec import Codec
from wfl_sim.config.plugin_code import code_of
from wfl_sim.execution.processor import processor
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.methods.method import Method
from wfl_sim.methods.objectives import Alignment
from wfl_sim.methods.phases import Phase

_ROOT: Final = Path(__file__).parents[1]
SOURCES: Final = (
    "methods/**/*.py",
    "learning/**/*.py",
    "data/dialogues.py",
    "data/examples.py",
    "data/instruct_rules.py",
    "data/metrics.py",
    "data/requests.toml",
    "data/retrieval.py",
    "execution/lru_cache.py",
    "execution/task.py",
    "codecs/**/*.py",
    "state.py",
    "randomness.py",
)
"""Files below `wfl_sim` whose content is in the recipe."""
_LIBRARIES: Final = ("torch", "transformers", "peft", "tokenizers", "numpy")


def learner_fingerprint(
    *,
    model: Pretrained,
    method: Method,
    tokens: int,
    classes: int,
    codecs: tuple[Codec, Codec],
    threads: int | None,
    settings: tuple[object, ...] = (),
) -> str:
    """Return 64 hexadecimal digits; equal recipes, shards, seeds and states give equal results.

    `settings` are all other settings that decide a result; their reprs and code are hashed.
    """
    text = json.dumps(
        {
            "sources": _own_code(),
            "plugins": code_of(model, method, method.parts, method.phases, codecs, settings),
            "libraries": {name: version(name) for name in _libraries(model)},
            "model": model.fingerprint(),
            "method": _declaration(method),
            "parts": repr(method.parts),
            "phases": repr(method.phases),
            "tokens": tokens,
            "classes": classes,
            "codecs": [_declaration(codec) for codec in codecs],
            "threads": threads,
            "processor": dict(processor()),
            "accelerator": _accelerator(model),
            "precision": [
                model.fresh,
                model.device,
                model.dtype,
                model.quantise,
                model.attention,
                model.activations > 0,
                model.compile,
                model.gradient_checkpointing,
            ],
            "settings": repr(settings),
        },
        sort_keys=True,
    )
    return hashlib.sha256(text.encode()).hexdigest()


def rewards_of(phases: Iterable[Phase]) -> tuple[str, ...]:
    """Return the fingerprints of the reward models that phases learn from."""
    objectives = [phase.objective for phase in phases if isinstance(phase.objective, Alignment)]
    names = [name for objective in objectives for name in objective.rewards.models]
    return tuple(Pretrained(pretrained=name).fingerprint() for name in names)


@cache
def _own_code() -> str:
    digest = hashlib.sha256()
    for file in sorted(file for pattern in SOURCES for file in _ROOT.glob(pattern)):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(_ROOT)} {content}\n".encode())
    return digest.hexdigest()


def _libraries(model: Pretrained) -> tuple[str, ...]:
    return (*_LIBRARIES, *(["bitsandbytes"] if model.quantise.startswith("bnb-") else []))


def _accelerator(model: Pretrained) -> str:
    if model.device == "cpu":
        return ""
    import torch

    # cuBLAS and cuDNN read the variable themselves, whatever torch asks of them.
    forced = os.environ.get("NVIDIA_TF32_OVERRIDE", "")
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    return f"{name}, NVIDIA_TF32_OVERRIDE={forced}" if forced else name


def _declaration(component: Any) -> str:
    return f"{type(component).__qualname__} {asdict(component)!r}"
