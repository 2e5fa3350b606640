"""Runs of networks on the meta device, where nothing has a value."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from transformers import PreTrainedModel

from wfl_sim.config.errors import LocatedError


@contextmanager
def shapes_alone(model: PreTrainedModel) -> Iterator[None]:
    """Let networks run that would look at values of ids.

    Raises:
        ValueError: this one looks at other values, or cannot run at all.
    """
    try:
        with torch.device(model.device), _WholeTexts():
            yield
    except LocatedError:
        raise
    except (RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0].partition(", but")[0]
        raise ValueError(
            f"the costs of {model.config.model_type!r} cannot be counted on shapes ({reason}): "
            "choose another network or type of PEFT, or model: synthetic with costs that you have "
            "measured"
        ) from error


class _WholeTexts(TorchFunctionMode):
    """Answers what networks ask of values, for texts without padding that have one end.

    All of a mask is 1; encoder-decoders read the state of the token that ends a text. Which experts
    a token is sent to does not matter for the cost of their products.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        first = args[0] if args else None
        if isinstance(first, Tensor) and first.device.type == "meta":
            if func in _ALL and len(args) == 1 and not kwargs:
                return torch.tensor(func in _ALL[:2], device="cpu")
            if func is Tensor.__contains__:
                return False
            if func in _BY_EXPERT:
                return first @ args[1][0]
            if func is torch.unique_consecutive:
                return first[:1]
            if func is Tensor.__getitem__ and isinstance(args[1], tuple):
                mask = args[1][0]
                if isinstance(mask, Tensor) and mask.dtype == torch.bool and mask.dim() == 2:
                    return first[:, 0]
        return func(*args, **(kwargs or {}))


_ALL: Final = (torch.all, Tensor.all, torch.any, Tensor.any)
_BY_EXPERT: Final = tuple(
    getattr(module, name)
    for module, name in ((torch.nn.functional, "grouped_mm"), (torch, "_grouped_mm"))
    if hasattr(module, name)
)
