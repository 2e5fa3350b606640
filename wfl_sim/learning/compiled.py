"""Forward and backward pass of a classifier through torch.compile."""

from typing import Any

import torch
from torch import _dynamo
from torch._dynamo.exc import TorchDynamoException
from transformers import PreTrainedModel


class Compiled:
    """Computes what a network computes, with its parameters; compiled when it is first called."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._forward = torch.compile(model)

    def __call__(self, **inputs: Any) -> Any:
        """Return the network's output.

        Raises:
            OSError: torch cannot compile on this machine.
        """
        # Adapters are hooks. Unless told to, torch does not look whether those of this network are
        # those of the one that it compiled before.
        with _dynamo.config.patch(skip_nnmodule_hook_guards=False):
            try:
                return self._forward(**inputs)
            except TorchDynamoException as error:
                reason = str(error).strip().partition("\n")[0]
                raise OSError(f"model.compile: torch cannot compile here: {reason}") from error
