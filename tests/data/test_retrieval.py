"""BM25 over the documents of the small world, against the formula written out."""

from math import log

import numpy as np
import pytest

from wfl_sim.data import Instruct
from wfl_sim.data.instruct_rules import documents, request, score_answer, solution
from wfl_sim.data.retrieval import DocumentStore, words

PAGES = documents()


def by_hand(query: str, pages: tuple[str, ...]) -> list[float]:
    """The formula, document by document and word by word."""
    split = [words(page) for page in pages]
    mean = sum(map(len, split)) / len(split)
    found = []
    for page in split:
        score = 0.0
        for word in words(query):
            holding = sum(word in each for each in split)
            times = page.count(word)
            rarity = max(0, log((len(split) - holding + 0.5) / (holding + 0.5)))
            score += rarity * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * len(page) / mean))
        found.append(score)
    return found


@pytest.mark.parametrize("kind", ["stock", "unsafe", "borderline", "colour", "count", "sum"])
def test_scores_are_those_of_the_formula(kind: str) -> None:
    pages = (*PAGES, "the lamp lamp lamp box is long , long and told at length .")
    store, rng = DocumentStore(pages), np.random.default_rng(3)
    for _ in range(3):
        query = request(kind, rng)
        expected = by_hand(query, pages)
        np.testing.assert_allclose(store.scores(query), expected, rtol=1e-12)
        ranked = sorted(range(len(pages)), key=lambda n: (-expected[n], n))
        best = tuple(pages[n] for n in ranked[:4] if expected[n] > 0)
        assert store.best(query, 4) == best
        holding = [sum(word in words(page) for page in pages) for word in words(query)]
        assert store.flops(query) == sum(n for n in holding if n < len(pages) / 2)


def test_the_first_document_answers_a_request_about_the_stock() -> None:
    store, rng = DocumentStore(PAGES), np.random.default_rng(0)
    for _ in range(50):
        text = request("stock", rng)
        (page,) = store.best(text, 1)
        colour = page.split()[-2]
        assert solution(text) == f"{colour} ."
        assert score_answer(text, f"{colour} .").right
        wrong = "red ." if colour != "red" else "blue ."
        assert not score_answer(text, wrong).right


def test_what_shares_no_word_is_not_retrieved() -> None:
    assert DocumentStore(PAGES).best("zebra 17", 3) == ()
    assert DocumentStore(PAGES).best("what is 3 plus 4 ?", 3) == ()  # "is" is in most pages
    assert DocumentStore(["a b", "c d", "e f"]).best("c", 2) == ("c d",)
    with pytest.raises(ValueError, match="no documents"):
        DocumentStore([])


def test_a_share_of_the_requests_is_about_the_stock() -> None:
    shards = Instruct(examples=96, stock=0.25).shards(4, 1)
    kinds = shards.classes.index("stock")
    count = sum(int((each.labels == kinds).sum()) for each in (*shards.train, *shards.test))
    assert count == 96
    tested = {text for each in shards.test for text in each.texts}
    assert not tested & {text for each in shards.train for text in each.texts}
    assert "stock" not in Instruct(examples=96).shards(4, 1).classes
