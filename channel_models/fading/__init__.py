"""Small-scale fading: what the multipath does to the gain over time and frequency."""

from channel_models.fading.grid import GRID_BLOCK
from channel_models.fading.profiles import DelayProfile, ProfileName, delay_profile
from channel_models.fading.rayleigh import Rayleigh
from channel_models.fading.static import Constant, Static
from channel_models.fading.sum_of_sinusoids import SumOfSinusoids

__all__ = [
    "GRID_BLOCK",
    "Constant",
    "DelayProfile",
    "ProfileName",
    "Rayleigh",
    "Static",
    "SumOfSinusoids",
    "delay_profile",
]
