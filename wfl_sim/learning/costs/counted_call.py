"""FLOPs of any code that uses torch, counted while it runs."""

from collections.abc import Callable, Sequence
from math import prod
from types import MappingProxyType
from typing import Any, Final, TypeVar

import torch
from torch.utils.flop_counter import FlopCounterMode

T = TypeVar("T")
Shape = Sequence[int]


def counted_call(call: Callable[[], T], seed: int) -> tuple[T, float]:
    """Return what a call returns, and the FLOPs of its matrix products and convolutions.

    Products within torch's fused attention and recurrent layers on a CPU are among them; layers
    that it fuses as a whole to infer faster are computed step by step.

    Args:
        call: runs under torch's generator of this seed, which is put back afterwards.
        seed: of the generator.
    """
    counter = FlopCounterMode(display=False, custom_mapping=dict(_FUSED))
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.random.fork_rng(devices=[]), counter:
            torch.manual_seed(seed)
            result = call()
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return result, float(counter.get_total_flops())


def _attention(query: Shape, key: Shape, value: Shape, *_: Any, **__: Any) -> int:
    """Two products of each query with all keys and values, (batch, heads, tokens, width)."""
    return 2 * prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def _attention_backward(
    _: Any, query: Shape, key: Shape, value: Shape, *__: Any, **___: Any
) -> int:
    """Five products, as torch counts them elsewhere: the scores are computed anew."""
    return _attention(query, key, value) + prod(query[:-1]) * key[-2] * (
        4 * query[-1] + 2 * value[-1]
    )


def _recurrent(inputs: Shape, first: Shape, second: Shape, *_: Any, **__: Any) -> int:
    """The weights of input and state, at each token of (tokens, batch, width)."""
    return 2 * prod(inputs[:2]) * (prod(first) + prod(second))


def _recurrent_backward(inputs: Shape, first: Shape, second: Shape, *_: Any, **__: Any) -> int:
    return 2 * _recurrent(inputs, first, second)


def _matrix_vector(matrix: Shape, *_: Any, **__: Any) -> int:
    return 2 * prod(matrix)


_ATEN: Final = torch.ops.aten
_FUSED: Final = MappingProxyType(
    {
        _ATEN._scaled_dot_product_flash_attention_for_cpu: _attention,
        _ATEN._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
        _ATEN.mkldnn_rnn_layer: _recurrent,
        _ATEN.mkldnn_rnn_layer_backward: _recurrent_backward,
        _ATEN.mv: _matrix_vector,
    }
)
"""FLOPs by shape of what torch's counter does not know."""
