"""Receive diversity: combining independent branches."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.laws.best_of import BestOfPower
from channel_models.laws.power import GammaPower
from channel_models.validation import check_array, check_positive_integer


def maximum_ratio(powers: ArrayLike, axis: int = 0) -> Any:
    """Power after maximum-ratio combining: the sum of the branches' SNRs along ``axis``."""
    return np.asarray(check_array("powers", powers, minimum=0.0).sum(axis=axis))[()]


def selection(powers: ArrayLike, axis: int = 0) -> Any:
    """Power after selection combining: the largest branch along ``axis``."""
    return np.asarray(check_array("powers", powers, minimum=0.0).max(axis=axis))[()]


def maximum_ratio_law(branches: int) -> GammaPower:
    """Law of the sum of independent Rayleigh branches of mean one: gamma, shape and mean n."""
    n = check_positive_integer("branches", branches)
    return GammaPower(shape=float(n), mean=float(n))


def selection_law(branches: int) -> BestOfPower:
    """Law of the largest of independent Rayleigh branches of mean one."""
    return BestOfPower(branches=branches)
