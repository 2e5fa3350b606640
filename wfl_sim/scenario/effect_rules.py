"""Where keys have no effect: a table of keys, conditions and reasons."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from channel_models import LogNormal
from wfl_sim.device_models.availability import Always
from wfl_sim.learning.synthetic import Synthetic, SyntheticLearner
from wfl_sim.methods.local_only import LocalOnly
from wfl_sim.methods.method import SplitModel, needs
from wfl_sim.methods.objectives import DPO
from wfl_sim.radio.allocation import Fixed, Hungarian, ProportionalFair, WaterFilling
from wfl_sim.radio.cell import CellConfig, only_wired
from wfl_sim.rounds import (
    Centralised,
    Deadline,
    Hierarchical,
    JointPlan,
    OverSelection,
    OverTheAir,
    Synchronous,
)
from wfl_sim.rounds.selection import BestChannel, EnergyAware, Oort, RoundRobin
from wfl_sim.scenario.scenario import Scenario


@dataclass(frozen=True)
class Rule:
    """When a key has no effect, and why."""

    keys: str
    """Paths of keys, with spaces between; `*` is any item of a list."""
    idle: Callable[[Scenario, Any], bool]
    """Whether it has none, given the scenario and what is at the first `words` of its path."""
    why: str
    words: int = -1


TRAINS_NOTHING: Final = "with a synthetic model, which trains nothing and has its payload given"
RULES: Final = (
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
    Rule("cells.*.bias", lambda scenario, _: len(scenario.base_stations) == 1, "with one cell"),
    Rule(
        "cells.*.channel.entry",
        lambda scenario, _: not any(group.indoor for group in scenario.devices),
        "where no device is in a building",
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
        "cells.*.carrier cells.*.bandwidth cells.*.height cells.*.antenna cells.*.channel "
        "cells.*.downlink.power cells.*.downlink.noise_figure cells.*.downlink.outside "
        "cells.*.uplink.noise_figure cells.*.uplink.outside",
        lambda scenario, _: only_wired(scenario.base_stations),
        "where the one cell is `wired`",
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
        "cells.*.downlink.allocator",
        lambda scenario, cell: (
            not isinstance(cell.downlink.allocator, (Fixed, WaterFilling))
            and type(cell.downlink.allocator).__module__.startswith("wfl_sim.")
            and _one_download(scenario, cell)
        ),
        "where each download is one broadcast, alone on the band",
        words=2,
    ),
    Rule(
        "evaluation.every",
        lambda _, evaluation: evaluation.interval is not None,
        "beside `interval`",
    ),
    Rule("method.local.steps", lambda _, local: local.epochs > 0, "beside `epochs`"),
    Rule(
        "method.rewards method.weight",
        lambda _, method: isinstance(getattr(method, "algorithm", None), DPO),
        "with `dpo`, which learns from pairs of answers",
    ),
    Rule(
        "method.rewards method.weight method.attention method.temperature",
        lambda _, method: isinstance(method, LocalOnly) and method.algorithm is None,
        "without an `algorithm`",
    ),
    Rule(
        "method.lora.dropout",
        lambda _, method: getattr(method, "algorithm", None) is not None,
        "with an `algorithm`: nothing drops out in learning from rewards or pairs",
        words=1,
    ),
    Rule(
        "method.lora",
        lambda _, method: isinstance(method, LocalOnly) and method.layers > 0,
        "beside `layers`, which learn in its place",
    ),
    Rule(
        "method.algorithm.adapt",
        lambda _, algorithm: algorithm.target_kl is None,
        "without a `target_kl`",
    ),
    Rule(
        "payload.upload payload.download",
        lambda scenario, _: isinstance(scenario.rounds, Centralised),
        "in centralised training, which sends nothing",
    ),
    Rule(
        "devices.*.speed",
        lambda _, group: group.mobility.pace is not None,
        "beside a mobility with a speed of its own",
    ),
    Rule(
        "devices.*.power devices.*.speed",
        lambda scenario, _: only_wired(scenario.base_stations),
        "where the one cell is `wired`",
    ),
    Rule(
        "devices.*.away_power",
        lambda _, group: (
            isinstance(group.availability, Always)
            and not group.moves
            and "exclude" not in (group.reach, group.compute.memory)
        ),
        "for devices that are always there (one with an empty battery draws nothing)",
    ),
    Rule(
        "devices.*.compute.frequency",
        lambda scenario, _: isinstance(scenario.rounds, JointPlan),
        "under `joint-plan`, which sets the clock",
    ),
    Rule(
        "devices.*.compute.weights",
        lambda scenario, _: bool(getattr(scenario.model, "frozen", 1) == 0),
        "with a synthetic model of which no bytes are `frozen`",
    ),
    Rule(
        "devices.*.compute.memory",
        lambda scenario, _: bool(getattr(scenario.model, "memory", 1) == 0),
        "with a synthetic model without `memory`, which fits everywhere",
    ),
    Rule(
        "model.traffic_per_step",
        lambda scenario, _: not any(group.hardware.bandwidth for group in scenario.devices),
        "where no hardware states its `bandwidth`",
    ),
    Rule(
        "devices.*.compute.precision devices.*.hardware.peak devices.*.hardware.utilisation "
        "devices.*.hardware.bandwidth devices.*.hardware.step_overhead "
        "devices.*.hardware.compute_power",
        lambda _, group: group.compute.table is not None,
        "beside a `table` of measured seconds and watts",
        words=2,
    ),
    Rule(
        "devices.*.hardware.receive_power devices.*.hardware.transmit_circuit_power "
        "devices.*.hardware.amplifier_efficiency",
        lambda _, group: group.modem is not None,
        "beside a `modem`, which has powers of its own",
        words=2,
    ),
    Rule(
        "devices.*.battery.restart",
        lambda _, battery: not battery.revives,
        "for a battery that is never charged",
    ),
    Rule(
        "server.staleness",
        lambda scenario, _: (
            type(scenario.rounds)
            in (Synchronous, Centralised, OverTheAir, Hierarchical, OverSelection)
            or (isinstance(scenario.rounds, Deadline) and scenario.rounds.late == "drop")
        ),
        "in rounds that wait for all or drop what is late",
    ),
    Rule(
        "rounds.select",
        lambda scenario, rounds: (
            isinstance(rounds.select, (BestChannel, RoundRobin, Oort, EnergyAware))
            and rounds.clients in (0, scenario.device_count)
        ),
        "where every device is asked",
    ),
    Rule(
        "rounds.select",
        lambda scenario, rounds: (
            isinstance(rounds.select, EnergyAware)
            and not any(group.battery for group in scenario.devices)
        ),
        "where no device has a battery: it is `random`",
    ),
    Rule(
        "rounds.select.alpha",
        lambda _, select: isinstance(select, Oort) and select.preferred is None,
        "without a `preferred` duration",
    ),
    Rule(
        "privacy.noise privacy.delta",
        lambda _, privacy: not privacy.noise_multiplier,
        "without a `noise_multiplier`",
    ),
    Rule(
        "model.cut",
        lambda scenario, model: (
            SyntheticLearner(model, scenario.method).workload(0).exchange is None
        ),
        "with a method that does not split the network",
    ),
    Rule(
        "data payload.upload payload.download evaluation.every evaluation.interval "
        "evaluation.global_examples evaluation.personal_examples evaluation.metrics "
        "server.optimizer server.weights server.robust privacy.clip privacy.noise_multiplier",
        lambda scenario, _: isinstance(scenario.model, Synthetic),
        TRAINS_NOTHING,
    ),
)


def _one_download(scenario: Scenario, cell: CellConfig) -> bool:
    """Return whether a cell never has two downloads at once."""
    method, once = scenario.method, cell.downlink.broadcast and cell.downlink.share == 1
    apart = needs(method, "unicast") or isinstance(method, SplitModel)
    apart |= any(group.moves for group in scenario.devices)
    others = any(each.direction == "downlink" for each in cell.traffic)
    return type(scenario.rounds) in (Synchronous, JointPlan) and once and not (apart or others)
