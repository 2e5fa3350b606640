"""Bottleneck adapters, added to the output of a sub-layer before its residual sum.

x + W_up f(W_down x + b_down) + b_up with x of shape (batch, tokens, hidden); Houlsby et al. 2019,
arXiv 1902.00751, figure 2. W_down is initialised Kaiming-uniform, the rest with zeros (the paper
draws all near zero), so a new adapter is the identity. Sub-layers are found in any architecture by
running the network once on shapes, and looking at what is added to the residual stream.
"""

import copy
import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import Generator, Tensor, nn
from torch.nn import Parameter, functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import PretrainedConfig, PreTrainedModel

from wfl_sim.methods.parts import Adapter, Part

_TOKENS: Final = 8
_SUMS: Final = {torch.ops.aten.add, torch.ops.aten.add_}
_SAME: Final = {
    torch.ops.aten.mul,
    torch.ops.aten.view,
    torch.ops.aten.reshape,
    torch.ops.aten._to_copy,
    torch.ops.aten.clone,
    torch.ops.aten.alias,
}
"""Operations whose result is still the output of a module: scaled, or in another type."""
_LAYER: Final = re.compile(r"(?P<layer>.*\.\d+)\.(?P<inner>.*)")


def sublayers(model: PreTrainedModel) -> dict[str, nn.Module]:
    """Return the last module of each sub-layer before its residual sum, by layer and place.

    A place is `attention` or `feed_forward`: "encoder.layer.0.attention".

    Raises:
        ValueError: the network adds nothing to a residual stream, or cannot be run on shapes.
    """
    kind: Any = type(model)
    found = _places(kind, model.config.to_json_string(use_diff=False), _Config(model.config))
    if not found:
        raise ValueError(f"found no layer with residual sums in {model.config.model_type!r}")
    return {place: model.base_model.get_submodule(name) for place, name in found.items()}


class _Config:
    """A configuration that is equal to all others: its text is compared in its place."""

    def __init__(self, config: PretrainedConfig) -> None:
        self.config = config

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Config)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=8)
def _places(network: Any, text: str, like: _Config) -> Mapping[str, str]:
    from wfl_sim.learning.shapes_alone import shapes_alone

    with torch.device("meta"):
        config = copy.deepcopy(like.config)
        model = network._from_config(config, attn_implementation="eager").eval()
    with _Sums(model) as sums, shapes_alone(model), torch.no_grad():
        model(input_ids=torch.zeros(1, _TOKENS, dtype=torch.int64, device="meta"))
    prefix = f"{model.base_model_prefix}."
    outermost = {
        name
        for name in sums.found
        if not any(name.startswith(f"{other}.") for other in sums.found)  # a sum of experts
    }
    names = [name.removeprefix(prefix) for name, _ in model.named_modules() if name in outermost]
    return MappingProxyType(dict(_named(model.base_model, names)))


def _named(backbone: nn.Module, names: list[str]) -> Iterator[tuple[str, str]]:
    seen = set()
    for name in names:
        match = _LAYER.fullmatch(name)
        if match is None:
            continue
        layer, inner = match["layer"], match["inner"].split(".")
        around = [".".join([layer, *inner[:depth]]) for depth in range(len(inner) + 1)]
        words = " ".join([*inner, *(type(backbone.get_submodule(n)).__name__ for n in around)])
        place = "attention" if re.search("attention|attn", words, re.I) else "feed_forward"
        key = f"{layer}.{place}"
        key = f"{key}.{match['inner']}" if key in seen else key
        seen.add(key)
        yield key, name


class _Sums(TorchDispatchMode):
    """Finds the modules whose output enters a sum of hidden states on which it depends."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.found: set[str] = set()
        self._names: list[str] = []
        self._made: dict[int, int] = {}
        """Number of the module whose output a tensor is."""
        self._needs: dict[int, int] = {}
        """Modules that a tensor depends on, as bits."""
        self._alive: list[Tensor] = []
        self._hidden = model.config.hidden_size
        self._handles = [
            module.register_forward_hook(self._end_of(name))
            for name, module in model.named_modules()
        ]

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for handle in self._handles:
            handle.remove()

    def _end_of(self, name: str) -> Any:
        def end(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                number = len(self._names)
                self._names.append(name)
                self._made[id(output)] = number
                self._needs[id(output)] = self._needs.get(id(output), 0) | 1 << number
                self._alive.append(output)

        return end

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        needs = 0
        for each in given:
            needs |= self._needs.get(id(each), 0)
        if func.overloadpacket in _SUMS and len(given) == 2 and self._are_hidden(given):
            for one, other in (given, given[::-1]):
                number = self._made.get(id(one))
                if number is not None and not self._needs.get(id(other), 0) >> number & 1:
                    self.found.add(self._names[number])
        for each in _tensors(output):
            self._alive.append(each)
            self._needs[id(each)] = self._needs.get(id(each), 0) | needs
            if func.overloadpacket in _SAME and given and id(given[0]) in self._made:
                self._made[id(each)] = self._made[id(given[0])]
        return output

    def _are_hidden(self, given: list[Tensor]) -> bool:
        one, other = given
        return one.dim() > 1 and one.shape == other.shape and one.shape[-1] == self._hidden


def _tensors(tree: Any) -> list[Tensor]:
    return [each for each in tree_leaves(tree) if isinstance(each, Tensor)]


_ACTIVATIONS: Final[Mapping[str, Callable[[Tensor], Tensor]]] = MappingProxyType(
    {"relu": functional.relu, "gelu": functional.gelu}
)


class Bottleneck(nn.Module):
    """x + W_up f(W_down x), with biases."""

    def __init__(self, hidden: int, config: Adapter) -> None:
        super().__init__()
        self.down = nn.Linear(hidden, config.bottleneck)
        self.up = nn.Linear(config.bottleneck, hidden)
        self.activation = _ACTIVATIONS[config.activation]

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of `x`."""
        return x + self.up(self.activation(self.down(x)))

    def hook(self, module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        """Return what replaces the output of a sub-layer."""
        return self(output)


def attach_adapter(model: PreTrainedModel, part: Part) -> dict[str, Parameter]:
    """Add a bottleneck to the sub-layers of every layer."""
    config = part.config
    assert isinstance(config, Adapter)
    found: dict[str, Parameter] = {}
    for place, module in sublayers(model).items():
        if config.placement == "houlsby" or ".attention" not in place:
            bottleneck = Bottleneck(model.config.hidden_size, config)
            module.add_module(f"adapter_{part.name}", bottleneck)
            module.register_forward_hook(bottleneck.hook)
            found |= {f"{place}.{inner}": value for inner, value in bottleneck.named_parameters()}
    return found


def initialize_adapter(model: PreTrainedModel, name: str, value: Tensor, rng: Generator) -> None:
    """Draw W_down Kaiming-uniform with a = sqrt(5); everything else 0."""
    if name.endswith(".down.weight"):
        nn.init.kaiming_uniform_(value, a=math.sqrt(5), generator=rng)
    else:
        nn.init.zeros_(value)
