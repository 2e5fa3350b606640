"""Causal language models: padded texts, generation with a cache, and sparse attention."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Generator, tensor
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel

from tools.pretraining.chat_tokenizer import TEMPLATE as BUILT_IN
from tools.pretraining.chat_tokenizer import chat_tokenizer
from wfl_sim.data import Instruct
from wfl_sim.data.examples import Instructions, PromptLengths
from wfl_sim.learning.causal.attention import attention_mask, kept_share, pattern, positions
from wfl_sim.learning.causal.evaluation import distributions
from wfl_sim.learning.causal.generation import Decoding, generate, sample_tokens
from wfl_sim.learning.causal.log_probabilities import log_probabilities
from wfl_sim.learning.causal.prompts import (
    PromptBatch,
    decode_answers,
    dummy_prompts,
    encode,
    format_prompt,
)
from wfl_sim.learning.peft import attach
from wfl_sim.methods.objectives import Sparsity
from wfl_sim.methods.parts import Critic, Part

V, END, PAD = 12, 1, 0
DENSE = Sparsity()


def gpt2(seed: int = 0, layers: int = 2, words: int = V) -> PreTrainedModel:
    config = GPT2Config(
        vocab_size=words,
        n_embd=16,
        n_layer=layers,
        n_head=2,
        n_positions=64,
        bos_token_id=END,
        eos_token_id=END,
        initializer_range=0.5,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return GPT2LMHeadModel._from_config(config, attn_implementation="eager").eval()


def requests(lengths: list[int], places: int, answer: int = 6) -> PromptBatch:
    rng = Generator().manual_seed(3)
    ids, mask = (torch.zeros(len(lengths), places, dtype=torch.int64) for _ in range(2))
    for row, length in enumerate(lengths):
        ids[row, places - length :] = torch.randint(2, V, (length,), generator=rng)
        mask[row, places - length :] = 1
    nothing = torch.zeros(len(lengths), answer, dtype=torch.int64)
    return PromptBatch(ids, mask, nothing, nothing)


def generated(
    model: PreTrainedModel, prompts: PromptBatch, seed: int | None, **options: object
) -> PromptBatch:
    rng = None if seed is None else Generator().manual_seed(seed)
    settings = {"sparsity": DENSE, "temperature": 1.0, "end": END, "pad": PAD, **options}
    return generate(model, prompts, Decoding(**settings), [rng])  # type: ignore[arg-type]


def test_padding_on_the_left_changes_nothing() -> None:
    model = gpt2()
    narrow, wide = requests([4], 4), requests([4], 9)
    assert torch.equal(narrow.request[0], wide.request[0, 5:])
    answers = [generated(model, each, 1) for each in (narrow, wide)]
    assert torch.equal(answers[0].answer, answers[1].answer)
    both = [log_probabilities(model, each, DENSE).log_probabilities for each in answers]
    torch.testing.assert_close(*both, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "sparsity", [DENSE, Sparsity(ratio=0.4), Sparsity(ratio=0.4, pattern="local")]
)
def test_generation_with_a_cache_equals_a_new_forward_pass(sparsity: Sparsity) -> None:
    """The likeliest words, one by one, are the likeliest of one pass over the whole text."""
    model = gpt2()
    texts = generated(model, requests([3, 7, 5], 7, 8), None, sparsity=sparsity, end=-1)
    predicted = distributions(model, texts, sparsity, 1.0).argmax(-1)
    assert torch.equal(predicted, texts.answer)


def test_answers_end_and_are_repeated_by_their_seed() -> None:
    model = gpt2()
    prompts = requests([5] * 40, 5, 10)
    end = int(generated(model, prompts, 7, end=-1).answer.flatten().mode().values)
    texts = generated(model, prompts, 7, end=end)
    again, other = (generated(model, prompts, seed, end=end) for seed in (7, 8))
    assert torch.equal(texts.answer, again.answer)
    assert not torch.equal(texts.answer, other.answer)
    ended = 0
    for ids, mask in zip(texts.answer, texts.answer_mask, strict=True):
        length = int(mask.sum())
        assert mask.tolist() == [1] * length + [0] * (10 - length)
        assert (ids[length:] == PAD).all()
        assert end not in ids[: length - 1].tolist()
        ended += int(ids[length - 1] == end)
    assert ended > 5


def test_tokens_are_sampled_from_the_softmax() -> None:
    logits = torch.randn(6, generator=Generator().manual_seed(1))
    draws = sample_tokens(logits.expand(20_000, 6), [Generator().manual_seed(2)])
    counts = np.bincount(draws.numpy(), minlength=6)
    assert stats.chisquare(counts, 20_000 * logits.double().softmax(0).numpy()).pvalue > 0.001
    assert sample_tokens(logits[None], [None]).item() == logits.argmax().item()


def test_temperature_divides_the_logits() -> None:
    model, prompts = gpt2(), requests([5] * 30, 5)
    cold = generated(model, prompts, 4, temperature=1e-4)
    assert torch.equal(cold.answer, generated(model, prompts, None).answer)
    warm = log_probabilities(model, cold, DENSE, 2.0).log_probabilities
    whole = distributions(model, cold, DENSE, 2.0)
    torch.testing.assert_close(warm, whole.gather(-1, cold.answer[..., None])[..., 0])


def test_a_word_sees_no_padding_and_nothing_after_it() -> None:
    mask = tensor([[0, 0, 1, 1, 1, 0]])
    seen = attention_mask(mask, DENSE)[0, 0] == 0
    assert seen[4].tolist() == [False, False, True, True, True, False]
    assert seen[2].tolist() == [False, False, True, False, False, False]
    assert positions(mask)[0, 2:5].tolist() == [0, 1, 2]


@pytest.mark.parametrize("kind", ["local", "strided"])
@pytest.mark.parametrize("ratio", [0.3, 0.5, 0.9])
def test_sparse_attention_keeps_its_ratio(kind: str, ratio: float) -> None:
    sparsity = Sparsity(ratio=ratio, pattern=kind)  # type: ignore[arg-type]
    share = kept_share(36, sparsity)
    assert ratio <= share < ratio + 0.08
    allowed = pattern(36, sparsity)
    assert allowed.diagonal().all()
    assert not allowed.triu(1).any()
    rows = (
        kept_share(36, sparsity, 0, 24) * 24 * 25 / 2
        + kept_share(36, sparsity, 24) * (36 * 37 - 24 * 25) / 2
    )
    assert rows == pytest.approx(share * 36 * 37 / 2)


def test_a_local_window_by_hand() -> None:
    """Of four words, pairs at distance 0 and 1 are 4 + 3 of 10."""
    assert kept_share(4, Sparsity(ratio=0.7, pattern="local")) == 0.7
    assert kept_share(4, Sparsity(ratio=0.71, pattern="local")) == 0.9
    strided = pattern(9, Sparsity(ratio=0.01))
    assert strided[8].nonzero().flatten().tolist() == [0, 4, 8]


def test_words_outside_of_the_window_are_not_attended_to() -> None:
    """In one layer; it does reach further through several."""
    model, texts = gpt2(layers=1), requests([8], 8, 4)
    other = PromptBatch(
        texts.request.clone(), texts.request_mask, texts.answer, texts.answer_mask + 1
    )
    texts = texts.with_answers(texts.answer, texts.answer_mask + 1)
    other.request[0, 0] = (other.request[0, 0] - 1) % 10 + 2
    local = Sparsity(ratio=0.3, pattern="local")
    near = [distributions(model, each, local, 1.0) for each in (texts, other)]
    far = [distributions(model, each, DENSE, 1.0) for each in (texts, other)]
    assert torch.equal(near[0][0, 3], near[1][0, 3])
    assert not torch.allclose(far[0][0, 3], far[1][0, 3])


def test_a_critic_reads_and_does_not_move_what_it_reads() -> None:
    model = gpt2()
    head = attach(model, [Part(name="critic", config=Critic(values=2), shared=False)])
    model.requires_grad_(True)
    texts = generated(model, requests([3, 4], 5), 1)
    values = log_probabilities(model, texts, DENSE).values
    assert values is not None
    assert values.shape == (2, 6, 2)
    values.sum().backward()
    assert all(value.grad is not None for value in head.values())
    assert all(value.grad is None for value in model.transformer.parameters())


def test_conversations_are_encoded_and_come_back() -> None:
    tokenizer = chat_tokenizer()
    examples = Instruct(examples=40).shards(1, 0).train[0]
    encoded = encode(tokenizer, examples)
    layout = examples.layout
    assert encoded.texts.ids.shape == (len(examples), layout.tokens)
    assert decode_answers(tokenizer, encoded.texts) == list(examples.answers)
    ends = encoded.texts.answer.gather(1, encoded.texts.answer_mask.sum(1, keepdim=True) - 1)
    assert (ends == tokenizer.eos_token_id).all()
    first = encoded.texts.request[0][encoded.texts.request_mask[0].bool()]
    assert tokenizer.decode(first) == f"<user> {examples.texts[0]} <bot>"
    some = encoded.take(tensor([3, 1]))
    assert some.examples.texts == (examples.texts[3], examples.texts[1])
    assert torch.equal(some.texts.request[1], encoded.texts.request[1])


def test_a_long_request_loses_its_beginning_and_a_long_answer_its_end() -> None:
    tokenizer = chat_tokenizer()
    data = Instruct(examples=40, request_tokens=6, answer_tokens=2)
    encoded = encode(tokenizer, data.shards(1, 0).train[0])
    assert (encoded.texts.request[:, -1] == tokenizer.convert_tokens_to_ids("<bot>")).all()
    assert encoded.texts.answer.shape[1] == 2
    assert dummy_prompts(3, PromptLengths(request=6, answer=2)).ids.shape == (3, 8)


def test_a_request_beyond_the_network_is_cut_in_silence(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    tokenizer = chat_tokenizer()
    tokenizer.model_max_length = 8
    logger = logging.getLogger("transformers")
    was, logger.propagate = logger.propagate, True
    try:
        shards = Instruct(examples=8).shards(1, 0)
        encode(tokenizer, replace(shards.pooled, texts=("w " * 40,) * len(shards.pooled.texts)))
    finally:
        logger.propagate = was
    assert "longer than" not in caplog.text + capfd.readouterr().err


TALK = (("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello"))
TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + TEMPLATE
)


@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        (TEMPLATE, "<system>Be brief.<user>Hi<assistant>Hello<user>How?<assistant>"),
        (BUILT_IN, "<user> Be brief.\n\nHi <bot> Hello <end> <user> How? <bot>"),
        (NO_SYSTEM, "<user>Be brief.\n\nHi<assistant>Hello<user>How?<assistant>"),
        (
            None,
            "Be brief.\n\n### Instruction:\nHi\n\n### Response:\nHello\n\n"
            "### Instruction:\nHow?\n\n### Response:\n",
        ),
    ],
)
def test_turns_pass_through_the_template(template: str | None, prompt: str) -> None:
    tokenizer = chat_tokenizer()
    tokenizer.chat_template = template
    assert format_prompt(tokenizer, "How?", TALK) == prompt
    layout = PromptLengths(request=250, answer=8)
    labels = np.zeros(1, np.int64)
    talk = Instructions(("How?",), labels, answers=("5 .",), earlier=(TALK,), layout=layout)
    texts = encode(tokenizer, talk).texts
    # The loss counts the words of the answer and its end, and nothing that was said before.
    counted = texts.answer[0, texts.answer_mask[0].bool()].tolist()
    assert counted == [*tokenizer("5 .")["input_ids"], tokenizer.eos_token_id]
    said = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    assert len(said) < 250
    assert texts.request[0, texts.request_mask[0].bool()].tolist()[-len(said) :] == said
