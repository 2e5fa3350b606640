"""Retrieval of documents by the words that they share with a query (BM25)."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.sparse import csr_array

from channel_models.validation import FloatArray

SATURATION: Final = 1.2
"""k1: how soon a repeated word adds nothing more."""
NORMALISATION: Final = 0.75
"""b: how far a long document is discounted."""


class DocumentStore:
    """Documents and an inverted index of their words.

    S. Robertson, H. Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009, with
    k1 = 1.2 and b = 0.75. The weight of a word, ln((N - n + 1/2) / (n + 1/2)), is 0 where it would
    be negative: a word in half of the documents finds none. Words are runs of letters and digits in
    lower case.

    Args:
        documents: at least one.

    Raises:
        ValueError: there are none.
    """

    def __init__(self, documents: Sequence[str]) -> None:
        if not documents:
            raise ValueError("there are no documents to retrieve")
        self.documents = tuple(documents)
        counts = [Counter(words(text)) for text in documents]
        self._places = {word: n for n, word in enumerate(sorted(set().union(*counts)))}
        lengths = np.array([each.total() for each in counts], float)
        discounts = SATURATION * (
            1 - NORMALISATION + NORMALISATION * lengths / max(lengths.mean(), 1.0)
        )
        rows, columns, values = [], [], []
        for number, count in enumerate(counts):
            for word, times in count.items():
                rows.append(self._places[word])
                columns.append(number)
                values.append(times * (SATURATION + 1) / (times + discounts[number]))
        shape = (len(self._places), len(documents))
        index = csr_array((values, (rows, columns)), shape=shape)
        holding = np.diff(index.indptr)
        rarity = np.log((len(documents) - holding + 0.5) / (holding + 0.5)).clip(0)
        self._index = csr_array(index.multiply(rarity[:, None]))
        self._index.eliminate_zeros()

    def __repr__(self) -> str:
        return f"DocumentStore({len(self.documents)} documents, {len(self._places)} words)"

    def scores(self, query: str) -> FloatArray:
        """Return the score of each document, (documents,)."""
        return np.asarray(self._index[self._rows(query)].sum(axis=0), float)

    def best(self, query: str, count: int) -> tuple[str, ...]:
        """Return the documents of the highest scores, best first, the earlier one of equals.

        There are fewer than `count` where fewer share a word with the query.
        """
        scores = self.scores(query)
        order = np.argsort(-scores, kind="stable")[:count]
        return tuple(self.documents[number] for number in order if scores[number] > 0)

    def flops(self, query: str) -> float:
        """Return the FLOPs of the scores: an addition for each entry of the index that is read."""
        return float(np.diff(self._index.indptr)[self._rows(query)].sum())

    def _rows(self, query: str) -> list[int]:
        return [self._places[word] for word in words(query) if word in self._places]


def words(text: str) -> list[str]:
    """Return the words of a text, as documents are found by."""
    return re.findall(r"\w+", text.lower())
