"""Wireless channel models: path loss, shadowing, fading, link adaptation.

Small vectorised NumPy objects, each with its formula, its source and its laws beside its samples.
"""

from channel_models.antenna import Omni, Panel, Sector, direction
from channel_models.diversity import (
    BestOfPower,
    maximum_ratio,
    maximum_ratio_law,
    selection,
    selection_law,
)
from channel_models.fading.block import Block, Static
from channel_models.fading.blockage import Blocked, blockage_loss_db
from channel_models.fading.grid import GRID_BLOCK
from channel_models.fading.nakagami import Nakagami
from channel_models.fading.ornstein_uhlenbeck import OrnsteinUhlenbeck
from channel_models.fading.process import DelayedProcess, FunctionProcess
from channel_models.fading.profiles import DelayProfile, ProfileName, delay_profile
from channel_models.fading.rayleigh import Rayleigh, Rician
from channel_models.fading.screens import Screens, screen_loss_db
from channel_models.fading.sum_of_sinusoids import SumOfSinusoids
from channel_models.fading.trace import Trace
from channel_models.geometry import Disc, Hexagon, HexGrid, PoissonField, read_positions
from channel_models.laws.power import (
    ConstantPower,
    EmpiricalPower,
    ExponentialPower,
    GammaPower,
)
from channel_models.laws.rician import (
    RicianPower,
    average_fade_duration,
    clarke_autocorrelation,
    level_crossing_rate,
    rician_autocorrelation,
)
from channel_models.link_adaptation.bler import BlockErrors
from channel_models.link_adaptation.effective_sinr import (
    capacity_effective_sinr,
    eesm_beta,
    equaliser_sinr,
    exponential_effective_sinr,
)
from channel_models.link_adaptation.finite_blocklength import (
    FiniteBlocklength,
    channel_dispersion,
    normal_approximation_error,
    normal_approximation_rate,
)
from channel_models.link_adaptation.harq import (
    chase_errors,
    harq_goodput,
    harq_mean_transmissions,
    harq_residual_error,
)
from channel_models.link_adaptation.mcs import (
    McsTable,
    code_blocks,
    cqi_efficiency,
    mcs_table,
    resource_elements,
    transport_block_size,
)
from channel_models.link_adaptation.mcs_rate import McsRate
from channel_models.link_adaptation.outer_loop import OuterLoop
from channel_models.link_adaptation.shannon import (
    AttenuatedShannon,
    Shannon,
    ShannonForm,
    ShannonGap,
    qam_gap_db,
)
from channel_models.ofdm import (
    CYCLIC_PREFIX,
    FR1_TOP,
    Standard,
    TddPattern,
    doppler_shift,
    noise_power,
    numerology,
    peak_rate,
    resource_block_bandwidth,
    resource_block_offsets,
    resource_blocks,
    signalling_overhead,
    slot_duration,
    symbol_duration,
    thermal_noise_density,
)
from channel_models.pathloss._base import Condition, OutOfRangeWarning, Tr38901Model
from channel_models.pathloss.aerial import AerialModel, RMaAV, UMaAV, UMiAV
from channel_models.pathloss.building import BuildingEntry, material_loss_db
from channel_models.pathloss.inh import InH
from channel_models.pathloss.rma import RMa
from channel_models.pathloss.simple import (
    FreeSpace,
    LogDistance,
    Macro,
    PowerLaw,
    free_space_loss_db,
)
from channel_models.pathloss.urban import (
    UMa,
    UMi,
    draw_environment_height,
    environment_one_metre_probability,
)
from channel_models.protocols import (
    Fading,
    FadingProcess,
    PathLoss,
    RateMap,
    Shadowing,
    ShadowingProcess,
)
from channel_models.shadowing import (
    FixedShadowing,
    LogNormal,
    LosField,
    LosMap,
    NormalDecibels,
    ScenarioShadowing,
    ShadowField,
    ShadowMap,
    SharedShadowing,
)
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
    "CYCLIC_PREFIX",
    "FR1_TOP",
    "GRID_BLOCK",
    "SPEED_OF_LIGHT",
    "AerialModel",
    "AttenuatedShannon",
    "BestOfPower",
    "Block",
    "BlockErrors",
    "Blocked",
    "BuildingEntry",
    "Condition",
    "ConstantPower",
    "DelayProfile",
    "DelayedProcess",
    "Disc",
    "EmpiricalPower",
    "ExponentialPower",
    "Fading",
    "FadingProcess",
    "FiniteBlocklength",
    "FixedShadowing",
    "FreeSpace",
    "FunctionProcess",
    "GammaPower",
    "HexGrid",
    "Hexagon",
    "InH",
    "LogDistance",
    "LogNormal",
    "LosField",
    "LosMap",
    "Macro",
    "McsRate",
    "McsTable",
    "Nakagami",
    "NormalDecibels",
    "Omni",
    "OrnsteinUhlenbeck",
    "OutOfRangeWarning",
    "OuterLoop",
    "Panel",
    "PathLoss",
    "PoissonField",
    "PowerLaw",
    "ProfileName",
    "RMa",
    "RMaAV",
    "RateMap",
    "Rayleigh",
    "Rician",
    "RicianPower",
    "ScenarioShadowing",
    "Screens",
    "Sector",
    "ShadowField",
    "ShadowMap",
    "Shadowing",
    "ShadowingProcess",
    "Shannon",
    "ShannonForm",
    "ShannonGap",
    "SharedShadowing",
    "Standard",
    "Static",
    "SumOfSinusoids",
    "TddPattern",
    "Tr38901Model",
    "Trace",
    "UMa",
    "UMaAV",
    "UMi",
    "UMiAV",
    "Unit",
    "average_fade_duration",
    "blockage_loss_db",
    "capacity_effective_sinr",
    "channel_dispersion",
    "chase_errors",
    "clarke_autocorrelation",
    "code_blocks",
    "cqi_efficiency",
    "db_to_linear",
    "dbm_to_watt",
    "delay_profile",
    "direction",
    "doppler_shift",
    "draw_environment_height",
    "eesm_beta",
    "environment_one_metre_probability",
    "equaliser_sinr",
    "exponential_effective_sinr",
    "free_space_loss_db",
    "harq_goodput",
    "harq_mean_transmissions",
    "harq_residual_error",
    "level_crossing_rate",
    "linear_to_db",
    "material_loss_db",
    "maximum_ratio",
    "maximum_ratio_law",
    "mcs_table",
    "noise_power",
    "normal_approximation_error",
    "normal_approximation_rate",
    "numerology",
    "peak_rate",
    "qam_gap_db",
    "read_positions",
    "resource_block_bandwidth",
    "resource_block_offsets",
    "resource_blocks",
    "resource_elements",
    "rician_autocorrelation",
    "screen_loss_db",
    "selection",
    "selection_law",
    "signalling_overhead",
    "slot_duration",
    "symbol_duration",
    "thermal_noise_density",
    "transport_block_size",
    "watt_to_dbm",
]
