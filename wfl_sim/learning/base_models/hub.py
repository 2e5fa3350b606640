"""Models of the Hugging Face Hub, fetched into the local cache once."""

from contextlib import suppress
from pathlib import Path
from typing import Final

_SMALL: Final = ("*.json", "*.txt", "*.model", "*.jinja")
_WEIGHTS: Final = "*.safetensors"


def snapshot(identifier: str, revision: str, *, weights: bool) -> Path:
    """Return the folder of a Hub model in the local cache, fetched if it is not there.

    What is in the cache is used as it is, so a branch stays at the commit it was first fetched at
    and a run repeats without a network.

    Args:
        identifier: as `organisation/name`.
        revision: branch, tag or commit; empty for the main branch.
        weights: with safetensors weights, or configuration and tokenizer alone.

    Raises:
        FileNotFoundError: neither cached nor reachable.
    """
    from huggingface_hub import snapshot_download

    def fetched(*, cached: bool) -> Path:
        patterns = [*_SMALL, _WEIGHTS] if weights else [*_SMALL]
        found = snapshot_download(
            identifier,
            revision=revision or None,
            allow_patterns=patterns,
            ignore_patterns=["*/*"],
            local_files_only=cached,
        )
        return Path(found)

    with suppress(OSError, ValueError):
        if _complete(folder := fetched(cached=True), weights):
            return folder
    try:
        return fetched(cached=False)
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise FileNotFoundError(
            f"no model {identifier!r}: it is no folder, not in the Hub's cache, and the "
            f"Hub cannot be asked ({reason})"
        ) from error


def _complete(folder: Path, weights: bool) -> bool:
    tokenizers = [*folder.glob("tokenizer.json"), *folder.glob("vocab.*"), *folder.glob("*.model")]
    return bool(
        (folder / "config.json").is_file()
        and tokenizers
        and (not weights or any(folder.glob(_WEIGHTS)))
    )
