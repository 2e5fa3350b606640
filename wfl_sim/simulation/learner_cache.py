"""Workshop: data and learners, made once for all scenarios of a process that agree in them.

The points of a sweep over the radio differ in nothing that is learned: they share one division of
the data, one network in memory and one count of what a local update costs.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, TypeVar

from wfl_sim.config.errors import LocatedError
from wfl_sim.data.examples import Examples, Shards
from wfl_sim.execution.learner import Learner
from wfl_sim.learning.learner import PeftLearner
from wfl_sim.learning.synthetic import Synthetic, SyntheticLearner
from wfl_sim.randomness import stream
from wfl_sim.scenario.scenario import Scenario

_KEPT: Final = 2
"""learners that are kept, each with a network in memory, and divisions of data"""

T = TypeVar("T")


class LearnerCache:
    """What is dear to make and equal for many scenarios; the last two of each kind are kept."""

    def __init__(self, threads: int = 1) -> None:
        """Open an empty one.

        Args:
            threads: of torch in each task.
        """
        self._threads = threads
        self._shards: OrderedDict[str, Shards | None] = OrderedDict()
        self._learners: OrderedDict[str, Learner] = OrderedDict()

    def __repr__(self) -> str:
        return f"Workshop({len(self._learners)} learners)"

    def shards(self, scenario: Scenario) -> Shards | None:
        """Return the examples of every device; None where nothing is learned from data.

        Raises:
            LocatedError: the data cannot be read, or not be divided among the devices.
        """
        return _kept(self._shards, _data_of(scenario), lambda: _shards(scenario))

    def learner(self, scenario: Scenario) -> Learner:
        """Return what trains and tells what training costs."""
        return _kept(
            self._learners,
            learning_of(scenario),
            lambda: _learner(scenario, self.shards(scenario), self._threads),
        )


def learning_of(scenario: Scenario) -> str:
    """Return a text that is equal for scenarios that can share a learner, and all of training."""
    return repr((_data_of(scenario), _arguments(scenario)))


def _data_of(scenario: Scenario) -> str:
    shares = any(part.shared for part in scenario.method.parts)
    kind = type(scenario.model).__name__
    parts = (scenario.data, scenario.device_count, scenario.seed, scenario.evaluation, shares, kind)
    return repr(parts)


def _kept(store: OrderedDict[str, T], key: str, make: Callable[[], T]) -> T:
    """Return what is kept under a key, made where it is not."""
    if key not in store:
        store[key] = make()
    store.move_to_end(key)
    while len(store) > _KEPT:
        store.popitem(last=False)
    return store[key]


def located(function: Any, argument: Any, *, path: tuple[str | int, ...]) -> Any:
    """Call `function`, turning what it finds wrong into an error at a key of the scenario."""
    try:
        return function(argument)
    except LocatedError:
        raise
    except (ValueError, OSError, ImportError) as error:
        raise LocatedError(str(error), *path) from error


def _shards(scenario: Scenario) -> Shards | None:
    """Divide the data and keep of the held-out examples what the evaluation asks for."""
    if scenario.data is None or isinstance(scenario.model, Synthetic):
        return None
    data, evaluation = scenario.data, scenario.evaluation
    shards: Shards = located(
        lambda devices: data.shards(devices, scenario.seed), scenario.device_count, path=("data",)
    )
    for device, examples in enumerate(shards.train):
        if not len(examples) or not len(shards.test[device]):
            raise LocatedError(
                f"leaves device {device} with {len(examples)} examples to train on and "
                f"{len(shards.test[device])} to be judged on: give more examples, fewer devices "
                "or a milder skew",
                "data",
            )
    shares = any(part.shared for part in scenario.method.parts)
    pooled = evaluation.global_examples if shares else 0
    return Shards(
        train=shards.train,
        test=tuple(
            _sample(examples, evaluation.personal_examples, scenario.seed, device)
            for device, examples in enumerate(shards.test)
        ),
        pooled=_sample(shards.pooled, pooled, scenario.seed, "pooled"),
        classes=shards.classes,
    )


def _sample(examples: Examples, count: int, seed: int, name: str | int) -> Examples:
    if len(examples) <= count:
        return examples
    rng = stream(seed, "evaluation", name)
    return examples.subset(sorted(rng.choice(len(examples), count, replace=False).tolist()))


def _learner(scenario: Scenario, shards: Shards | None, threads: int) -> Learner:
    if isinstance(scenario.model, Synthetic) or shards is None:
        return SyntheticLearner(**_arguments(scenario))
    return PeftLearner(shards=shards, threads=threads, **_arguments(scenario))


def _arguments(scenario: Scenario) -> dict[str, Any]:
    """Return all that a learner takes from a scenario, but the examples."""
    both = {
        "model": scenario.model,
        "method": scenario.method,
        "ranks": scenario.ranks,
        "privacy": scenario.secured,
    }
    if isinstance(scenario.model, Synthetic) or scenario.data is None:
        return both
    return both | {
        "tokens": scenario.data.tokens,
        "padding": getattr(scenario.data, "padding", "fixed"),
        "codec_up": scenario.payload.upload,
        "codec_down": scenario.payload.download,
        "server": scenario.server.rule,
    }
