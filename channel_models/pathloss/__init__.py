"""Path loss: how much power the distance takes, in dB, without shadowing and fading."""

from channel_models.pathloss._base import Condition, OutOfRangeWarning
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
from channel_models.pathloss.uma import (
    UMa,
    draw_environment_height,
    environment_one_metre_probability,
)
from channel_models.pathloss.umi import UMi

__all__ = [
    "BuildingEntry",
    "Condition",
    "FreeSpace",
    "InH",
    "LogDistance",
    "Macro",
    "OutOfRangeWarning",
    "PowerLaw",
    "RMa",
    "UMa",
    "UMi",
    "draw_environment_height",
    "environment_one_metre_probability",
    "free_space_loss_db",
    "material_loss_db",
]
