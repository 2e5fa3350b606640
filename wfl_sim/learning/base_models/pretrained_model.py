"""The base model of a scenario: which pretrained network is fine-tuned, and what identifies it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from channel_models.units import Bytes
from wfl_sim.config.fields import CACHED, FilePath, model_cache
from wfl_sim.config.registry import Registry
from wfl_sim.execution.learner import PortableModel
from wfl_sim.learning.base_models.hub import snapshot

MODELS: Registry[Any] = Registry("model")


_BUILTIN: Final = "builtin:"
_PACKAGE: Final = "package:"
_INSIDE: Final = "adapter"
"""Where the initial adapter lies in a folder that is carried."""
ADAPTER: Final = "adapter_config.json"
_SUFFIXES: Final = {".json", ".txt", ".model", ".safetensors", ".jinja"}
_OTHER_WEIGHTS: Final = {".bin", ".pt", ".pth", ".ckpt", ".h5", ".gguf", ".msgpack"}
_POINTER: Final = b"version https://git-lfs.github.com/spec/"


@MODELS("pretrained")
@dataclass(frozen=True, kw_only=True)
class Pretrained(PortableModel):
    """A transformers model: `builtin:tiny-bert`, a local folder, or a Hub id.

    `package:name/folder` is a folder inside an installed Python package, which is not imported, and
    `cached:name` what `wfl-sim models add name` has fetched.
    `revision` is a branch, tag or commit of a Hub id. Weights are read from safetensors alone, and
    code that comes with a model is never run.
    """

    pretrained: Annotated[str, FilePath(or_name=True)]
    revision: str = ""
    adapter: Annotated[str, FilePath(or_name=True)] = ""
    """A folder of PEFT with the values that the method's LoRA, and its head, begin with."""
    fresh: bool = False
    """Whether all weights are drawn, as the architecture begins, and not read: pre-training. The
    draws are the same in every run, whatever its seed."""
    dtype: Literal["fp32", "bf16"] = "fp32"
    """Type of the frozen weights, and of the products in which they take part, on this machine;
    `compute: {weights: bf16}` says it of devices. What a method trains, and sums, stay in
    float32."""
    quantise: Literal["none", "int8", "nf4", "bnb-int8", "bnb-nf4"] = "none"
    """How the frozen linear layers of all blocks hold their weights. `int8` (a scale for each
    output) and `nf4` (QLoRA's, a scale for 64 weights) are restored by torch on any device; the
    others are those of bitsandbytes, and need CUDA. Devices hold as many bytes; FLOPs stay."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where torch trains. It decides the last bits, as `dtype` decides many."""
    attention: Literal["eager", "sdpa"] = "eager"
    """`sdpa`: torch's fused attention, where the architecture has it: less time and memory of this
    machine, other last bits. `eager`: products and softmax written out, as costs are counted."""
    activations: Bytes = 0.0
    """Bytes of the host's memory for outputs of the layers below all parts, so that a text passes
    these layers once. Without effect where anything drops out."""
    compile: bool = False
    """Whether torch compiles the steps of local training. It takes some seconds in every process,
    needs a C++ compiler on a processor, and decides the last bits."""
    gradient_checkpointing: bool = False
    """Whether training keeps the inputs of layers alone, and computes layers anew in the backward
    pass: less memory for a second forward pass. In FLOPs, seconds and joules of devices, too."""

    def __post_init__(self) -> None:
        if not self.pretrained.strip():
            raise ValueError("pretrained must name a model, got an empty text")
        if self.pretrained.startswith(_BUILTIN):
            self._folder()
        if self.adapter and not (Path(self.adapter) / ADAPTER).is_file():
            raise ValueError(f"adapter must be a folder with {ADAPTER}, got {self.adapter!r}")
        if self.revision and self.is_local:
            raise ValueError(f"revision belongs to a Hub id, but {self.pretrained!r} is none")
        if self.fresh and (self.adapter or self.quantise != "none"):
            raise ValueError("fresh weights have neither adapter nor quantise: leave these out")
        if self.compile and self.activations:
            raise ValueError("compile does not go with activations: leave one of them out")
        if self.compile and self.gradient_checkpointing:
            raise ValueError("compile does not go with gradient_checkpointing: leave one out")
        if self.quantise.startswith("bnb-"):
            plain = self.quantise.removeprefix("bnb-")
            if self.device == "cpu":
                raise ValueError(f"quantise: {self.quantise} needs device: cuda; give {plain}")
            if find_spec("bitsandbytes") is None:
                raise ValueError(
                    f"quantise: {self.quantise} needs bitsandbytes (pip install bitsandbytes); "
                    f"{plain} does without"
                )

    def folder(self, *, weights: bool = False) -> Path:
        """Return the folder that holds the model; a Hub id is fetched first if it is not cached.

        Args:
            weights: whether the weights are needed, too; a Hub id is fetched without them else.

        Raises:
            FileNotFoundError: no such folder, or a Hub id that is neither cached nor reachable.
            ValueError: no builtin model has this name, or an index of weights names files outside.
        """
        folder = self._folder()
        if folder is None:
            folder = snapshot(self.pretrained, self.revision, weights=False)
            # By commit, so that the weights are of the commit in the fingerprint.
            return snapshot(self.pretrained, folder.name, weights=True) if weights else folder
        adapter = (folder / ADAPTER).is_file()
        if not (folder / "config.json").is_file():
            hint = f", but {ADAPTER}: name its base model" if adapter else ""
            raise FileNotFoundError(f"no model in {self.pretrained!r}: it has no config.json{hint}")
        if adapter:
            raise ValueError(
                f"{self.pretrained!r} holds an adapter beside the model ({ADAPTER}): "
                "merge it, or move it out"
            )
        _check_shards(folder)
        if weights:
            _check_weights(folder)
        return folder

    def fingerprint(self) -> str:
        """Return what identifies configuration, tokenizer and weights.

        The sha256 of a folder's files; of a Hub id the id and the commit that it resolves to.
        """
        begin = f" {content_of(Path(self.adapter))}" if self.adapter else ""
        if self._folder() is None:
            return f"{self.pretrained}@{self.folder().name}{begin}"
        return content_of(self.folder()) + begin

    @property
    def installed(self) -> bool:
        """Whether it comes with a Python package, and so is wherever the package is."""
        return self._packaged and not self.adapter

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this machine, and no id of the Hub."""
        return self._packaged or _path(self).is_dir()

    @property
    def _packaged(self) -> bool:
        return self.pretrained.startswith((_BUILTIN, _PACKAGE))

    def content(self) -> tuple[str, Mapping[str, Path]]:
        """Return the sha256 of the model's files, and the files by their path in its folder.

        Fetches a Hub id if necessary.
        """
        files = self._files(self.folder(weights=True))
        return _digest(files), files

    def is_here(self, key: str) -> bool:
        """Return whether `pretrained` is a folder of this machine with this sha256."""
        return _path(self).is_dir() and _digest(self._files(_path(self))) == key

    def located_at(self, folder: Path) -> Self:
        """Return the same model, read from another folder."""
        adapter = str(folder / _INSIDE) if self.adapter else ""
        return replace(self, pretrained=str(folder), revision="", adapter=adapter)

    def _files(self, folder: Path) -> dict[str, Path]:
        """Return the files of a model in a folder, and those of its initial adapter."""
        begin = files_of(Path(self.adapter)) if self.adapter else {}
        return {**files_of(folder), **{f"{_INSIDE}/{name}": file for name, file in begin.items()}}

    def _folder(self) -> Path | None:
        if self.pretrained.startswith(_BUILTIN):
            from wfl_sim.learning.pretrained import builtin

            return builtin(self.pretrained.removeprefix(_BUILTIN))
        if self.pretrained.startswith(_PACKAGE):
            return _in_package(self.pretrained.removeprefix(_PACKAGE))
        if _path(self).is_dir():
            return _path(self)
        if self.pretrained.startswith(CACHED):
            name = self.pretrained.removeprefix(CACHED).partition("/")[0]
            hint = f"`wfl-sim models add {name}` fetches it"
            raise FileNotFoundError(f"no model folder {str(_path(self))!r}: {hint}")
        if self.pretrained.startswith((".", "/", "~")) or self.pretrained.count("/") > 1:
            raise FileNotFoundError(f"no model folder {self.pretrained!r}")
        return None


def _in_package(name: str) -> Path:
    package, _, inside = name.partition("/")
    spec = find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(
            f"no installed package {package!r} for '{_PACKAGE}{name}': install it with the pip of "
            "the Python that runs this"
        )
    return Path(spec.submodule_search_locations[0]) / inside


def _path(model: Pretrained) -> Path:
    if model.pretrained.startswith(CACHED):
        return model_cache() / model.pretrained.removeprefix(CACHED)
    return Path(model.pretrained).expanduser()


def files_of(folder: Path) -> dict[str, Path]:
    """Return the files of configuration, tokenizer and weights by their path in the folder, sorted.

    Those of sub-folders belong to it, but for hidden ones. Links to files are followed.
    """
    inside = {file.relative_to(folder): file for file in folder.rglob("*")}
    return {
        path.as_posix(): file
        for path, file in sorted(inside.items())
        if file.suffix in _SUFFIXES
        and not any(word.startswith(".") for word in path.parts)
        and file.is_file()
    }


def _check_shards(folder: Path) -> None:
    """Refuse an index that names weights which are not among the folder's files."""
    for index in folder.glob("*.safetensors.index.json"):
        try:
            named = set(json.loads(index.read_bytes())["weight_map"].values())
        except (ValueError, TypeError, KeyError, AttributeError):
            raise ValueError(f"{index} is no index of weights: it has no weight_map") from None
        if outside := sorted(map(str, named - files_of(folder).keys())):
            raise ValueError(
                f"{index} names {outside[0]!r}, which is no file in this folder: weights belong "
                "into the folder of their model"
            )


def _check_weights(folder: Path) -> None:
    """Refuse a folder without whole safetensors files.

    Raises:
        ValueError: there are none, or one is cut short or a pointer of git-lfs.
    """
    from safetensors import SafetensorError, safe_open

    found = [file for file in files_of(folder).values() if file.suffix == ".safetensors"]
    if not found:
        others = sorted(file.name for file in folder.iterdir() if file.suffix in _OTHER_WEIGHTS)
        hint = f", but {others[0]}: load it and save it with save_pretrained" if others else ""
        raise ValueError(f"cannot load {str(folder)!r}: it has no model.safetensors{hint}")
    for file in files_of(folder).values():
        with file.open("rb") as stream:
            if stream.read(len(_POINTER)) == _POINTER:
                raise ValueError(f"{file} is a pointer of git-lfs: fetch it with `git lfs pull`")
    for file in found:
        try:
            with safe_open(file, "np"):
                pass
        except SafetensorError as error:
            raise ValueError(
                f"{file} is no whole safetensors file, perhaps cut short ({error})"
            ) from error


def content_of(folder: Path) -> str:
    """Return the sha256 over names and contents of a model's files."""
    return _digest(files_of(folder))


def _digest(files: Mapping[str, Path]) -> str:
    digest = hashlib.sha256()
    for name, file in sorted(files.items()):
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()
