"""Small-scale fading: what the multipath does to the gain over time and frequency."""

from channel_models.fading.block import Block, Static
from channel_models.fading.grid import GRID_BLOCK, GRID_LINKS
from channel_models.fading.nakagami import Nakagami
from channel_models.fading.ornstein_uhlenbeck import OrnsteinUhlenbeck
from channel_models.fading.process import FunctionProcess
from channel_models.fading.profiles import DelayProfile, ProfileName, delay_profile
from channel_models.fading.rayleigh import Rayleigh
from channel_models.fading.rician import Rician
from channel_models.fading.sum_of_sinusoids import SumOfSinusoids
from channel_models.fading.trace import Trace

__all__ = [
    "GRID_BLOCK",
    "GRID_LINKS",
    "Block",
    "DelayProfile",
    "FunctionProcess",
    "Nakagami",
    "OrnsteinUhlenbeck",
    "ProfileName",
    "Rayleigh",
    "Rician",
    "Static",
    "SumOfSinusoids",
    "Trace",
    "delay_profile",
]
