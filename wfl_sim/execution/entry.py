"""Entry: a result as one safetensors file, with a checksum over all that it says.

Tensors are named ``output/part/parameter``; the numbers, the names of outputs and the checksum are
JSON in the file's metadata.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from wfl_sim.execution.task import Result

Arrays = Mapping[str, NDArray[Any]]


class DamagedError(ValueError):
    """The bytes are not what was written."""


def packed(result: Result) -> bytes:
    """Return the bytes of an entry."""
    tensors = {
        f"{output}/{name}": np.asarray(array, order="C")
        for output, state in result.states.items()
        for name, array in state.items()
    }
    outputs = json.dumps(sorted(result.states))
    values = json.dumps(dict(result.values), sort_keys=True)
    checksum = _checksum(tensors, outputs, values)
    metadata = {"outputs": outputs, "values": values, "checksum": checksum}
    content: bytes = save(tensors, metadata)
    return content


def unpacked(content: bytes) -> Result:
    """Return the result.

    Raises:
        DamagedError: the bytes are not those of an entry, or not as they were written.
    """
    try:
        tensors = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        metadata = header["__metadata__"]
        if metadata["checksum"] != _checksum(tensors, metadata["outputs"], metadata["values"]):
            raise DamagedError("the checksum differs")
        outputs: list[str] = json.loads(metadata["outputs"])
        values: dict[str, float] = json.loads(metadata["values"])
    except DamagedError:
        raise
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise DamagedError(str(error)) from error
    states: dict[str, dict[str, NDArray[np.floating]]] = {output: {} for output in outputs}
    for name, array in sorted(tensors.items()):
        output, _, parameter = name.partition("/")
        states[output][parameter] = array
    return Result(states, values)


def _checksum(tensors: Arrays, *texts: str) -> str:
    names = sorted(tensors)
    layout = [[name, tensors[name].dtype.str, tensors[name].shape] for name in names]
    digest = hashlib.sha256(json.dumps([*texts, layout]).encode())
    for name in names:
        digest.update(tensors[name].data)
    return digest.hexdigest()
