"""Metrics of predictions, against values by hand."""

from math import sqrt

import pytest

from wfl_sim.config.errors import LocatedError
from wfl_sim.data.metrics import (
    METRICS,
    Correlation,
    ExactMatch,
    Judge,
    MacroF1,
    RougeL,
    check_metrics,
    named,
)

GIVEN = ["a"] * 6 + ["b"] * 2 + ["c"] * 2
SAID = ["a"] * 5 + ["b"] + ["b", "a"] + ["a", "c"]
"""Right: 5 of a, 1 of b, 1 of c; predicted: 7 times a, 2 times b, 1 time c."""


def test_macro_f1_by_hand() -> None:
    # 2 TP / (given + predicted): a 10/13, b 2/4, c 2/3
    assert MacroF1().value(GIVEN, SAID) == pytest.approx((10 / 13 + 1 / 2 + 2 / 3) / 3)
    assert MacroF1().value(["a", "a"], ["a", "a"]) == 1
    # one class, and one example taken for another: a 2/3, b 0
    assert MacroF1().value(["a", "a"], ["a", "b"]) == pytest.approx(1 / 3)
    # a rare class that is never found costs half, where accuracy is 0.9
    assert MacroF1().value(["a"] * 9 + ["b"], ["a"] * 10) == pytest.approx(18 / 19 / 2)


def test_correlation_by_hand() -> None:
    # c s = 7 * 10; sum p t = 7*6 + 2*2 + 1*2 = 48; 100 - 54 and 100 - 44
    assert Correlation().value(GIVEN, SAID) == pytest.approx((70 - 48) / sqrt(46 * 56))
    # two classes: (TP TN - FP FN) / sqrt((TP+FP)(TP+FN)(TN+FP)(TN+FN)) with 3, 4, 1, 2
    given, said = ["y"] * 5 + ["n"] * 5, ["y"] * 3 + ["n"] * 2 + ["y"] + ["n"] * 4
    assert Correlation().value(given, said) == pytest.approx(10 / sqrt(4 * 5 * 5 * 6))
    assert Correlation().value(["y", "n"], ["n", "y"]) == -1
    assert Correlation().value(["y", "y"], ["y", "y"]) == 0


@pytest.mark.parametrize(
    ("given", "said", "score"),
    [
        # C.-Y. Lin's example: police killed the gunman / police kill the gunman / the gunman kill
        ("police killed the gunman", "police kill the gunman", 3 / 4),
        ("police killed the gunman", "the gunman kill police", 2 / 4),
        ("a b c d e", "A, c. e!", 2 * 3 / 8),
        ("a b", "", 0),
        ("a b", "b a b", 2 * 2 / 5),
    ],
)
def test_rouge_l_by_hand(given: str, said: str, score: float) -> None:
    assert RougeL().value([given], [said]) == pytest.approx(score)
    assert RougeL().value([given, "x"], [said, "x"]) == pytest.approx((score + 1) / 2)


def test_exact_match() -> None:
    assert ExactMatch().value(["5 .", "a b", "c"], ["5  .", "a b c", "C"]) == pytest.approx(1 / 3)


def test_a_metric_that_is_no_number_is_refused() -> None:
    class Broken:
        def value(self, given: object, predicted: object) -> float:
            return float("nan")

    with pytest.raises(ValueError, match=r"Broken\.value must return a number, got nan"):
        Judge(metrics=(("broken", Broken()),), classes=("a",)).of_labels([0], [0])


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="names of their own, got two that are 'mcc'"):
        named([Correlation(), MacroF1(), Correlation()])


def test_a_metric_of_answers_is_not_one_of_classes() -> None:
    check_metrics([MacroF1(), Correlation()], "classes")
    check_metrics([RougeL(), ExactMatch()], "answers")
    said = r"rouge-l is of answers, and these data have classes: macro-f1, mcc"
    with pytest.raises(LocatedError, match=said) as refused:
        check_metrics([MacroF1(), RougeL()], "classes")
    assert refused.value.path == ("evaluation", "metrics", 1)


def test_names() -> None:
    assert [name for name, _ in named([each() for each in METRICS.kinds().values()])] == [
        "exact_match",
        "macro_f1",
        "mcc",
        "rouge_l",
    ]
