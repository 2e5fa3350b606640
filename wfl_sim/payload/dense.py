"""Dense payloads: every value of a state, as a floating-point number."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from wfl_sim.methods.aggregation import State
from wfl_sim.payload.container import Layout, Shapes, length, packed, unpacked
from wfl_sim.protocols import CODECS


@CODECS("fp32")
@dataclass(frozen=True, kw_only=True)
class Float32:
    """IEEE single precision: lossless for the states of wfl_sim."""

    def encode(self, state: State) -> bytes:
        """Return the safetensors bytes of the state in float32."""
        return _encode(state, np.float32)

    def decode(self, payload: bytes) -> State:
        """Return the state in float32."""
        return _decode(payload)

    def bits(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """Return the exact payload size, in bit."""
        return 8 * safetensors_bytes(shapes, "F32", 4)


@CODECS("fp16")
@dataclass(frozen=True, kw_only=True)
class Float16:
    """IEEE half precision: relative rounding error at most 2^-11 in the normal range."""

    def encode(self, state: State) -> bytes:
        """Return the safetensors bytes of the state in float16, saturated at its range."""
        largest = np.finfo(np.float16).max
        return _encode({k: np.clip(v, -largest, largest) for k, v in state.items()}, np.float16)

    def decode(self, payload: bytes) -> State:
        """Return the rounded state in float32."""
        return _decode(payload)

    def bits(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """Return the exact payload size, in bit."""
        return 8 * safetensors_bytes(shapes, "F16", 2)


@CODECS("bf16")
@dataclass(frozen=True, kw_only=True)
class BFloat16:
    """The upper half of IEEE single precision: relative rounding error at most 2^-8."""

    def encode(self, state: State) -> bytes:
        """Return the safetensors bytes of the state in bfloat16, saturated at its range."""
        shapes = {name: array.shape for name, array in state.items()}
        return packed(_bf16(shapes), {name: _upper_half(state[name]) for name in state})

    def decode(self, payload: bytes) -> State:
        """Return the rounded state in float32."""
        arrays, _ = unpacked(payload)
        return {n: (a.astype(np.uint32) << 16).view(np.float32) for n, a in arrays.items()}

    def bits(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """Return the exact payload size, in bit."""
        return 8 * length(_bf16(shapes))


def _bf16(shapes: Shapes) -> Layout:
    return {name: ("BF16", tuple(shapes[name])) for name in sorted(shapes)}


def _upper_half(array: NDArray[np.generic]) -> NDArray[np.uint16]:
    """Return the bits of bfloat16, rounded to the nearest and to even between two."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32).reshape(array.shape)
    rounded = (bits.astype(np.uint64) + 0x7FFF + ((bits >> 16) & 1)) >> 16
    infinite = (rounded & 0x7FFF) >= 0x7F80
    return np.where(infinite, (rounded & 0x8000) | 0x7F7F, rounded).astype(np.uint16)


def safetensors_bytes(shapes: Mapping[str, tuple[int, ...]], dtype: str, width: int) -> int:
    """Return the length of a safetensors file from its shapes alone.

    The format: 8 bytes of header length, a compact JSON header padded with spaces to a multiple
    of 8 bytes, then the tensors in the order of their names.

    Args:
        shapes: name to shape.
        dtype: the format's name of the element type.
        width: bytes of one element.
    """
    header: dict[str, object] = {}
    offset = 0
    for name in sorted(shapes):
        end = offset + width * int(np.prod(shapes[name], dtype=np.int64))
        header[name] = {
            "dtype": dtype,
            "shape": list(shapes[name]),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    return 8 + -(-len(text) // 8) * 8 + offset


def _encode(state: State, dtype: type[np.floating]) -> bytes:
    return save({name: np.asarray(array, dtype, order="C") for name, array in state.items()})


def _decode(payload: bytes) -> State:
    return {name: array.astype(np.float32) for name, array in sorted(load(payload).items())}
