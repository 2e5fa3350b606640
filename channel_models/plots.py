"""Pictures of models, by what they can do; matplotlib is loaded when the first one is drawn."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.units import db_to_linear, linear_to_db


def plot(model: Any, axes: Any = None, **options: Any) -> Any:
    """Draw a model and return the axes.

    A path loss is drawn over distance (options `distance` in m and `frequency` in Hz), a law as
    its distribution, a rate over `snr_db`, a fading process over `time` in s. Other options go to
    the line, such as `label` and `color`.

    Args:
        model: has ``loss_db``, ``cdf``, ``spectral_efficiency`` or ``power``.
        axes: of matplotlib; those of a figure of its own unless given.
    """
    if axes is None:
        from matplotlib.figure import Figure

        axes = Figure(layout="constrained").subplots()
    curve = next(curve for what, curve in _CURVES.items() if hasattr(model, what))
    x, y, labels, scale = curve(model, options)
    options.setdefault("label", type(model).__name__)
    axes.plot(x, y, **options)
    axes.set(xlabel=labels[0], ylabel=labels[1], xscale=scale)
    axes.legend()
    return axes


Curve = tuple[ArrayLike, ArrayLike, Sequence[str], str]


def _loss(model: Any, options: dict[str, Any]) -> Curve:
    least = getattr(model, "minimum_distance", 1.0)
    most = min(getattr(model, "maximum_distance", np.inf), max(1000.0, 10 * least))
    distance = options.pop("distance", np.geomspace(max(least, 1.0), most, 300))
    frequency = options.pop("frequency", 3.5e9)
    chance = model.los_probability(distance)
    heights = {
        "base_height": model.default_base_height,
        "terminal_height": model.default_terminal_height,
    }
    if np.all((np.asarray(chance) == 0) | (np.asarray(chance) == 1)):
        loss = model.loss_db(distance, frequency, **heights)
    else:  # the mean over line of sight, as a link budget takes it
        shape = np.shape(distance)
        sight, none = (
            model.loss_db(distance, frequency, los=np.full(shape, los), **heights)
            for los in (True, False)
        )
        loss = chance * sight + (1 - chance) * none
    return distance, loss, ("distance [m]", "mean path loss [dB]"), "log"


def _law(model: Any, options: dict[str, Any]) -> Curve:
    chance = np.linspace(0.001, 0.999, 400)
    x = model.quantile(chance)
    decibels = hasattr(model, "sigma")
    x = x if decibels else linear_to_db(np.maximum(x, 1e-12))
    name = "shadowing [dB]" if decibels else "power over its unit [dB]"
    return x, chance, (name, "probability of at most this"), "linear"


def _rate(model: Any, options: dict[str, Any]) -> Curve:
    snr_db = np.asarray(options.pop("snr_db", np.linspace(-10, 30, 400)))
    rate = model.spectral_efficiency(db_to_linear(snr_db))
    return snr_db, rate, ("SINR [dB]", "rate [bit/s/Hz]"), "linear"


def _fading(model: Any, options: dict[str, Any]) -> Curve:
    time = options.pop("time", np.linspace(0.0, 1.0, 1000))
    power = model.power(time, [0.0], links=options.pop("links", [0]))[:, :, 0].T
    return time, linear_to_db(power), ("time [s]", "power at the carrier [dB]"), "linear"


_CURVES = {"loss_db": _loss, "cdf": _law, "spectral_efficiency": _rate, "power": _fading}
