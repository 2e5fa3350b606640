"""Where keys have no effect: a table of keys, conditions and reasons.

Those of networks are in `radio_effect_rules` and `channel_effect_rules`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from wfl_sim.data.instruct import Instruct
from wfl_sim.data.instruction_records import InstructionRecords
from wfl_sim.device_models.availability import Always
from wfl_sim.learning.synthetic import Synthetic, SyntheticLearner
from wfl_sim.methods.fedalt import FedALT
from wfl_sim.methods.local_only import LocalOnly
from wfl_sim.methods.method import hook
from wfl_sim.methods.objectives import DPO, GRPO, PPO
from wfl_sim.methods.parts import Full
from wfl_sim.methods.phases import Phase
from wfl_sim.methods.scaffold import Scaffold
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


def _noisy(scenario: Scenario) -> bool:
    """Return whether updates have noise, which asks for equal weights."""
    return scenario.privacy is not None and scenario.privacy.noise_multiplier > 0


def _shares_nothing(method: Any) -> bool:
    """Return whether no part is shared, and the method has no payload of its own."""
    own = any(hook(method, f"{way}_shapes") for way in ("upload", "download"))
    return not own and not any(part.shared for part in method.parts)


def _one_step(phase: Phase) -> bool:
    return (phase.local.steps, phase.local.epochs) == (1, 0)


def _answers(scenario: Scenario) -> bool:
    """Return whether a language model learns answers in place of labels."""
    return isinstance(scenario.data, Instruct | InstructionRecords)


TRAINS_NOTHING: Final = "with a synthetic model, which trains nothing and has its payload given"
RULES: Final = (
    Rule(
        "evaluation.every",
        lambda _, evaluation: evaluation.interval is not None,
        "beside `interval`",
    ),
    Rule(
        "data.concept_shift",
        lambda scenario, data: round(data.concept_shift * scenario.device_count) == 0,
        "on so few devices: the share is none of them",
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
        "method.attention.pattern",
        lambda _, attention: attention.ratio == 1,
        "at `ratio: 1`, which keeps all pairs of words",
    ),
    Rule(
        "method.head",
        lambda scenario, _: _answers(scenario),
        "with a language model, which has no head",
    ),
    Rule(
        "model.activations",
        lambda scenario, _: _answers(scenario),
        "with answers: outputs of texts with labels are kept",
    ),
    Rule(
        "model.activations",
        lambda scenario, _: any(
            isinstance(part.config, Full) and not part.config.adapted
            for part in scenario.method.parts
        ),
        "where all weights learn, and no layer lies below them",
    ),
    Rule(
        "method.algorithm.adapt",
        lambda _, algorithm: algorithm.target_kl is None,
        "without a `target_kl`",
    ),
    Rule(
        "method.algorithm.target_kl",
        lambda scenario, algorithm: (
            isinstance(algorithm, PPO)
            and (algorithm.kl == 0 or all(map(_one_step, scenario.method.phases)))
        ),
        "with local updates of one step, or `kl: 0`: it changes `kl` from step to step",
    ),
    Rule(
        "method.algorithm.clip",
        lambda _, algorithm: (
            isinstance(algorithm, PPO | GRPO) and algorithm.epochs * algorithm.minibatches == 1
        ),
        "with one optimiser step for each batch, before which no probability has changed",
    ),
    Rule(
        "payload.upload payload.download server.weights evaluation.global_examples",
        lambda scenario, _: _shares_nothing(scenario.method),
        "with a method that shares no part",
    ),
    Rule(
        "server.weights",
        lambda scenario, _: isinstance(scenario.method, Scaffold | FedALT),
        "with a method in which all uploads weigh the same",
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
        "devices.*.hardware.bandwidth",
        lambda scenario, _: bool(getattr(scenario.model, "traffic_per_step", 1) == 0),
        "with a synthetic model without `traffic_per_step`",
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
        "server.staleness.exponent",
        lambda scenario, _: (
            (
                type(scenario.rounds)
                in (Synchronous, Centralised, OverTheAir, Hierarchical, JointPlan, OverSelection)
                or (isinstance(scenario.rounds, Deadline) and scenario.rounds.late == "drop")
            )
            and not isinstance(scenario.model, Synthetic)
        ),
        "in rounds that wait for all or drop what is late",
    ),
    Rule(
        "server.weights",
        lambda scenario, server: server.robust is not None and not _noisy(scenario),
        "beside `robust`, which knows no weights",
    ),
    Rule(
        "server.weights",
        lambda scenario, _: (
            scenario.most_uploads == 1
            and not isinstance(scenario.rounds, Hierarchical)
            and not _noisy(scenario)
        ),
        "where an aggregation has one upload",
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
        "where no device has a battery: it is `random`, by other draws",
    ),
    Rule(
        "rounds.select.alpha",
        lambda _, select: isinstance(select, Oort) and select.preferred is None,
        "without a `preferred` duration",
    ),
    Rule(
        "privacy",
        lambda _, privacy: not privacy.clip and privacy.secure_aggregation is None,
        "without a `clip` and without `secure_aggregation`",
        words=1,
    ),
    Rule("privacy.cohort", lambda *_: True, "since the rounds tell the size of a cohort"),
    Rule(
        "privacy.noise privacy.delta privacy.accountant",
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
        "server.optimizer server.staleness server.weights server.robust privacy.clip "
        "privacy.noise_multiplier",
        lambda scenario, _: isinstance(scenario.model, Synthetic),
        TRAINS_NOTHING,
    ),
)
