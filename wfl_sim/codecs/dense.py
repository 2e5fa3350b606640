"""Dense payloads: every value of a state, as a floating-point number."""

from abc import ABC
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from wfl_sim.codecs.codec import CODECS
from wfl_sim.codecs.container import Layout, Shapes, length, packed, unpacked
from wfl_sim.state import State, shapes_of


class _Dense(ABC):
    """All values in one element type of the format."""

    additive: ClassVar[bool] = True
    _element: ClassVar[str]

    def bits(self, shapes: Shapes) -> int:
        """Return the exact payload size, in bit."""
        return 8 * length(self._layout(shapes))

    def _layout(self, shapes: Shapes) -> Layout:
        return {name: (self._element, tuple(shapes[name])) for name in sorted(shapes)}


@CODECS("fp32")
@dataclass(frozen=True, kw_only=True)
class Float32(_Dense):
    """IEEE single precision: lossless for the states of wfl_sim."""

    lossless: ClassVar[bool] = True
    _element: ClassVar[str] = "F32"

    def encode(self, state: State) -> bytes:
        """Return the safetensors bytes of the state in float32."""
        return packed(self._layout(shapes_of(state)), state)

    def decode(self, payload: bytes) -> State:
        """Return the state in float32."""
        return unpacked(payload)[0]  # type: ignore[return-value]


@CODECS("fp16")
@dataclass(frozen=True, kw_only=True)
class Float16(_Dense):
    """IEEE half precision: relative rounding error at most 2^-11 in the normal range."""

    _element: ClassVar[str] = "F16"

    def encode(self, state: State) -> bytes:
        """Return the safetensors bytes of the state in float16, saturated at its range."""
        largest = np.finfo(np.float16).max
        clipped = {name: np.clip(array, -largest, largest) for name, array in state.items()}
        return packed(self._layout(shapes_of(state)), clipped)

    def decode(self, payload: bytes) -> State:
        """Return the rounded state in float32."""
        return {name: a.astype(np.float32) for name, a in unpacked(payload)[0].items()}


@CODECS("bf16")
@dataclass(frozen=True, kw_only=True)
class BFloat16(_Dense):
    """The upper half of IEEE single precision: relative rounding error at most 2^-8."""

    _element: ClassVar[str] = "BF16"

    def encode(self, state: State) -> bytes:
        """Return the safetensors bytes of the state in bfloat16, saturated at its range."""
        halves = {name: _upper_half(array) for name, array in state.items()}
        return packed(self._layout(shapes_of(state)), halves)

    def decode(self, payload: bytes) -> State:
        """Return the rounded state in float32."""
        arrays, _ = unpacked(payload)
        return {n: (a.astype(np.uint32) << 16).view(np.float32) for n, a in arrays.items()}


def _upper_half(array: NDArray[np.generic]) -> NDArray[np.uint16]:
    """Return the bits of bfloat16, rounded to the nearest and to even between two."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32).reshape(array.shape)
    rounded = (bits.astype(np.uint64) + 0x7FFF + ((bits >> 16) & 1)) >> 16
    infinite = (rounded & 0x7FFF) >= 0x7F80
    return np.where(infinite, (rounded & 0x8000) | 0x7F7F, rounded).astype(np.uint16)
