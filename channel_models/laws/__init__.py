"""Closed-form laws: what is known of a random model, to stand beside its samples."""

from channel_models.laws.best_of import BestOfPower
from channel_models.laws.clarke import (
    average_fade_duration,
    clarke_autocorrelation,
    level_crossing_rate,
    rician_autocorrelation,
)
from channel_models.laws.constant import ConstantPower
from channel_models.laws.empirical import EmpiricalPower
from channel_models.laws.exponential import ExponentialPower
from channel_models.laws.gamma import GammaPower
from channel_models.laws.normal_db import NormalDecibels
from channel_models.laws.rician import RicianPower

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
