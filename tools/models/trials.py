"""What trains on a checkpoint: one local update and one evaluation of each kind."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, Literal

from wfl_sim.codecs import Float32
from wfl_sim.data import Instruct, Newswire
from wfl_sim.data.examples import Shards
from wfl_sim.execution.task import Evaluate, InitialPrivate, InitialShared, LocalUpdate, StateRef
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.learner import PeftLearner
from wfl_sim.methods import PFTT, AdaptersOnly, FedIT, FedRLHF, SplitLoRA
from wfl_sim.methods.objectives import DPO, Rewards
from wfl_sim.methods.parts import Adapter, LoRA
from wfl_sim.methods.phases import Local

_LOCAL: Final = Local(steps=1, batch=2)
_RULES: Final = Rewards(helpfulness="rules", safety="rules")


@cache
def labelled() -> Shards:
    """Return labelled texts for two devices."""
    return Newswire(examples=16, tokens=24).shards(2, 0)


@cache
def instructions() -> Shards:
    """Return instructions for two devices."""
    return Instruct(examples=16).shards(2, 0)


def trial(method: Any, shards: Callable[[], Shards], model: Pretrained) -> Mapping[str, float]:
    """Inspect, count, train and evaluate; return what the evaluation says.

    Raises:
        ValueError: it does not work; the message says what does not.
    """
    examples: Any = shards()
    few = replace(
        examples,
        train=tuple(each.subset(range(2)) for each in examples.train),
        test=tuple(each.subset(range(2)) for each in examples.test),
        pooled=examples.pooled.subset(range(2)),
    )
    learner = PeftLearner(
        model=model,
        method=method,
        shards=few,
        tokens=24 if shards is labelled else few.pooled.layout.tokens,
        codec_up=Float32(),
        codec_down=Float32(),
    )
    _ = learner.inspection
    assert learner.workload(0).update_flops > 0
    recipe = learner.recipe
    shared = learner.run(InitialShared(recipe=recipe, seed=1), [])
    private = learner.run(InitialPrivate(recipe=recipe, device=0, seed=1), [])
    inputs: dict[str, Any] = {
        "recipe": recipe,
        "device": 0,
        "shared": StateRef("s", "shared"),
        "private": StateRef("p", "private"),
    }
    states = [shared.states, private.states]
    update = LocalUpdate(shard=few.train[0].fingerprint(), seed=1, **inputs)
    learner.run(update, states)
    return learner.run(Evaluate(shard=few.test[0].fingerprint(), **inputs), states).values


_SMALL: Final[dict[str, Any]] = {"lora": LoRA(rank=2), "local": _LOCAL}
_PPO: Final = FedRLHF(layers=1, rewards=_RULES, local=_LOCAL)
TRIALS: Final[Mapping[str, Callable[[Pretrained], Mapping[str, float]]]] = {
    "classification": partial(trial, FedIT(**_SMALL), labelled),
    "adapters": partial(trial, AdaptersOnly(adapter=Adapter(bottleneck=4), local=_LOCAL), labelled),
    "split": partial(trial, SplitLoRA(device_blocks=1, **_SMALL), labelled),
    "all-linear": partial(
        trial, FedIT(lora=LoRA(rank=2, targets=("all-linear",)), local=_LOCAL), labelled
    ),
    "instructions": partial(trial, FedIT(**_SMALL), instructions),
    "PFTT": partial(trial, PFTT(adapter=Adapter(bottleneck=4), **_SMALL), instructions),
    "PPO": partial(trial, _PPO, instructions),
    "DPO": partial(trial, replace(_PPO, algorithm=DPO()), instructions),
}
"""Trials by the column of the table."""


def outcome(model: Path, column: str, dtype: Literal["fp32", "bf16"] = "fp32") -> str:
    """Return "yes", or the line that says why not."""
    try:
        TRIALS[column](Pretrained(pretrained=str(model), dtype=dtype))
    except ValueError as error:
        return str(error)
    return "yes"
