"""Pretrained networks that ship with the package."""

import difflib
from collections.abc import Mapping
from pathlib import Path

BUILTINS: Mapping[str, Path] = {"tiny-bert": Path(__file__).parent / "tiny_bert"}


def builtin(name: str) -> Path:
    """The folder of a built-in network, in the form that transformers loads.

    Raises ValueError, with the nearest name, for an unknown one.
    """
    if name in BUILTINS:
        return BUILTINS[name]
    near = difflib.get_close_matches(name, BUILTINS, n=1)
    hint = f", did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"unknown builtin model {name!r}{hint} (known: {', '.join(sorted(BUILTINS))})")
