"""Conversion of a GGUF file: `python -m wfl_sim.learning.base_models.gguf_conversion FILE FOLDER`.

The quantised values become half-precision safetensors, beside the tokenizer. It needs `gguf`.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from wfl_sim.learning.torch_settings import silence_transformers


def convert(file: Path, folder: Path) -> None:
    """Write the network and the tokenizer of a GGUF file as transformers saves them."""
    source: dict[str, Any] = {
        "pretrained_model_name_or_path": str(file.parent),
        "gguf_file": file.name,
        "local_files_only": True,
    }
    read = AutoModelForCausalLM.from_pretrained(dtype=torch.float32, **source)
    config = read.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    network: Any = AutoModelForCausalLM.from_config(config)  # what was read refuses to be saved
    network.load_state_dict(read.state_dict())
    network.half().save_pretrained(folder)
    AutoTokenizer.from_pretrained(**source).save_pretrained(folder)


if __name__ == "__main__":
    with silence_transformers():
        convert(Path(sys.argv[1]), Path(sys.argv[2]))
