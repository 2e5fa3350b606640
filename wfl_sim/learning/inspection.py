"""What is read of models and texts before anything is simulated, and what is wrong with them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from wfl_sim.data.examples import Instructions, PromptLengths, Shards, joined
from wfl_sim.learning.base_models.model_loading import check_device, load_tokenizer, read_headers
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.causal.prompts import encode as encode_instructions
from wfl_sim.learning.causal.prompts import format_prompt
from wfl_sim.learning.peft.heads import attach_head
from wfl_sim.learning.retrieval import Retrieval
from wfl_sim.learning.tokenized import encode
from wfl_sim.methods.parts import Head, Part

_TEXTS: Final = 64
"""Texts that are tokenised."""
_NOTED: Final = 0.03
"""Share of unknown tokens, or of texts that are cut, above which a warning is due; wfl_sim's
default."""


@dataclass(frozen=True)
class Inspection:
    """What is worth saying of a model that can be used."""

    new: tuple[str, ...] = ()
    """Weights that the checkpoint lacks, which are drawn: those of a new head."""
    remarks: tuple[str, ...] = ()
    on_texts: tuple[str, ...] = ()
    """Remarks on what the network reads of the texts."""


def inspect(
    model: Pretrained,
    shards: Shards,
    rewards: Sequence[tuple[Pretrained, int]],
    tokens: int,
    parts: Sequence[Part] = (),
    retrieval: Retrieval | None = None,
) -> Inspection:
    """Read the headers of the weights, the tokenizer, and some texts.

    Args:
        model: what is fine-tuned.
        shards: the texts.
        rewards: reward models with their numbers of outputs.
        tokens: length to which texts with labels are cut.
        parts: of the method.
        retrieval: puts documents before requests.

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
    network, new = _network(model, tokenizer, classes, headed=False)
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
    if share > _NOTED:
        remarks = (
            f"{share:.1%} of the tokens of {len(texts)} texts are unknown to the tokenizer of "
            f"{model.pretrained!r}",
        )
    head = next((part for part in parts if isinstance(part.config, Head)), None)
    given = classes is not None and not (model.adapter or model.fresh)
    if head and given and not new.intersection(attach_head(network, head)):
        remarks += (
            f"{model.pretrained!r} has a head of {classes} classes, which is not used: heads are "
            "drawn from the seed, and `adapter` begins with the head in it",
        )
    on_texts = tuple(_cut(shards, tokenizer, tokens, retrieval))
    return Inspection(tuple(sorted(new)), remarks, on_texts)


def _network(
    model: Pretrained, tokenizer: PreTrainedTokenizerBase, classes: int | None, *, headed: bool
) -> tuple[PreTrainedModel, set[str]]:
    """Check the weights, and whether they have a row for every token.

    Returns:
        The network on the meta device, and the names of the weights that are new.
    """
    network, new = read_headers(model, classes, int(tokenizer.pad_token_id), headed=headed)
    rows, largest = _rows(network.get_input_embeddings()), max(tokenizer.get_vocab().values())
    if largest >= rows:
        raise ValueError(
            f"{model.pretrained!r}: its tokenizer has tokens up to number {largest}, and there are "
            f"embeddings for {rows}: resize the embeddings, or take the tokens away"
        )
    return network, new


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


def _cut(
    shards: Shards,
    tokenizer: PreTrainedTokenizerBase,
    tokens: int,
    retrieval: Retrieval | None,
) -> Iterator[str]:
    """Yield what is cut of the first texts of devices in turn: they are read a token longer."""
    each = max(1, _TEXTS // len(shards.train))
    some = joined(
        [examples.subset(range(len(examples))[:each]) for examples in shards.train[:_TEXTS]]
    )
    if not isinstance(some, Instructions):
        lengths = [("texts", encode(tokenizer, some, tokens + 1).mask, "tokens", tokens, "end")]
    else:
        some = retrieval.with_documents(some) if retrieval else some
        asked = "requests with their documents" if retrieval else "requests"
        most = some.layout
        longer = PromptLengths(request=most.request + 1, answer=most.answer + 1)
        texts = encode_instructions(tokenizer, replace(some, layout=longer)).texts
        lengths = [
            (asked, texts.request_mask, "request_tokens", most.request, "beginning"),
            ("answers", texts.answer_mask, "answer_tokens", most.answer, "end"),
        ]
    for what, mask, key, longest, side in lengths:
        share = float((mask.sum(1) > longest).float().mean())
        if share > _NOTED:
            # By tens, so that the seeds of a sweep say the same.
            some_of = f"about {max(0.1, round(share, 1)):.0%} of the" if share < 1 else "all"
            yield (
                f"{some_of} {what} are longer than the {longest} tokens of `{key}`: "
                f"they lose their {side}"
            )


def _unknown_share(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> float:
    """Return the share of tokens that stand for what the tokenizer does not know; 1 of none."""
    rows = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    ids = [token for row in rows for token in row]
    return (
        ids.count(tokenizer.unk_token_id) / len(ids) if ids else float(any(map(str.strip, texts)))
    )
