"""Batches for BERT's objective: sentence pairs, half of them unrelated, with masked words."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from transformers import BertTokenizer

MASKED_SHARE, KEPT_SHARE, RANDOM_SHARE = 0.15, 0.1, 0.1


@dataclass(frozen=True)
class PairSampler:
    """Draws pairs [CLS] a [SEP] b [SEP] from tokenized documents.

    In half of the pairs b follows a in its document (next_sentence_label 0), in the other half it
    has the same place in any document (label 1), so that the place itself tells nothing. All
    documents have equally many sentences. 15 % of the words are to be predicted: of these 80 % are
    replaced by [MASK], 10 % by a random word, 10 % stay (Devlin et al., section 3.1).
    """

    sentences: tuple[tuple[tuple[int, ...], ...], ...]
    vocabulary: int
    specials: int
    pad: int
    cls: int
    sep: int
    mask: int

    @classmethod
    def over(cls, documents: Iterable[list[str]], tokenizer: BertTokenizer) -> "PairSampler":
        """Tokenize the documents; the special tokens have the vocabulary's smallest numbers."""
        written = list(documents)
        flat = [sentence for document in written for sentence in document]
        encoded = iter(tokenizer(flat, add_special_tokens=False)["input_ids"])
        return cls(
            tuple(tuple(tuple(next(encoded)) for _ in document) for document in written),
            len(tokenizer),
            len(tokenizer.all_special_ids),
            tokenizer.pad_token_id,
            tokenizer.cls_token_id,
            tokenizer.sep_token_id,
            tokenizer.mask_token_id,
        )

    def documents(self) -> Iterator[list[int]]:
        """The tokens of each document."""
        for document in self.sentences:
            yield [token for sentence in document for token in sentence]

    def draw(self, batch: int, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        """Draw a batch, in the form that BertForPreTraining takes; shapes (batch, length)."""
        pairs, unrelated = [], np.zeros(batch, dtype=np.int64)
        for row in range(batch):
            document = self.sentences[rng.integers(len(self.sentences))]
            at = rng.integers(len(document) - 1)
            first, second = document[at], document[at + 1]
            if rng.random() < 0.5:
                other = self.sentences[rng.integers(len(self.sentences))]
                second, unrelated[row] = other[at + 1], 1
            pairs.append((first, second))
        length = max(len(first) + len(second) for first, second in pairs) + 3
        ids = np.full((batch, length), self.pad, dtype=np.int64)
        kinds = np.zeros((batch, length), dtype=np.int64)
        for row, (first, second) in enumerate(pairs):
            tokens = (self.cls, *first, self.sep, *second, self.sep)
            ids[row, : len(tokens)] = tokens
            kinds[row, len(first) + 2 : len(tokens)] = 1
        attention = (ids != self.pad).astype(np.int64)
        hidden, labels = self._mask(ids, rng)
        return {
            "input_ids": torch.from_numpy(hidden),
            "attention_mask": torch.from_numpy(attention),
            "token_type_ids": torch.from_numpy(kinds),
            "labels": torch.from_numpy(labels),
            "next_sentence_label": torch.from_numpy(unrelated),
        }

    def _mask(self, ids: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        chosen = (rng.random(ids.shape) < MASKED_SHARE) & (ids >= self.specials)
        draw = rng.random(ids.shape)
        random = rng.integers(self.specials, self.vocabulary, ids.shape)
        hidden = np.where(chosen & (draw >= KEPT_SHARE), self.mask, ids)
        swapped = chosen & (draw >= KEPT_SHARE) & (draw < KEPT_SHARE + RANDOM_SHARE)
        return np.where(swapped, random, hidden), np.where(chosen, ids, -100)
