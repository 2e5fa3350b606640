"""Word vectors from co-occurrence: where the embeddings of tiny-bert start.

Words that share documents get similar vectors: the eigenvectors of the positive pointwise mutual
information, max(0, log p(a, b) / (p(a) p(b))), weighted with the root of the eigenvalues

    O. Levy, Y. Goldberg, Neural Word Embedding as Implicit Matrix Factorization, NIPS 2014.

A small BERT with minutes of pretraining does not leave the plateau of pure syntax without them.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix


def word_vectors(
    documents: Iterable[Sequence[int]], vocabulary: int, width: int
) -> NDArray[np.float32]:
    """Vectors of shape (vocabulary, width), with a standard deviation of 1 over all of them.

    `documents` are the token numbers of each document; a token that never occurs gets zeros.
    """
    rows, columns = [], []
    for row, tokens in enumerate(documents):
        distinct = sorted(set(tokens))
        columns.extend(distinct)
        rows.extend([row] * len(distinct))
    shape = (rows[-1] + 1, vocabulary)
    held = csr_matrix((np.ones(len(rows), dtype=np.float64), (rows, columns)), shape=shape)
    together = (held.T @ held).toarray()
    np.fill_diagonal(together, 0.0)
    expected = np.outer(together.sum(axis=1), together.sum(axis=0)) / together.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        information = np.log(together / expected)
    positive = np.where(np.isfinite(information), np.maximum(information, 0.0), 0.0)
    # torch, since its thread count, which rounding depends on, is the caller's to set
    values, vectors = (part.numpy() for part in torch.linalg.eigh(torch.from_numpy(positive)))
    strongest = np.argsort(-np.abs(values))[:width]
    vectors = vectors[:, strongest]
    # an eigenvector's sign is LAPACK's choice; the largest entry is made positive
    largest = vectors[np.argmax(np.abs(vectors), axis=0), np.arange(width)]
    scaled = vectors * np.sign(largest) * np.sqrt(np.abs(values[strongest]))
    return (scaled / scaled.std()).astype(np.float32)
