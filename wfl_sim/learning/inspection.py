"""What is read of models and texts before anything is simulated, and what is wrong with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from transformers import PreTrainedTokenizerBase

from wfl_sim.data.examples import Shards
from wfl_sim.data.instructions import Instructions
from wfl_sim.learning.base_models.model_loading import check_device, load_tokenizer, read_headers
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.causal.prompts import format_prompt

_TEXTS: Final = 64
"""Texts that are tokenised."""
_UNKNOWN: Final = 0.03
"""Share of unknown tokens above which a warning is due; wfl_sim's default."""


@dataclass(frozen=True)
class Inspection:
    """What is worth saying of a model that can be used."""

    new: tuple[str, ...] = ()
    """Weights that the checkpoint lacks, which are drawn: those of a new head."""
    remarks: tuple[str, ...] = ()


def inspect(
    model: Pretrained, shards: Shards, rewards: Sequence[tuple[Pretrained, int]]
) -> Inspection:
    """Read the headers of the weights, the tokenizer, and some texts.

    `rewards` are reward models with their numbers of outputs.

    Raises:
        ValueError: something that a checkpoint must hold is missing or does not fit.
        OSError: it is not there.
    """
    check_device(model)
    for reward, outputs in rewards:
        _network(reward, load_tokenizer(reward), outputs, headed=True)
    instructed = isinstance(shards.pooled, Instructions)
    tokenizer = load_tokenizer(model)
    classes = None if instructed else len(shards.classes)
    new = _network(model, tokenizer, classes, headed=False)
    if instructed and tokenizer.eos_token_id is None:
        raise ValueError(
            f"{model.pretrained!r}: no token ends a text: tokenizer_config.json, "
            "generation_config.json and config.json name no eos"
        )
    texts = _some_texts(shards, tokenizer if instructed else None)
    share = _unknown_share(tokenizer, texts)
    remarks: tuple[str, ...] = ()
    if share == 1:
        raise ValueError(
            f"{model.pretrained!r}: its tokenizer knows no word of the texts: the folder has no "
            "tokenizer (tokenizer.json), or that of another language"
        )
    if share > _UNKNOWN:
        remarks = (
            f"{share:.1%} of the tokens of {len(texts)} texts are unknown to the tokenizer of "
            f"{model.pretrained!r}",
        )
    return Inspection(tuple(sorted(new)), remarks)


def _network(
    model: Pretrained, tokenizer: PreTrainedTokenizerBase, classes: int | None, *, headed: bool
) -> set[str]:
    """Check the weights, and whether they have a row for every token; return those that are new."""
    network, new = read_headers(model, classes, int(tokenizer.pad_token_id), headed=headed)
    rows, largest = _rows(network.get_input_embeddings()), max(tokenizer.get_vocab().values())
    if largest >= rows:
        raise ValueError(
            f"{model.pretrained!r}: its tokenizer has tokens up to number {largest}, and there are "
            f"embeddings for {rows}: resize the embeddings, or take the tokens away"
        )
    return new


def _rows(embeddings: Any) -> int:
    return int(embeddings.weight.shape[0])


def _some_texts(shards: Shards, asked: PreTrainedTokenizerBase | None) -> list[str]:
    """Return the first texts of devices in turn; of instructions the requests and answers.

    Raises:
        ValueError: the chat template of a tokenizer refuses a request.
    """
    each = max(1, _TEXTS // len(shards.train))
    texts: list[str] = []
    for examples in islice(shards.train, _TEXTS):
        texts += examples.texts[:each]
        if isinstance(examples, Instructions):
            texts += examples.answers[:each]
    if asked is not None:
        try:
            format_prompt(asked, texts[0])
        except Exception as error:  # a template is code of others
            raise ValueError(f"the chat template refuses a request: {error}") from error
    return texts


def _unknown_share(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> float:
    """Return the share of tokens that stand for what the tokenizer does not know; 1 of none."""
    rows = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    ids = [token for row in rows for token in row]
    return (
        ids.count(tokenizer.unk_token_id) / len(ids) if ids else float(any(map(str.strip, texts)))
    )
