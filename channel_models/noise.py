"""Thermal noise and noise figure."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.units import BOLTZMANN, db_to_linear
from channel_models.validation import check_array


def thermal_noise_density(temperature: ArrayLike = 290.0) -> Any:
    """One-sided noise power density ``k T`` in W/Hz; -173.975 dBm/Hz at 290 K."""
    kelvin = check_array("temperature", temperature, minimum=0.0, exclusive=True, unit="K")
    return (BOLTZMANN * kelvin)[()]


def noise_power(
    bandwidth: ArrayLike, noise_figure_db: ArrayLike = 0.0, *, temperature: ArrayLike = 290.0
) -> Any:
    """Noise power ``k T B F`` in W at the receiver's input, for a bandwidth in Hz."""
    band = check_array("bandwidth", bandwidth, minimum=0.0, exclusive=True, unit="Hz")
    figure = check_array("noise_figure_db", noise_figure_db, minimum=0.0, unit="dB")
    return np.asarray(thermal_noise_density(temperature) * band * db_to_linear(figure))[()]
