"""Memory at the peak of some work: the tensors that are alive at once, counted on shapes."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from weakref import ref

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import PreTrainedModel

from wfl_sim.learning.shapes_alone import shapes_alone


def peak_memory(
    model: PreTrainedModel, work: Callable[[], object], others: Iterable[PreTrainedModel] = ()
) -> float:
    """Return the most bytes that some work holds at once beside the weights of all networks.

    The bytes are those of tensors for the backward pass, gradients, and what layers compute with,
    as torch makes and frees them one by one; work space inside a kernel is not counted. `others`
    are networks that take part beside the model. No gradient is left.
    """
    with _LiveStorages([model, *others]) as live, shapes_alone(model):
        work()
    model.zero_grad()
    return float(live.peak)


class _LiveStorages(TorchDispatchMode):
    """Follows the storages that operations make while it is entered."""

    def __init__(self, networks: Iterable[PreTrainedModel]) -> None:
        super().__init__()
        self.peak = 0
        self._now = 0
        weights = [value for each in networks for value in (*each.parameters(), *each.buffers())]
        # A view of a weight has its storage, which nobody made.
        self._known: dict[int, Any] = {each.untyped_storage()._cdata: None for each in weights}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for each in tree_leaves(made):
            if isinstance(each, Tensor):
                self._follow(each)
        return made

    def _follow(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        place, size = storage._cdata, storage.nbytes()
        if place not in self._known:
            self._known[place] = ref(storage, lambda _: self._freed(place, size))
            self._now += size
            self.peak = max(self.peak, self._now)

    def _freed(self, place: int, size: int) -> None:
        del self._known[place]
        self._now -= size
