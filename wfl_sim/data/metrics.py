"""How good predictions are, beside accuracy and loss: of classes, and of answers."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import ClassVar, Final, Protocol, runtime_checkable

from wfl_sim.config.answers import one_number
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.registry import Registry

_USUAL: Final = {"accuracy", "loss", "perplexity", "kl", "helpfulness", "safety", "reward"}


@runtime_checkable
class Metric(Protocol):
    """A number for all predictions of an evaluation.

    For example, the share of answers that are as short as they should be:

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Brief:
    ...     words: int = 5
    ...
    ...     def value(self, given, predicted):
    ...         return sum(len(each.split()) <= self.words for each in predicted) / len(predicted)
    >>> Brief(words=2).value(["yes"] * 2, ["yes", "it may well be"])
    0.5
    """

    def value(self, given: Sequence[str], predicted: Sequence[str]) -> float:
        """Return the number, which must be finite.

        Args:
            given: the right classes by name, or the given answers; at least one.
            predicted: what the model says of each.
        """
        ...


METRICS: Registry[Metric] = Registry("metric", Metric)
NamedMetrics = tuple[tuple[str, Metric], ...]
"""Metrics with the names under which they are reported."""


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Takes the metrics of an evaluation."""

    metrics: NamedMetrics
    classes: tuple[str, ...]

    def of_labels(self, given: Sequence[int], predicted: Sequence[int]) -> dict[str, float]:
        """Return the metrics of predicted labels."""
        return self.of_texts(*([self.classes[i] for i in each] for each in (given, predicted)))

    def of_texts(self, given: Sequence[str], predicted: Sequence[str]) -> dict[str, float]:
        """Return the metrics of answers; raise AnswerError where one is not finite."""
        return {
            name: one_number(metric, "value", metric.value(given, predicted))
            for name, metric in self.metrics
        }


def check_metrics(metrics: Sequence[Metric], given: str) -> None:
    """Raise LocatedError, below `evaluation`, where a metric is not `of` what the data give.

    Args:
        metrics: those without an attribute `of` are of anything.
        given: `classes` or `answers`.
    """
    for place, metric in enumerate(metrics):
        of = getattr(metric, "of", given)
        if of != given:
            kinds = METRICS.kinds().items()
            known = ", ".join(name for name, kind in kinds if getattr(kind, "of", "") == given)
            text = f"{METRICS.name_of(metric)} is of {of}, and these data have {given}: {known}"
            raise LocatedError(text, "evaluation", "metrics", place)


def named(metrics: Sequence[Metric]) -> NamedMetrics:
    """Return metrics with their names: the kind with low lines, of a file the class.

    Raises ValueError where two numbers of an evaluation would have one name.
    """
    names = [METRICS.name_of(each).rpartition(":")[2].replace("-", "_") for each in metrics]
    for name in names:
        if names.count(name) > 1 or name in _USUAL:
            raise ValueError(f"metrics must have names of their own, got two that are {name!r}")
    return tuple(zip(names, metrics, strict=True))


@METRICS("macro-f1")
@dataclass(frozen=True, kw_only=True)
class MacroF1:
    """Mean over classes of the F1 score, 2 TP / (2 TP + FP + FN): rare classes count alike.

    The classes are those that occur among the given or the predicted ones. A device with one class
    whose examples are all predicted right has 1.
    """

    of: ClassVar = "classes"

    def value(self, given: Sequence[str], predicted: Sequence[str]) -> float:
        """Return a number from 0 to 1."""
        hits = Counter(a for a, b in zip(given, predicted, strict=True) if a == b)
        both = Counter(given) + Counter(predicted)
        return sum(2 * hits[name] / count for name, count in both.items()) / len(both)


@METRICS("mcc")
@dataclass(frozen=True, kw_only=True)
class Correlation:
    """Matthews' correlation of given and predicted classes, of any number of classes.

    J. Gorodkin, Comparing two K-category assignments by a K-category correlation coefficient,
    Computational Biology and Chemistry 28, 2004. 0 where all are given, or predicted, as one class.
    """

    of: ClassVar = "classes"

    def value(self, given: Sequence[str], predicted: Sequence[str]) -> float:
        """Return a number from -1 to 1."""
        count, true, said = len(given), Counter(given), Counter(predicted)
        right = sum(a == b for a, b in zip(given, predicted, strict=True))
        spread = [count**2 - sum(n * n for n in each.values()) for each in (true, said)]
        if not all(spread):
            return 0.0
        return (right * count - sum(n * said[k] for k, n in true.items())) / sqrt(
            spread[0] * spread[1]
        )


@METRICS("exact-match")
@dataclass(frozen=True, kw_only=True)
class ExactMatch:
    """Share of answers that are the given ones, but for blanks."""

    of: ClassVar = "answers"

    def value(self, given: Sequence[str], predicted: Sequence[str]) -> float:
        """Return a number from 0 to 1."""
        pairs = zip(given, predicted, strict=True)
        return sum(a.split() == b.split() for a, b in pairs) / len(given)


@METRICS("rouge-l")
@dataclass(frozen=True, kw_only=True)
class RougeL:
    """Mean F1 of the longest common subsequence of words: 2 l / (m + n).

    C.-Y. Lin, ROUGE: A Package for Automatic Evaluation of Summaries, 2004, with equal weights of
    recall and precision. Words are runs of letters, digits and low lines, without regard to case.
    Two answers without words have 0, as in Google's `rouge_score`.
    """

    of: ClassVar = "answers"

    def value(self, given: Sequence[str], predicted: Sequence[str]) -> float:
        """Return a number from 0 to 1."""
        scores = []
        for each in zip(given, predicted, strict=True):
            right, said = (re.findall(r"\w+", text.casefold()) for text in each)
            words = len(right) + len(said)
            scores.append(2 * common(right, said) / words if words else 0.0)
        return sum(scores) / len(scores)


def common(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of the longest common subsequence."""
    row = [0] * (len(second) + 1)
    for word in first:
        before = 0
        for place, other in enumerate(second, 1):
            above = row[place]
            row[place] = before + 1 if word == other else max(above, row[place - 1])
            before = above
    return row[-1]
