"""Pairs of texts: networks see them as transformers' own call gives them."""

import numpy as np
import pytest
import torch

from wfl_sim.data.examples import Examples
from wfl_sim.learning.base_models.model_loading import load_model, load_tokenizer
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.objectives import logits
from wfl_sim.learning.prefix_cache import PrefixCache
from wfl_sim.learning.tokenized import encode, joined

BERT = Pretrained(pretrained="builtin:tiny-bert")
FIRST, SECOND = ("market virus senate", "lab"), ("goal", "goal opera lab goal market")
EXAMPLES = Examples(FIRST, np.array([0, 1]), SECOND)


@pytest.mark.parametrize("padding", ["fixed", "longest"])
def test_logits_of_a_pair_are_those_of_transformers(padding: str) -> None:
    tokenizer = load_tokenizer(BERT)
    batch = encode(tokenizer, EXAMPLES, 16, padding)  # type: ignore[arg-type]
    assert tokenizer.decode(batch.ids[0]).startswith("[CLS] market virus senate [SEP] goal [SEP]")
    torch.manual_seed(0)
    model = load_model(BERT, 2, int(tokenizer.pad_token_id)).eval()
    given = tokenizer([*FIRST], [*SECOND], padding=True, return_tensors="pt")
    assert given["token_type_ids"].sum() == 2 + 6
    with torch.no_grad():
        expected = model(**given).logits
        got = logits(model, batch.take(slice(None)))
        both = logits(model, joined([batch, batch]).take(torch.tensor([2, 1])))
        without = model(input_ids=given["input_ids"], attention_mask=given["attention_mask"]).logits
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(both, expected, rtol=0, atol=1e-5)
    assert (without - expected).abs().max() > 1e-3


def test_kept_outputs_of_lower_layers_know_the_segments() -> None:
    tokenizer = load_tokenizer(BERT)
    batch = encode(tokenizer, EXAMPLES, 16)
    torch.manual_seed(0)
    model = load_model(BERT, 2, int(tokenizer.pad_token_id)).eval()
    top = list(model.base_model.encoder.layer[-1].parameters())
    cache = PrefixCache(model, top, 1e8)
    with torch.no_grad(), cache.over(batch) as begin_above:
        assert begin_above is not None
        begin_above(torch.arange(2), batch)
        kept = logits(model, batch)
    with torch.no_grad():
        torch.testing.assert_close(kept, logits(model, batch), rtol=0, atol=1e-5)


def test_a_decoder_reads_a_pair_as_two_lines() -> None:
    tokenizer = load_tokenizer(Pretrained(pretrained="builtin:tiny-gpt2"))
    batch = encode(tokenizer, Examples(("sort a b",), np.array([0]), ("5 .",)), 32)
    assert batch.segments is None
    lines = tokenizer("sort a b\n5 .")["input_ids"]
    assert batch.ids[0, batch.mask[0].bool()].tolist() == lines


def test_of_a_long_pair_the_longer_text_is_cut() -> None:
    tokenizer = load_tokenizer(BERT)
    batch = encode(tokenizer, EXAMPLES, 8)
    assert tokenizer.decode(batch.ids[1]) == "[CLS] lab [SEP] goal opera lab goal [SEP]"
    assert batch.segments is not None
    assert batch.segments[1].tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
