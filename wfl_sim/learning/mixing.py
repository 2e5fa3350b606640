"""LoRAs whose weights differ from text to text, and the embeddings of texts that decide them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from transformers import PreTrainedModel

from wfl_sim.learning.causal.evaluation import slices
from wfl_sim.learning.causal.log_probabilities import request_states
from wfl_sim.learning.causal.prompts import Conversations
from wfl_sim.learning.tokenized import TokenizedTexts
from wfl_sim.learning.torch_settings import in_precision

Weights = Mapping[str, NDArray[np.floating]]
"""For each part with LoRAs what they count in each text, (n,)."""

_BATCH: Final = 128


def text_embeddings(
    model: PreTrainedModel, examples: TokenizedTexts | Conversations
) -> NDArray[np.float32]:
    """Return the mean of the last hidden states over the tokens of each text, (n, hidden).

    Of instructions the text is the request: its answer is not known when it is to be given.
    """
    model.eval()
    rows = []
    with torch.inference_mode(), in_precision(model):
        for here in slices(len(examples), _BATCH):
            batch = examples.take(here)
            if isinstance(batch, Conversations):
                hidden, mask = request_states(model, batch.texts), batch.texts.request_mask
            else:
                hidden, mask = model.base_model(**batch.inputs)[0], batch.mask
            mask = mask.unsqueeze(-1)
            rows.append((hidden * mask).sum(1) / mask.sum(1))
    return np.asarray(torch.cat(rows).float().cpu().numpy())


def weighing(
    model: PreTrainedModel, weights: Weights
) -> Callable[[slice], AbstractContextManager[None]]:
    """Return what lets LoRAs weigh as given in a pass on some of the texts."""
    return lambda here: weighted(model, {part: each[here] for part, each in weights.items()})


@contextmanager
def weighted(model: PreTrainedModel, weights: Weights) -> Iterator[None]:
    """Multiply what LoRAs add by a weight for each text of the batch."""
    with ExitStack() as hooks:
        for module in model.modules():
            if isinstance(module, LoraLayer):
                for part, each in weights.items():
                    if part in module.lora_B:
                        scale = torch.from_numpy(np.float32(each)).to(model.device)
                        handle = module.lora_B[part].register_forward_hook(_times(scale))
                        hooks.callback(handle.remove)
        yield


def _times(scale: Tensor) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        return output * scale.view(-1, *[1] * (output.dim() - 1))

    return hook
