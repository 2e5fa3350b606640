"""Digests of spans, metrics and states, independent of file formats and library versions."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from wfl_sim.records import Metric, Span
from wfl_sim.results.tables import COLUMNS, Column, Values, values
from wfl_sim.state import State


def digest_spans(spans: Sequence[Span]) -> str:
    """Return the SHA-256 of the spans in their order."""
    return digest_values(values(spans, COLUMNS["spans"]), COLUMNS["spans"])


def digest_metrics(metrics: Sequence[Metric]) -> str:
    """Return the SHA-256 of the metrics in their order."""
    return digest_values(values(metrics, COLUMNS["metrics"]), COLUMNS["metrics"])


def digest_states(states: Mapping[str, State]) -> str:
    """Return the SHA-256 of names, dtypes, shapes and bytes of all arrays, sorted by name."""
    digest = hashlib.sha256()
    for name, state in sorted(states.items()):
        for key, array in sorted(state.items()):
            little = np.asarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
            digest.update(f"{name}\0{key}\0{little.dtype.str}\0{little.shape}\0".encode())
            digest.update(little.tobytes())
    return digest.hexdigest()


def digest_values(values: Values, columns: Sequence[Column]) -> str:
    """Return the SHA-256 of columns of equal length.

    Each column adds its name, kind and length, then its content: little-endian float64 or int64,
    or the lengths of the UTF-8 texts and the texts, or of the lists and their values as float32.
    Equal numbers have equal bytes: zero has no sign and NaN has one form. An optional column also
    adds which of its rows have a value.
    """
    digest = hashlib.sha256()
    for column in columns:
        content = values[column.name]
        digest.update(f"{column.name}\0{column.kind}\0{len(content)}\0".encode())
        if column.optional:
            digest.update(np.array([value is not None for value in content], np.uint8).tobytes())
            content = [0.0 if value is None else value for value in content]
        if column.kind == "text":
            words = [word.encode() for word in content]
            digest.update(np.array([len(word) for word in words], "<i8").tobytes())
            digest.update(b"".join(words))
        elif column.kind in ("ints", "floats"):
            digest.update(np.array([len(each) for each in content], "<i8").tobytes())
            flat = [value for each in content for value in each]
            digest.update(np.array(flat, "<f4").tobytes())
        elif column.kind == "int":
            digest.update(np.array(content, "<i8").tobytes())
        else:
            floats = np.array(content, "<f8") + 0.0
            floats[np.isnan(floats)] = np.nan
            digest.update(floats.tobytes())
    return digest.hexdigest()


def digest_text(text: str) -> str:
    """Return the SHA-256 of a text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def digest_names(names: Iterable[str]) -> str:
    """Return 8 hexadecimal digits that name a set of runs, given the names of their folders."""
    return digest_text("\n".join(sorted(names)))[:8]
