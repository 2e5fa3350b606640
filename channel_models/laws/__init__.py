"""Closed-form laws: what is known of a random model, to stand beside its samples."""

from channel_models.laws.best_of import BestOfPower
from channel_models.laws.power import (
    ConstantPower,
    EmpiricalPower,
    ExponentialPower,
    GammaPower,
    NormalDecibels,
    RicianPower,
)
from channel_models.laws.time import (
    average_fade_duration,
    clarke_autocorrelation,
    level_crossing_rate,
    rician_autocorrelation,
)

__all__ = [
    "BestOfPower",
    "ConstantPower",
    "EmpiricalPower",
    "ExponentialPower",
    "GammaPower",
    "NormalDecibels",
    "RicianPower",
    "average_fade_duration",
    "clarke_autocorrelation",
    "level_crossing_rate",
    "rician_autocorrelation",
]
