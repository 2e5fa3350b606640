"""Settings of torch and transformers for one `with` block: determinism, precision, silence."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
import torch.utils.deterministic
from huggingface_hub.utils import logging as hub_logging
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.utils import logging

_memory: Any = torch.utils.deterministic  # its one attribute is unknown to type checkers


@contextmanager
def deterministic(*, seed: int, threads: int | None = None) -> Iterator[None]:
    """Run torch deterministically from `seed`; every global setting comes back afterwards.

    Sums inside a matrix product are split by threads, so the same bits need the same `threads`;
    None leaves the number as it is.
    """
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    filled = _memory.fill_uninitialized_memory
    before = torch.get_num_threads()
    generators = [torch.default_generator]
    if torch.cuda.is_initialized():
        generators.append(torch.cuda.default_generators[torch.cuda.current_device()])
    numbers = [generator.get_state() for generator in generators]
    for generator in generators:
        generator.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    # Filling fresh memory with NaN guards against nothing here and costs time at every step.
    _memory.fill_uninitialized_memory = False
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        _memory.fill_uninitialized_memory = filled
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        for generator, state in zip(generators, numbers, strict=True):
            generator.set_state(state)


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Let no parameter require a gradient meanwhile.

    Where one does, torch multiplies in another order, even while it records no gradients.
    """
    learning = [each for each in model.parameters() if each.requires_grad]
    for each in learning:
        each.requires_grad_(False)
    try:
        yield
    finally:
        for each in learning:
            each.requires_grad_(True)


def noisy_part(model: PreTrainedModel) -> str | None:
    """Return the name of the first module that drops anything out; None where none does.

    Some layers have a module for it, some a number that they hand to attention.
    """
    for path, module in model.named_modules():
        rates = [value for name, value in vars(module).items() if "dropout" in name]
        rates += [module.p] if isinstance(module, nn.Dropout) else []
        if any(isinstance(rate, float) and rate > 0 for rate in rates):
            return path
    return None


def checkpointed(module: nn.Module) -> bool:
    """Return whether a layer is computed again in the backward pass instead of being kept."""
    return isinstance(module, GradientCheckpointingLayer) and module.gradient_checkpointing


def in_precision(model: PreTrainedModel) -> AbstractContextManager[object]:
    """Return the context of a forward pass: products are taken in the type of the frozen weights.

    What a method trains is in float32 whatever they are, and is rounded for a product only. Their
    type is that of the embeddings: the first weights may be a head.
    """
    embeddings: Any = model.get_input_embeddings()
    kind = embeddings.weight.dtype
    if kind == torch.float32:
        return nullcontext()
    return torch.autocast(model.device.type, kind)


@contextmanager
def silence_transformers() -> Iterator[None]:
    """Hide load reports of transformers, its progress bars, and the Hub's retries."""
    hub = hub_logging.get_verbosity()
    hub_logging.set_verbosity_error()
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        hub_logging.set_verbosity(hub)
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
