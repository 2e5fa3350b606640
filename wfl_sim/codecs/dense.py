"""Dense payloads: every value of a state, as a floating-point number."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfl_sim.codecs.codec import CODECS
from wfl_sim.codecs.container import Layout, Shapes, length, packed, unpacked
from wfl_sim.state import State


@CODECS("fp32")
@dataclass(frozen=True, kw_only=True)
class Float32:
    """IEEE single precision: lossless for the states of wfl_sim."""

    lossless = True

    def encode(self, state: State) -> bytes:
        """Return the safetensors bytes of the state in float32."""
        return packed(_dense(_shapes(state), "F32"), state)

    def decode(self, payload: bytes) -> State:
        """Return the state in float32."""
        return unpacked(payload)[0]  # type: ignore[return-value]

    def bits(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """Return the exact payload size, in bit."""
        return 8 * length(_dense(shapes, "F32"))


@CODECS("fp16")
@dataclass(frozen=True, kw_only=True)
class Float16:
    """IEEE half precision: relative rounding error at most 2^-11 in the normal range."""

    def encode(self, state: State) -> bytes:
        """Return the safetensors bytes of the state in float16, saturated at its range."""
        largest = np.finfo(np.float16).max
        clipped = {name: np.clip(array, -largest, largest) for name, array in state.items()}
        return packed(_dense(_shapes(state), "F16"), clipped)

    def decode(self, payload: bytes) -> State:
        """Return the rounded state in float32."""
        return {name: a.astype(np.float32) for name, a in unpacked(payload)[0].items()}

    def bits(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """Return the exact payload size, in bit."""
        return 8 * length(_dense(shapes, "F16"))


@CODECS("bf16")
@dataclass(frozen=True, kw_only=True)
class BFloat16:
    """The upper half of IEEE single precision: relative rounding error at most 2^-8."""

    def encode(self, state: State) -> bytes:
        """Return the safetensors bytes of the state in bfloat16, saturated at its range."""
        halves = {name: _upper_half(array) for name, array in state.items()}
        return packed(_dense(_shapes(state), "BF16"), halves)

    def decode(self, payload: bytes) -> State:
        """Return the rounded state in float32."""
        arrays, _ = unpacked(payload)
        return {n: (a.astype(np.uint32) << 16).view(np.float32) for n, a in arrays.items()}

    def bits(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """Return the exact payload size, in bit."""
        return 8 * length(_dense(shapes, "BF16"))


def _dense(shapes: Shapes, dtype: str) -> Layout:
    return {name: (dtype, tuple(shapes[name])) for name in sorted(shapes)}


def _shapes(state: State) -> Shapes:
    return {name: array.shape for name, array in state.items()}


def _upper_half(array: NDArray[np.generic]) -> NDArray[np.uint16]:
    """Return the bits of bfloat16, rounded to the nearest and to even between two."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32).reshape(array.shape)
    rounded = (bits.astype(np.uint64) + 0x7FFF + ((bits >> 16) & 1)) >> 16
    infinite = (rounded & 0x7FFF) >= 0x7F80
    return np.where(infinite, (rounded & 0x8000) | 0x7F7F, rounded).astype(np.uint16)
