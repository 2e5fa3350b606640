"""States as one vector: what quantised and sparse codecs share."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from wfl_sim.codecs.dense import Arrays, Layout, Shapes, length, packed, unpacked
from wfl_sim.state import State, shapes_of


def shapes_note(shapes: Shapes) -> str:
    """Return names and shapes as a text."""
    return json.dumps({name: list(shapes[name]) for name in sorted(shapes)}, separators=(",", ":"))


def noted_shapes(note: str) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of a text."""
    return {name: tuple(shape) for name, shape in json.loads(note).items()}


def sizes(shapes: Shapes) -> list[int]:
    """Return the number of values of each array, in the order of their names."""
    return [int(np.prod(shapes[name], dtype=np.int64)) for name in sorted(shapes)]


def flattened(state: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
    """Return all values of a state one after the other, in the order of their names."""
    flat = [np.asarray(state[name], np.float32).ravel() for name in sorted(state)]
    return np.concatenate(flat) if flat else np.empty(0, np.float32)


def restored(flat: NDArray[np.float32], shapes: Shapes) -> dict[str, NDArray[np.float32]]:
    """Return the state whose values `flat` holds."""
    parts = np.split(flat, np.cumsum(sizes(shapes))[:-1]) if shapes else []
    names = sorted(shapes)
    return {n: part.reshape(shapes[n]) for n, part in zip(names, parts, strict=True)}


class FlatCodec(ABC):
    """Base of codecs that encode all values of a state as one vector.

    The values are in the order of their arrays' names; names and shapes are in the header.
    """

    def encode(self, state: State) -> bytes:
        """Return the payload."""
        shapes = shapes_of(state)
        arrays = self._arrays(flattened(state), shapes)
        return packed(self._layout(shapes), arrays, shapes_note(shapes))

    def decode(self, payload: bytes) -> State:
        """Return the state that the receiver gets, in float32."""
        arrays, note = unpacked(payload)
        shapes = noted_shapes(note)
        return restored(self._values(arrays, shapes), shapes)

    def bits(self, shapes: Shapes) -> int:
        """Return the exact payload size, in bit."""
        return 8 * length(self._layout(shapes), shapes_note(shapes))

    @abstractmethod
    def _layout(self, shapes: Shapes) -> Layout:
        """Return the arrays of the payload of a state with these shapes."""

    @abstractmethod
    def _arrays(self, flat: NDArray[np.float32], shapes: Shapes) -> Arrays:
        """Return what encodes the values `flat`."""

    @abstractmethod
    def _values(self, arrays: Arrays, shapes: Shapes) -> NDArray[np.float32]:
        """Return the values that the arrays of a payload stand for."""
