"""A result as one safetensors file, with a checksum over all of its bytes.

Tensors are named ``output/part/parameter``. The file's metadata are the key of the result, numbers
and names of outputs as JSON, the order of the tensors unless it is that of their names, and the
checksum: the SHA-256 of the file with zeros in its place. What is read has the order of what was
written, since sums over tensors, and draws for one after the other, depend on it.
"""

import hashlib
import json
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from wfl_sim.execution.task import Result

_NONE: Final = "0" * 64
"""Placeholder of the checksum."""


class DamagedError(ValueError):
    """The bytes of a file differ from what was written, or are those of another result."""


def to_bytes(result: Result, key: str) -> bytes:
    """Return the bytes of the result of a key, with a placeholder for the checksum."""
    tensors = {
        f"{output}/{name}": np.asarray(array, order="C")
        for output, state in result.states.items()
        for name, array in state.items()
    }
    outputs = json.dumps(sorted(result.states))
    values = json.dumps(dict(result.values), sort_keys=True)
    metadata = {"key": key, "outputs": outputs, "values": values, "checksum": _NONE}
    if (order := list(tensors)) != sorted(order):
        metadata["order"] = json.dumps(order)
    content: bytes = save(tensors, metadata)
    return content


def add_checksum(content: bytes) -> bytes:
    """Return the bytes with their checksum in place of the placeholder."""
    return content.replace(_NONE.encode(), hashlib.sha256(content).hexdigest().encode(), 1)


def from_bytes(content: bytes, key: str) -> Result:
    """Return the result of a key.

    Raises:
        DamagedError: the bytes are not those of a result, are those of another key, or differ from
            what was written.
    """
    try:
        tensors = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        metadata = header["__metadata__"]
        checksum = metadata["checksum"]
        unsealed = content.replace(checksum.encode(), _NONE.encode(), 1)
        if checksum != hashlib.sha256(unsealed).hexdigest():
            raise DamagedError("the checksum differs")
        if (held := metadata.get("key")) != key:
            other = f"{held}" if held else "a key that it does not name, of an earlier version"
            raise DamagedError(f"it holds the result of {other}")
        outputs: list[str] = json.loads(metadata["outputs"])
        values: dict[str, float] = json.loads(metadata["values"])
        order: list[str] = json.loads(metadata["order"]) if "order" in metadata else sorted(tensors)
    except DamagedError:
        raise
    except (SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise DamagedError(str(error)) from error
    states: dict[str, dict[str, NDArray[np.floating]]] = {output: {} for output in outputs}
    for name in order:
        output, _, parameter = name.partition("/")
        states[output][parameter] = tensors[name]
    return Result(states, values)
