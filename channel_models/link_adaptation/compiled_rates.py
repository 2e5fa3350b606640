"""Rate maps on large arrays by compiled loops, bit for bit the same as by NumPy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from channel_models.compiled import kernels
from channel_models.link_adaptation.mcs_rate import McsForm
from channel_models.link_adaptation.shannon import ShannonForm
from channel_models.protocols import RateMap


def compiled_efficiency(
    rate: RateMap, fading: NDArray[np.float32], scale: NDArray[np.float32]
) -> NDArray[np.floating[Any]] | None:
    """bit/s/Hz at a SINR of fading (..., n) times scale (n,); None where NumPy is to do the work.

    In the precision of `rate`: single for Shannon's formula, double for an MCS table.
    """
    loops = kernels()
    if loops is None:
        return None
    flat = np.ascontiguousarray(fading).reshape(-1, len(scale))
    form: Any = getattr(rate, "shannon", None)
    if isinstance(form, ShannonForm):
        single = np.empty(fading.shape, dtype=np.float32)
        loops.single_efficiency(flat, scale, tuple(form), single.reshape(flat.shape))
        return single
    form = getattr(rate, "mcs_form", None)
    if isinstance(form, McsForm):
        from channel_models.link_adaptation.kernels import read_curve

        double = np.empty(fading.shape)
        read_curve(flat, scale, form.curve, double.reshape(flat.shape))
        return double
    return None
