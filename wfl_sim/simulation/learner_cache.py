"""Cache of data shards and learners, shared by the scenarios of a process.

The points of a sweep over the radio have the same learning: they share one division of the data,
one network in memory and one count of the costs of a local update.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from wfl_sim.config.answers import AnswerError
from wfl_sim.config.errors import LocatedError, counted
from wfl_sim.config.plugin_code import code_of
from wfl_sim.data.examples import Examples, Instructions, Shards
from wfl_sim.data.metrics import check_metrics, named
from wfl_sim.execution.learner import Learner
from wfl_sim.execution.lru_cache import LruCache
from wfl_sim.learning.learner import PeftLearner
from wfl_sim.learning.synthetic import Synthetic, SyntheticLearner
from wfl_sim.randomness import stream
from wfl_sim.rounds import Centralised
from wfl_sim.scenario.scenario import Payload, Scenario

_KEPT: Final = 2
"""Entries of each kind that are kept; a learner has a network in memory."""


class LearnerCache:
    """Data shards and learners by the settings they depend on; the last two of each are kept.

    Args:
        threads: Threads of torch in each task.
    """

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._shards = LruCache[Shards | None](_KEPT)
        self._learners = LruCache[Learner](_KEPT)

    def __repr__(self) -> str:
        return f"LearnerCache({len(self._learners)} learners)"

    def shards(self, scenario: Scenario) -> Shards | None:
        """Return the examples of every device; None if nothing is learned from data.

        Raises:
            LocatedError: The data cannot be read, or cannot be divided among the devices.
        """
        key = _data_of(scenario)
        if key not in self._shards:
            self._shards[key] = _shards(scenario)
        return self._shards[key]

    def learner(self, scenario: Scenario) -> Learner:
        """Return the learner that trains and reports the costs of training."""
        key = learning_of(scenario)
        if key not in self._learners:
            self._learners[key] = self._make(scenario)
        return self._learners[key]

    def _make(self, scenario: Scenario) -> Learner:
        shards, settings = self.shards(scenario), _settings(scenario)
        if isinstance(scenario.model, Synthetic) or shards is None:
            return SyntheticLearner(**settings)
        return PeftLearner(shards=shards, threads=self._threads, **settings)


def learning_of(scenario: Scenario) -> str:
    """Return a text that is equal for scenarios that can share a learner, and all of training."""
    settings = _settings(scenario)
    # Classes of two plug-ins may have the same name.
    return repr((_data_of(scenario), settings, code_of(settings)))


@contextmanager
def errors_at(
    *path: str | int, kinds: tuple[type[Exception], ...] = (ValueError, OSError, ImportError)
) -> Iterator[None]:
    """Locate errors of these kinds at a key of the scenario, unless they are located already."""
    try:
        yield
    except LocatedError:
        raise
    except kinds as error:
        raise LocatedError(str(error), *path) from error


def _data_of(scenario: Scenario) -> str:
    kind, shared = type(scenario.model).__name__, _has_shared_parts(scenario)
    settings = (scenario.data, scenario.device_count, scenario.seed, scenario.evaluation)
    return repr((*settings, shared, kind, code_of(scenario.data)))


def _has_shared_parts(scenario: Scenario) -> bool:
    return any(part.shared for part in scenario.method.parts)


def _shards(scenario: Scenario) -> Shards | None:
    """Divide the data, and draw the held-out examples that the evaluation asks for."""
    data, evaluation, seed = scenario.data, scenario.evaluation, scenario.seed
    if data is None or isinstance(scenario.model, Synthetic):
        return None
    with errors_at("data"):
        shards = data.shards(scenario.device_count, seed)
    if not isinstance(shards, Shards) or len(shards.train) != scenario.device_count:
        rule = f"Shards of {scenario.device_count} devices"
        raise AnswerError.of(data, "shards", rule, shards)
    answers = isinstance(shards.pooled, Instructions)
    check_metrics(evaluation.metrics, "answers" if answers else "classes")
    for device, (train, test) in enumerate(zip(shards.train, shards.test, strict=True)):
        if not len(train) or not len(test):
            raise LocatedError(
                f"leaves device {device} with {counted(len(train), 'example')} to train on and "
                f"{len(test)} to be judged on: give more examples, fewer devices "
                "or a milder skew",
                "data",
            )
    wanted = evaluation.global_examples if _has_shared_parts(scenario) else 0
    pooled, remarks = _sample(shards.pooled, wanted, seed, "pooled"), shards.remarks
    if getattr(data, "test", None) is not None and 0 < len(pooled) < len(shards.pooled):
        remarks += (
            f"shared models are judged on {len(pooled)} of the {len(shards.pooled):,} examples of "
            "`test`, drawn at random: evaluation.global_examples tells how many",
        )
    return replace(
        shards,
        remarks=remarks,
        test=tuple(
            _sample(examples, evaluation.personal_examples, seed, device)
            for device, examples in enumerate(shards.test)
        ),
        pooled=pooled,
    )


def _sample(examples: Examples, count: int, seed: int, name: str | int) -> Examples:
    if len(examples) <= count:
        return examples
    rng = stream(seed, "evaluation", name)
    return examples.subset(sorted(rng.choice(len(examples), count, replace=False).tolist()))


def _settings(scenario: Scenario) -> dict[str, Any]:
    """Return everything that a learner takes from a scenario, except the examples."""
    both = {
        "model": scenario.model,
        "method": scenario.method,
        "ranks": scenario.ranks,
        "privacy": scenario.secured,
    }
    if isinstance(scenario.model, Synthetic) or scenario.data is None:
        return both
    payload = Payload() if isinstance(scenario.rounds, Centralised) else scenario.payload
    return both | {
        "tokens": int(scenario.data.tokens),
        "metrics": named(scenario.evaluation.metrics),
        "padding": getattr(scenario.data, "padding", "fixed"),
        "codec_up": payload.upload,
        "codec_down": payload.download,
        "server": scenario.server.rule,
    }
