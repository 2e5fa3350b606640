"""The WordPiece vocabulary of tiny-bert: whole words of the corpus, and pieces for all others.

The trainers of the `tokenizers` package break ties by the order of a hash table, so two trainings
give two vocabularies; this count, with ties in alphabetical order, always gives the same.
"""

from collections import Counter
from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LONGEST_PIECE = 5


def wordpiece(texts: Iterable[str], size: int) -> Tokenizer:
    """A lower-case WordPiece tokenizer of at most `size` entries.

    The vocabulary is: the special tokens; every ASCII character that the corpus uses, and every
    letter and digit, as beginning and as continuation of a word; the corpus's words by falling
    count; then the commonest beginnings and continuations of two to five letters of those words.
    """
    cleaner = normalizers.BertNormalizer(lowercase=True)
    splitter = pre_tokenizers.BertPreTokenizer()
    words: Counter[str] = Counter()
    for text in texts:
        words.update(w for w, _ in splitter.pre_tokenize_str(cleaner.normalize_str(text)))
    letters = sorted({*"abcdefghijklmnopqrstuvwxyz0123456789", *"".join(words)})
    pieces: Counter[str] = Counter()
    for word in words:
        for length in range(2, LONGEST_PIECE + 1):
            pieces[word[:length]] += 1
            for start in range(1, len(word) - length + 1):
                pieces["##" + word[start : start + length]] += 1
    ordered = [*SPECIAL, *letters, *("##" + letter for letter in letters)]
    ordered += [*_by_count(words), *_by_count(pieces)]
    vocabulary = {token: i for i, token in enumerate(list(dict.fromkeys(ordered))[:size])}

    tokenizer = Tokenizer(models.WordPiece(vocab=vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = cleaner
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"])
    )
    return tokenizer


def _by_count(counts: Counter[str]) -> list[str]:
    return sorted(counts, key=lambda token: (-counts[token], token))
