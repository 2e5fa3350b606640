"""Rate maps on large arrays by compiled loops, bit for bit the same as by NumPy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from channel_models.compiled import kernels
from channel_models.link_adaptation.mcs_rate import McsForm, McsRate
from channel_models.link_adaptation.shannon import (
    AttenuatedShannon,
    Shannon,
    ShannonForm,
    ShannonGap,
)
from channel_models.protocols import RateMap


def form_of(rate: RateMap) -> ShannonForm | McsForm | None:
    """Return the numbers of a rate map for compiled loops; None where its methods must be asked.

    A class derived from one of these may have methods of its own.
    """
    if type(rate) is McsRate:
        return rate.mcs_form
    if type(rate) in (Shannon, ShannonGap, AttenuatedShannon):
        return rate.shannon  # type: ignore[attr-defined, no-any-return]
    return None


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
    form = form_of(rate)
    if isinstance(form, ShannonForm):
        single = np.empty(fading.shape, dtype=np.float32)
        loops.single_efficiency(flat, scale, tuple(form), single.reshape(flat.shape))
        return single
    if form is not None:
        from channel_models.link_adaptation.kernels import read_curve

        double = np.empty(fading.shape)
        read_curve(flat, scale, form.curve, double.reshape(flat.shape))
        return double
    return None
