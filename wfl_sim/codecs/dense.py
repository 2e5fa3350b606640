"""Dense payloads: every value of a state as a floating-point number."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from wfl_sim.codecs.codec import CODECS
from wfl_sim.codecs.container import Layout, Shapes, length, packed, unpacked
from wfl_sim.state import State


class _Dense(ABC):
    """All values in one element type of the format, saturated at its range."""

    additive: ClassVar[bool] = True
    _element: ClassVar[str]

    def encode(self, state: State) -> bytes:
        """Return the safetensors bytes of the state."""
        layout = self._layout({name: array.shape for name, array in state.items()})
        return packed(layout, {name: self._coded(array) for name, array in state.items()})

    def decode(self, payload: bytes) -> State:
        """Return the state in float32."""
        return {name: self._value(array) for name, array in unpacked(payload)[0].items()}

    def bits(self, shapes: Shapes) -> int:
        """Return the exact payload size, in bit."""
        return 8 * length(self._layout(shapes))

    def _layout(self, shapes: Shapes) -> Layout:
        return {name: (self._element, tuple(shapes[name])) for name in sorted(shapes)}

    @abstractmethod
    def _coded(self, array: NDArray[np.floating]) -> NDArray[Any]:
        """Return an array in the element type, or one that casts to it."""

    @abstractmethod
    def _value(self, array: NDArray[Any]) -> NDArray[np.float32]:
        """Return what an array in the element type stands for."""


@CODECS("fp32")
@dataclass(frozen=True, kw_only=True)
class Float32(_Dense):
    """IEEE single precision: lossless for the states of wfl_sim."""

    lossless: ClassVar[bool] = True
    _element: ClassVar[str] = "F32"

    def _coded(self, array: NDArray[np.floating]) -> NDArray[Any]:
        return array

    def _value(self, array: NDArray[Any]) -> NDArray[np.float32]:
        return array


@CODECS("fp16")
@dataclass(frozen=True, kw_only=True)
class Float16(_Dense):
    """IEEE half precision: relative rounding error at most 2^-11 in the normal range."""

    _element: ClassVar[str] = "F16"

    def _coded(self, array: NDArray[np.floating]) -> NDArray[Any]:
        largest = np.finfo(np.float16).max
        return np.asarray(np.clip(array, -largest, largest))

    def _value(self, array: NDArray[Any]) -> NDArray[np.float32]:
        return array.astype(np.float32)


@CODECS("bf16")
@dataclass(frozen=True, kw_only=True)
class BFloat16(_Dense):
    """The upper half of IEEE single precision: relative rounding error at most 2^-8."""

    _element: ClassVar[str] = "BF16"

    def _coded(self, array: NDArray[np.floating]) -> NDArray[Any]:
        """Return the bits of bfloat16, rounded to the nearest and to even between two."""
        bits = np.ascontiguousarray(array, np.float32).view(np.uint32).reshape(array.shape)
        rounded = (bits.astype(np.uint64) + 0x7FFF + ((bits >> 16) & 1)) >> 16
        infinite = (rounded & 0x7FFF) >= 0x7F80
        return np.where(infinite, (rounded & 0x8000) | 0x7F7F, rounded).astype(np.uint16)

    def _value(self, array: NDArray[Any]) -> NDArray[np.float32]:
        return (array.astype(np.uint32) << 16).view(np.float32)
