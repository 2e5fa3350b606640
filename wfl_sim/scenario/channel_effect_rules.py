"""Where keys of the channel and of antennas have no effect, as `effect_rules`."""

from typing import Any, Final

from channel_models import InH, LogNormal, Macro, McsRate, Omni, Panel, PowerLaw, Sector, Static
from wfl_sim.radio.cell import CellConfig
from wfl_sim.scenario.effect_rules import Rule
from wfl_sim.scenario.scenario import Scenario

CHANNEL_RULES: Final = (
    Rule(
        "cells.*.channel.entry",
        lambda scenario, _: not any(group.indoor for group in scenario.devices),
        "where no device is in a building",
    ),
    Rule(
        "cells.*.channel.entry",
        lambda _, channel: isinstance(channel.pathloss, InH),
        "where the cell is in the building (`inh`)",
    ),
    Rule(
        "devices.*.indoor",
        lambda scenario, _: all(
            isinstance(cell.channel.pathloss, InH) for cell in scenario.base_stations
        ),
        "where all cells are in the building (`inh`)",
    ),
    Rule(
        "cells.*.channel.shadowing cells.*.channel.entry cells.*.antenna",
        lambda _, cell: cell.channel.link_gains is not None,
        "beside whole gains from a file",
        words=2,
    ),
    Rule(
        "cells.*.channel.pathloss.sigma",
        lambda _, channel: channel.shadowing != LogNormal(sigma=channel.pathloss.sigma),
        "beside a `shadowing`",
        words=3,
    ),
    Rule(
        "cells.*.channel.fading.delay_spread",
        lambda _, fading: getattr(fading, "profile", "") == "flat",
        "with a flat profile",
    ),
    Rule(
        "cells.*.uplink.csi_delay cells.*.downlink.csi_delay",
        lambda _, cell: isinstance(cell.channel.fading, Static),
        "without fading",
        words=2,
    ),
    Rule(
        "cells.*.channel.pathloss.optional_nlos cells.*.channel.pathloss.street_width",
        lambda _, model: getattr(model, "condition", "") == "los",
        "where all have line of sight",
    ),
    Rule(
        "cells.*.channel.pathloss.office",
        lambda _, model: isinstance(model, InH) and model.condition != "mixed",
        "on a probability of line of sight that is not asked: `condition` fixes it",
    ),
    Rule(
        "cells.*.height",
        lambda _, cell: _flat(cell),
        "with a path loss that knows no heights, and an antenna that knows no directions",
    ),
    Rule(
        "devices.*.height",
        lambda scenario, _: all(_flat(cell) for cell in scenario.base_stations),
        "with a path loss that knows no heights, and an antenna that knows no directions",
    ),
    Rule(
        "devices.*.speed",
        lambda scenario, _: all(
            hasattr(cell.channel.fading, "sampling_step") for cell in scenario.base_stations
        ),
        "on fading that has a pace of its own",
    ),
    Rule(
        "cells.*.uplink.rate.gap cells.*.downlink.rate.gap",
        lambda _, rate: getattr(rate, "thresholds", None) is not None,
        "beside `thresholds`",
    ),
    Rule(
        "cells.*.uplink.rate.modulation cells.*.downlink.rate.modulation",
        lambda _, rate: (
            isinstance(rate, McsRate)
            and (rate.modulation or 0) >= rate.errors.mcs.modulation_order.max()
        ),
        "with a table that has no more bits a symbol",
    ),
    Rule(
        "cells.*.antenna.columns",
        lambda _, antenna: isinstance(antenna, Panel) and antenna.misalignment is None,
        "without `misalignment`: columns of fixed beams are ports, as in a rate of kind `layers`",
    ),
    Rule(
        "cells.*.antenna",
        lambda scenario, cell: _sectored(scenario) and not isinstance(cell.antenna, Sector),
        "where sites have three sectors: their antennas have a direction (`sector`, `panel`)",
    ),
    Rule(
        "cells.*.antenna.boresight",
        lambda scenario, _: _sectored(scenario),
        "where sites have three sectors, to 30, 150 and 270 degrees",
    ),
    Rule(
        "cells.*.antenna.downtilt",
        lambda _, antenna: getattr(antenna, "misalignment", None) is not None,
        "with a beam that follows each device",
    ),
)


def _sectored(scenario: Scenario) -> bool:
    """Return whether a layout makes three cells of the one that is written."""
    return getattr(scenario.layout, "sectors", 1) == 3


def _flat(cell: CellConfig) -> bool:
    """Return whether heights change no gain."""
    model: Any = cell.channel.pathloss
    return isinstance(model, Macro | PowerLaw) and isinstance(cell.antenna, Omni)
