"""The processor, as far as it decides the last bits of results.

Products of matrices, exponentials and the like go through kernels that torch, oneDNN, MKL, OpenBLAS
and NumPy choose by the processor's vendor, model and instructions, and by environment variables.
They sum in another order on another processor. Torch is not imported for this.
"""

import os
import platform
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

_CPUINFO: Final = Path("/proc/cpuinfo")
_MODEL: Final = (
    "vendor_id",
    "cpu family",
    "model",
    "model name",
    "CPU implementer",
    "CPU variant",
    "CPU part",
)
_VECTORS: Final = re.compile(r"s?sse|avx|fma|f16c|amx|asimd|sve|sme|bf16|i8mm|fphp")
"""Beginnings of the names of instructions that the kernels use."""
_CHOICES: Final = (
    "ATEN_CPU_CAPABILITY",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "NPY_DISABLE_CPU_FEATURES",
    "NPY_ENABLE_CPU_FEATURES",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
)
"""Environment variables by which users choose kernels."""
_AVX512: Final = {"avx512f", "avx512bw", "avx512dq", "avx512vl", "fma"}


@cache
def processor() -> Mapping[str, str]:
    """Return what decides the kernels: machine, model, instructions, capability and choices.

    `capability` is that of `torch.backends.cpu.get_cpu_capability()`, told on x86 alone.
    """
    first = first_core()
    words = (first.get("flags") or first.get("Features") or "").split()
    found = sorted({word for word in words if _VECTORS.match(word)})
    model = " ".join(first[name] for name in _MODEL if name in first)
    choices = " ".join(f"{name}={os.environ[name]}" for name in _CHOICES if name in os.environ)
    told = {
        "machine": platform.machine(),
        "model": model or platform.processor(),
        "capability": _capability(set(found)) if "flags" in first else "",
        "instructions": " ".join(found),
        "choices": choices,
    }
    return {name: value for name, value in told.items() if value}


def first_core() -> Mapping[str, str]:
    """Return what Linux says of the first core; nothing elsewhere."""
    if not _CPUINFO.is_file():
        return {}
    core = _CPUINFO.read_text("utf-8", "replace").partition("\n\n")[0]
    pairs = (line.partition(":") for line in core.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _capability(instructions: set[str]) -> str:
    chosen = os.environ.get("ATEN_CPU_CAPABILITY", "").upper()
    if chosen in ("DEFAULT", "AVX2", "AVX512"):
        return chosen
    if instructions >= _AVX512:
        return "AVX512"
    return "AVX2" if instructions >= {"avx2", "fma"} else "DEFAULT"
