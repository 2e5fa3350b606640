"""Where keys of networks have no effect, as `effect_rules`."""

from typing import Any, Final

from wfl_sim.methods.method import SplitModel, needs
from wfl_sim.radio.allocation import Fixed, Hungarian, ProportionalFair, WaterFilling
from wfl_sim.radio.allocation.channel_unaware import CHANNEL_UNAWARE, RoundRobin, Weighted
from wfl_sim.radio.bands.cochannel import shares_bands
from wfl_sim.radio.cell import CellConfig, only_wired
from wfl_sim.radio.channel.propagation import TransportRate
from wfl_sim.radio.traffic import Traffic
from wfl_sim.rounds import Centralised, Hierarchical, JointPlan, OverTheAir, Synchronous
from wfl_sim.scenario.effect_rules import Rule
from wfl_sim.scenario.scenario import Scenario

_ALIKE: Final = "with an allocator whose shares are alike on all blocks"
RADIO_RULES: Final = (
    Rule(
        "load_memory",
        lambda scenario, _: scenario.interference != "load-average",
        "without `interference: load-average`",
    ),
    Rule(
        "interference",
        lambda scenario, _: len(scenario.base_stations) == 1 and scenario.interference != "none",
        "with one cell",
    ),
    Rule(
        "interference load_memory",
        lambda scenario, _: (
            scenario.interference != "none"
            and len(scenario.base_stations) > 1
            and not shares_bands(scenario.base_stations)
        ),
        "where no two cells share a band",
    ),
    Rule(
        "cells.*.bias",
        lambda scenario, _: len({cell.bias for cell in scenario.base_stations}) == 1,
        "where all cells have the same",
    ),
    Rule(
        "cells.*.tdd.special",
        lambda _, tdd: "S" not in tdd.pattern,
        "in a pattern without a special slot",
    ),
    Rule(
        "handover",
        lambda scenario, _: not any(group.moves for group in scenario.devices),
        "where no device moves",
    ),
    Rule(
        "backhaul.edge_servers",
        lambda scenario, _: not isinstance(scenario.rounds, Hierarchical),
        "without `rounds: hierarchical`",
    ),
    Rule(
        "backhaul.hardware", lambda scenario, graph: not graph.edge_servers, "without edge servers"
    ),
    Rule(
        "cells.*.backhaul",
        lambda scenario, _: scenario.backhaul is not None,
        "beside a `backhaul` for all cells",
    ),
    Rule(
        "cells.*.uplink.averaging cells.*.downlink.averaging",
        lambda _, band: (
            not isinstance(band.allocator, (ProportionalFair, Hungarian))
            and type(band.allocator).__module__.startswith("wfl_sim.")
        ),
        "with an allocator that looks at no average",
    ),
    Rule(
        "cells.*.uplink.allocator cells.*.downlink.allocator cells.*.uplink.rate "
        "cells.*.downlink.rate cells.*.uplink.csi_delay cells.*.downlink.csi_delay "
        "cells.*.uplink.subband cells.*.downlink.subband cells.*.uplink.overhead "
        "cells.*.downlink.overhead cells.*.uplink.block_snr cells.*.uplink.csi_error "
        "cells.*.downlink.csi_error cells.*.uplink.averaging cells.*.downlink.averaging "
        "cells.*.subcarrier_spacing",
        lambda _, cell: not cell.cellular,
        "beside `wifi` or `wired`",
        words=2,
    ),
    Rule(
        "cells.*.uplink.allocator cells.*.uplink.rate cells.*.uplink.csi_delay "
        "cells.*.uplink.csi_error cells.*.uplink.averaging cells.*.uplink.subband "
        "cells.*.uplink.access_delay cells.*.uplink.header cells.*.uplink.harq "
        "cells.*.uplink.power_control cells.*.uplink.power_reduction cells.*.uplink.block_snr "
        "cells.*.uplink.loss",
        lambda scenario, cell: (
            isinstance(scenario.rounds, OverTheAir)
            and not any(each.direction == "uplink" for each in cell.traffic)
        ),
        "over the air, where all send values at once",
        words=2,
    ),
    Rule(
        "cells.*.downlink.csi_delay cells.*.downlink.csi_error",
        lambda scenario, cell: _looks_at_nothing(cell.downlink, alone=_alone(scenario, cell)),
        "with an allocator that looks at no channel, and a rate that follows it at once",
        words=2,
    ),
    Rule(
        "cells.*.uplink.csi_delay cells.*.uplink.csi_error",
        lambda _, cell: (
            _looks_at_nothing(cell.uplink)
            and not cell.block_snr
            and cell.uplink.power_reduction is None
        ),
        "with an allocator that looks at no channel, and a rate that follows it at once",
        words=2,
    ),
    Rule(
        "cells.*.carrier cells.*.bandwidth cells.*.height cells.*.antenna cells.*.channel "
        "cells.*.downlink.power cells.*.downlink.noise_figure cells.*.downlink.outside "
        "cells.*.uplink.noise_figure cells.*.uplink.outside",
        lambda scenario, _: only_wired(scenario.base_stations),
        "where the one cell is `wired`",
        words=2,
    ),
    Rule(
        "devices.*.power devices.*.speed devices.*.height devices.*.indoor devices.*.reach "
        "devices.*.give_up",
        lambda scenario, _: only_wired(scenario.base_stations),
        "where the one cell is `wired`",
    ),
    Rule(
        "cells.*.traffic.*.weight",
        lambda _, cell: not cell.cellular,
        "beside `wifi` or `wired`",
        words=2,
    ),
    Rule(
        "cells.*.traffic.*.size cells.*.traffic.*.spread",
        lambda _, users: users.interval is None,
        "on full buffers: files come with `interval`",
    ),
    Rule(
        "cells.*.traffic.*.weight",
        lambda _, users: users.reserved > 0,
        "among the users of a slice, who weigh alike",
    ),
    Rule(
        "cells.*.traffic.*.weight",
        lambda _, cell: not any(_weighs(cell, each) for each in cell.traffic if each.weight != 1),
        "with an allocator that looks at no weight",
        words=2,
    ),
    Rule(
        "cells.*.traffic.*.power",
        lambda _, users: users.direction == "downlink",
        "on users that receive",
    ),
    Rule("cells.*.uplink.subband", lambda _, cell: _is_flat(cell, cell.uplink), _ALIKE, words=2),
    Rule(
        "cells.*.downlink.subband", lambda _, cell: _is_flat(cell, cell.downlink), _ALIKE, words=2
    ),
    Rule(
        "cells.*.downlink.allocator cells.*.downlink.averaging cells.*.downlink.subband",
        lambda scenario, cell: _alone(scenario, cell),
        "where each download is one broadcast, alone on the band",
        words=2,
    ),
    Rule(
        "cells.*.downlink.broadcast cells.*.downlink.share cells.*.downlink.rateless",
        lambda scenario, _: (
            type(scenario.rounds) is Synchronous
            and scenario.cohort == 1
            and not any(group.moves for group in scenario.devices)
        ),
        "in rounds of one device",
    ),
    Rule(
        "cells.*.downlink.harq",
        lambda scenario, cell: (
            _one_download(scenario, cell)
            and len(scenario.base_stations) == 1
            and scenario.cohort > 1
        ),
        "where each download is a broadcast to several, who report no failures",
        words=2,
    ),
    Rule(
        "cells interference layout handover backhaul record.radio",
        lambda scenario, _: isinstance(scenario.rounds, Centralised),
        "in centralised training, which sends nothing",
    ),
)


def _alone(scenario: Scenario, cell: CellConfig) -> bool:
    """Return whether a cell never has two downloads at once, and its allocator gives one all."""
    allocator = cell.downlink.allocator
    own = not type(allocator).__module__.startswith("wfl_sim.")
    return not (own or isinstance(allocator, Fixed | WaterFilling)) and _one_download(
        scenario, cell
    )


def _one_download(scenario: Scenario, cell: CellConfig) -> bool:
    """Return whether a cell never has two downloads at once."""
    method, once = scenario.method, cell.downlink.broadcast and cell.downlink.share == 1
    apart = needs(method, "unicast") or isinstance(method, SplitModel)
    apart |= any(group.moves for group in scenario.devices)
    others = any(each.direction == "downlink" for each in cell.traffic)
    return type(scenario.rounds) in (Synchronous, JointPlan) and once and not (apart or others)


def _weighs(cell: CellConfig, users: Traffic) -> bool:
    """Return whether the allocator of some users looks at their weight."""
    side = cell.uplink if users.direction == "uplink" else cell.downlink
    allocator = getattr(side.allocator, "blocks", side.allocator)
    own = not type(allocator).__module__.startswith("wfl_sim.")
    return own or isinstance(allocator, (Weighted, ProportionalFair, Hungarian))


def _is_flat(cell: CellConfig, side: Any) -> bool:
    """Return whether the shares of a direction are alike on all blocks, and none is reserved."""
    allocator = side.allocator
    unaware = isinstance(allocator, CHANNEL_UNAWARE) and not isinstance(allocator, RoundRobin)
    apart = any(users.reserved for users in cell.traffic)
    limited = getattr(side, "block_snr", None) is not None
    return not apart and not limited and (unaware or _by_means(allocator))


def _by_means(allocator: Any) -> bool:
    """Return whether an allocator knows mean gains alone, and gives flat shares by them."""
    return getattr(allocator, "knowledge", "") == "statistical"


def _looks_at_nothing(side: Any, *, alone: bool = False) -> bool:
    """Return whether neither the allocator nor the rate of a direction knows the channel.

    An allocator of one transfer alone has nothing to choose.
    """
    unaware = alone or isinstance(side.allocator, CHANNEL_UNAWARE) or _by_means(side.allocator)
    return unaware and not isinstance(side.rate, TransportRate)
