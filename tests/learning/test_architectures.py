"""Networks of other architectures: they count, train and answer as their own code says."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from tools.models.checkpoints import checkpoint
from tools.models.trials import outcome
from wfl_sim.data.examples import Instructions, PromptLengths
from wfl_sim.learning.base_models.model_loading import causal_shape, load_causal, load_on_meta
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.causal.attention import why_not_sparse
from wfl_sim.learning.causal.generation import Decoding, generate
from wfl_sim.learning.causal.log_probabilities import log_probabilities
from wfl_sim.learning.causal.prompts import PromptBatch, dummy_prompts, encode
from wfl_sim.learning.costs.alignment import _generation
from wfl_sim.learning.costs.counting import count_step
from wfl_sim.learning.costs.live_memory import peak_memory
from wfl_sim.learning.training import train_only
from wfl_sim.methods.objectives import Alignment, Sparsity
from wfl_sim.methods.phases import Local, one_phase

Saved = Callable[[str], Path]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """A function from architecture to the folder of a tiny random checkpoint."""
    folder = tmp_path_factory.mktemp("architectures")
    return lambda name: (
        folder / name if (folder / name).exists() else checkpoint(name, folder / name)
    )


@pytest.mark.parametrize(
    ("architecture", "column", "dtype"),
    [
        ("DebertaV2", "adapters", "fp32"),
        ("T5", "classification", "fp32"),
        ("OPT", "all-linear", "fp32"),
        ("Mixtral", "instructions", "fp32"),
        ("Bloom", "instructions", "bf16"),
        ("Gemma2", "PFTT", "bf16"),
        ("GPT2", "PPO", "bf16"),
        ("GPT2", "DPO", "bf16"),
        ("XLMRoberta", "classification", "bf16"),
    ],
)
def test_it_trains(saved: Saved, architecture: str, column: str, dtype: str) -> None:
    assert outcome(saved(architecture), column, dtype) == "yes"  # type: ignore[arg-type]


def test_an_encoder_decoder_is_not_cut(saved: Saved) -> None:
    """A block of its decoder has the number of one on the device, and lies at the server."""
    assert "has an encoder and a decoder" in outcome(saved("T5"), "split", "fp32")


@pytest.mark.parametrize("architecture", ["DebertaV2", "Bart", "OPT", "Bloom", "Mixtral"])
def test_shapes_cost_what_values_cost(saved: Saved, architecture: str) -> None:
    """The products of a step, counted without values, are those of a step on real texts."""
    model = Pretrained(pretrained=str(saved(architecture)))
    (phase,) = one_phase("head", local=Local(batch=3))
    shapes = load_on_meta(model, 4)
    counted = count_step(shapes, [*shapes.parameters()], phase, 12).flops.total
    network = AutoModelForSequenceClassification.from_pretrained(
        model.pretrained,
        num_labels=4,
        pad_token_id=0,
        attn_implementation="eager",
        experts_implementation="eager",
    )
    train_only(network, network.parameters())
    ids = torch.randint(10, 60, (3, 12), generator=torch.Generator().manual_seed(1))
    ids[:, -1] = network.config.eos_token_id
    with FlopCounterMode(display=False) as counter:
        labels = torch.tensor([0, 1, 2])
        output = network(input_ids=ids, attention_mask=torch.ones_like(ids), labels=labels)
        output.loss.backward()
    assert counted == counter.get_total_flops()


@pytest.mark.parametrize(
    "architecture", ["Mistral", "Gemma2", "GPTNeo", "OPT", "Bloom", "Mamba", "Jamba", "OpenAIGPT"]
)
def test_answers_are_those_of_the_network_itself(saved: Saved, architecture: str) -> None:
    """Beyond its window, and with padding on the left, its answers are those of transformers."""
    folder = saved(architecture)
    network = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    with torch.no_grad():
        for value in network.parameters():
            value.mul_(3)  # so that words differ in their odds
    ids = torch.randint(10, 60, (1, 30), generator=torch.Generator().manual_seed(2))
    request, mask = torch.zeros(1, 36, dtype=torch.int64), torch.zeros(1, 36, dtype=torch.int64)
    request[:, 6:], mask[:, 6:] = ids, 1
    nothing = torch.zeros(1, 5, dtype=torch.int64)
    decoding = Decoding(sparsity=Sparsity(), temperature=1.0, end=-1, pad=0)
    texts = generate(network, PromptBatch(request, mask, nothing, nothing), decoding, [None])
    with torch.no_grad():
        own = network.generate(
            ids, do_sample=False, min_new_tokens=5, max_new_tokens=5, eos_token_id=None
        )
        logits = network(torch.cat([ids, texts.answer], 1)).logits[:, 29:-1].log_softmax(-1)
        scores = log_probabilities(network, texts, Sparsity()).log_probabilities
    assert torch.equal(texts.answer, own[:, 30:])
    expected = logits.gather(-1, texts.answer[..., None])[..., 0]
    torch.testing.assert_close(scores, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("architecture", ["Llama", "Mamba", "OpenAIGPT"])
def test_writing_costs_what_is_computed(saved: Saved, architecture: str) -> None:
    """With a cache, a state, or the whole text again for each word; and its memory."""
    model = Pretrained(pretrained=str(saved(architecture)))
    layout = PromptLengths(request=20, answer=9)
    shape, dummies = causal_shape(model), dummy_prompts(3, layout)
    counted, held, live = _generation(shape, dummies, Alignment())
    ids = torch.randint(5, 60, (3, 20), generator=torch.Generator().manual_seed(1))
    nothing = torch.zeros(3, 9, dtype=torch.int64)
    decoding = Decoding(sparsity=Sparsity(), temperature=1.0, end=-1, pad=0)
    prompts = PromptBatch(ids, torch.ones_like(ids), nothing, nothing)
    with FlopCounterMode(display=False) as counter:
        generate(load_causal(model), prompts, decoding, [None])
    assert counted == counter.get_total_flops()
    assert (held > 0) == (architecture != "OpenAIGPT")
    peak = peak_memory(shape, lambda: generate(shape, dummies, decoding, [None]))
    assert live == pytest.approx(peak, rel=0.01)


@pytest.mark.parametrize(
    ("architecture", "tokens", "reason"),
    [
        ("Mistral", 16, None),
        ("Mistral", 17, "has windows of less than 17 tokens"),
        ("Bloom", 8, "takes a mask of words alone"),
        ("Mamba", 8, "has layers without attention"),
        ("Jamba", 8, "has layers without attention"),
        ("Llama", 99, None),
    ],
)
def test_sparse_attention_needs_a_mask_of_pairs(
    saved: Saved, architecture: str, tokens: int, reason: str | None
) -> None:
    config = AutoModelForCausalLM.from_pretrained(saved(architecture)).config
    assert why_not_sparse(config, tokens) == reason


def test_every_end_ends_an_answer(saved: Saved) -> None:
    tokenizer = AutoTokenizer.from_pretrained(saved("Llama"))
    network = AutoModelForCausalLM.from_pretrained(saved("Llama")).eval()
    request = torch.tensor([[10, 11, 12]])
    nothing = torch.zeros(1, 6, dtype=torch.int64)
    prompts = PromptBatch(request, torch.ones_like(request), nothing, nothing)
    free = Decoding.of(tokenizer, network, Sparsity(), 1.0)
    word = int(generate(network, prompts, free, [None]).answer[0, 0])
    for named in ([7, word], word):
        network.generation_config.eos_token_id = named
        decoding = Decoding.of(tokenizer, network, Sparsity(), 1.0)
        written = generate(network, prompts, decoding, [None])
        assert written.answer_mask.tolist() == [[1, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize("template", [None, "{{ messages[0]['content'] }}"])
def test_a_request_without_a_template_begins_with_bos(
    pretrained: Callable[[str], Pretrained], template: str | None
) -> None:
    """The tokenizer puts [CLS] before every text; what is cut off is behind it."""
    tokenizer = AutoTokenizer.from_pretrained(pretrained("gpt2").pretrained)
    tokenizer.bos_token, tokenizer.chat_template = "[CLS]", template
    layout = PromptLengths(request=4, answer=2)
    examples = Instructions(
        ("w1 w2 w3 w4 w5",), np.zeros(1, np.int64), answers=("w1",), layout=layout
    )
    ids = encode(tokenizer, examples).texts.request[0].tolist()
    assert (ids[0] == tokenizer.bos_token_id) == (template is None)
    assert len(ids) == 4
