"""Pretrained networks that ship with the package."""

import difflib
from collections.abc import Mapping
from pathlib import Path

_HERE = Path(__file__).parent

BUILTINS: Mapping[str, Path] = {
    "tiny-bert": _HERE / "tiny_bert",
    "tiny-gpt2": _HERE / "tiny_gpt2",
    "tiny-gpt2-instruct": _HERE / "tiny_gpt2_instruct",
    "helpfulness": _HERE / "helpfulness",
    "safety": _HERE / "safety",
}


def builtin(name: str) -> Path:
    """Return the folder of a built-in network, in the form that transformers loads.

    Raises:
        ValueError: the name is unknown; the message has the nearest one.
    """
    if name in BUILTINS:
        return BUILTINS[name]
    near = difflib.get_close_matches(name, BUILTINS, n=1)
    hint = f", did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"unknown builtin model {name!r}{hint} (known: {', '.join(sorted(BUILTINS))})")
