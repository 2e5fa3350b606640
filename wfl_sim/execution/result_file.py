"""A result as one safetensors file, with a checksum over all of its bytes.

Tensors are named ``output/part/parameter``. Numbers, names of outputs and the checksum are JSON in
the file's metadata. The checksum is the SHA-256 of the file with zeros in the checksum's place.
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
    """The bytes of a file differ from what was written."""


def to_bytes(result: Result) -> bytes:
    """Return the bytes of a result, with a placeholder for the checksum."""
    tensors = {
        f"{output}/{name}": np.asarray(array, order="C")
        for output, state in result.states.items()
        for name, array in state.items()
    }
    outputs = json.dumps(sorted(result.states))
    values = json.dumps(dict(result.values), sort_keys=True)
    content: bytes = save(tensors, {"outputs": outputs, "values": values, "checksum": _NONE})
    return content


def add_checksum(content: bytes) -> bytes:
    """Return the bytes with their checksum in place of the placeholder."""
    return content.replace(_NONE.encode(), hashlib.sha256(content).hexdigest().encode(), 1)


def from_bytes(content: bytes) -> Result:
    """Return the result.

    Raises:
        DamagedError: the bytes are not those of a result, or differ from what was written.
    """
    try:
        tensors = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        metadata = header["__metadata__"]
        checksum = metadata["checksum"]
        unsealed = content.replace(checksum.encode(), _NONE.encode(), 1)
        if checksum != hashlib.sha256(unsealed).hexdigest():
            raise DamagedError("the checksum differs")
        outputs: list[str] = json.loads(metadata["outputs"])
        values: dict[str, float] = json.loads(metadata["values"])
    except DamagedError:
        raise
    except (SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise DamagedError(str(error)) from error
    states: dict[str, dict[str, NDArray[np.floating]]] = {output: {} for output in outputs}
    for name, array in sorted(tensors.items()):
        output, _, parameter = name.partition("/")
        states[output][parameter] = array
    return Result(states, values)
