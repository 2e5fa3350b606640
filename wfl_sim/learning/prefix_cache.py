"""Outputs of the layers below the lowest part, which are always the same for a text.

Without dropout a text needs to pass them once, and not at every step and in every round. The
products are then taken in batches of another size, so the last bits may differ.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, Final
from weakref import ReferenceType, ref

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from wfl_sim.execution.lru_cache import LruCache
from wfl_sim.learning.peft.architecture import layers_of
from wfl_sim.learning.tokenized import Batchable, TokenizedTexts
from wfl_sim.learning.torch_settings import in_precision, noisy_part

_AT_ONCE: Final = 64

BeginAbove = Callable[[Tensor, Any], None]
"""From the rows of a batch among all texts, and the batch. To be called before each pass."""


class PrefixCache:
    """Outputs of the prefix for the texts of many devices; the last used are kept.

    Args:
        model: a network with its parts.
        parts: all their parameters.
        limit: bytes of outputs that are kept.
    """

    def __init__(self, model: PreTrainedModel, parts: Iterable[Tensor], limit: float) -> None:
        self._model = model
        self._limit = limit
        self._kept = LruCache[tuple[ReferenceType[TokenizedTexts], Tensor]](
            limit, lambda kept: kept[1].nbytes
        )
        self._rows = torch.empty(0)
        self.layers = [] if noisy_part(model) else _below(model, {id(each) for each in parts})

    def outputs(self, examples: Batchable) -> Tensor | None:
        """Return the output for each text, (texts, tokens, hidden), computed where it is not kept.

        None where there is no prefix, or where it is too much to be kept.
        """
        if not self.layers or not isinstance(examples, TokenizedTexts):
            return None
        size = examples.ids.numel() * self._model.config.hidden_size * self._model.dtype.itemsize
        if size > self._limit:
            return None
        key = str(id(examples))
        if key not in self._kept or self._kept[key][0]() is not examples:
            self._kept[key] = ref(examples), self._made(examples)
        return self._kept[key][1]

    @contextmanager
    def over(self, *several: Batchable) -> Iterator[BeginAbove | None]:
        """Let the network begin above the prefix, where all its outputs can be kept.

        The value is None where they cannot be kept, and the network stays as it is.
        """
        outputs = [self.outputs(each) for each in several]
        kept = [each for each in outputs if each is not None]
        if len(kept) < len(outputs):
            yield None
            return
        whole = kept[0] if len(kept) == 1 else torch.cat(kept)

        def begin_above(rows: Tensor, batch: Any) -> None:
            self._rows = whole[rows, : batch.ids.shape[1]]

        with ExitStack() as restored:
            for layer in self.layers:
                layer.forward = self._forward
                restored.callback(delattr, layer, "forward")
            yield begin_above
            self._rows = torch.empty(0)

    def _forward(self, *_: Any, **__: Any) -> Tensor:
        return self._rows

    def _made(self, examples: TokenizedTexts) -> Tensor:
        found: list[Tensor] = []
        last = self.layers[-1]
        was_training = self._model.training
        self._model.eval()
        noted = last.register_forward_hook(lambda module, given, output: found.append(output))
        try:
            with torch.no_grad(), in_precision(self._model):
                for first in range(0, len(examples), _AT_ONCE):
                    rows = slice(first, first + _AT_ONCE)
                    self._model.base_model(**replace(examples, padding="fixed").take(rows).inputs)
        finally:
            noted.remove()
            self._model.train(was_training)
        return torch.cat(found)


def _below(model: PreTrainedModel, parts: set[int]) -> list[nn.Module]:
    """Return the layers below the lowest one with a part; none where a part lies below all."""
    layers = layers_of(model)
    inside = {id(value) for layer in layers for value in layer.parameters()}
    if any(id(value) in parts - inside for value in model.base_model.parameters()):
        return []
    found = []
    for layer in layers:
        if any(id(value) in parts for value in layer.parameters()):
            break
        found.append(layer)
    return found
