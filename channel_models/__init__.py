"""Wireless channel models: path loss, shadowing, fading, link adaptation.

Small vectorised NumPy objects, each with its formula, its source and its laws beside its samples.
"""

from channel_models.fading import (
    GRID_BLOCK,
    DelayProfile,
    Rayleigh,
    Static,
    SumOfSinusoids,
    delay_profile,
)
from channel_models.link_adaptation import AttenuatedShannon, Shannon, ShannonGap, qam_gap_db
from channel_models.noise import noise_power, thermal_noise_density
from channel_models.ofdm import (
    doppler_shift,
    numerology,
    resource_block_bandwidth,
    resource_block_offsets,
    resource_blocks,
    slot_duration,
    symbol_duration,
)
from channel_models.pathloss import (
    FreeSpace,
    InH,
    LogDistance,
    Macro,
    OutOfRangeWarning,
    RMa,
    UMa,
    UMi,
)
from channel_models.protocols import Fading, FadingProcess, PathLoss, RateMap, Shadowing
from channel_models.shadowing import LogNormal, ShadowMap
from channel_models.units import (
    BOLTZMANN,
    SPEED_OF_LIGHT,
    Unit,
    db_to_linear,
    dbm_to_watt,
    linear_to_db,
    watt_to_dbm,
)

__all__ = [
    "BOLTZMANN",
    "GRID_BLOCK",
    "SPEED_OF_LIGHT",
    "AttenuatedShannon",
    "DelayProfile",
    "Fading",
    "FadingProcess",
    "FreeSpace",
    "InH",
    "LogDistance",
    "LogNormal",
    "Macro",
    "OutOfRangeWarning",
    "PathLoss",
    "RMa",
    "RateMap",
    "Rayleigh",
    "ShadowMap",
    "Shadowing",
    "Shannon",
    "ShannonGap",
    "Static",
    "SumOfSinusoids",
    "UMa",
    "UMi",
    "Unit",
    "db_to_linear",
    "dbm_to_watt",
    "delay_profile",
    "doppler_shift",
    "linear_to_db",
    "noise_power",
    "numerology",
    "qam_gap_db",
    "resource_block_bandwidth",
    "resource_block_offsets",
    "resource_blocks",
    "slot_duration",
    "symbol_duration",
    "thermal_noise_density",
    "watt_to_dbm",
]
