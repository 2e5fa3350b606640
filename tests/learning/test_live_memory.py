"""Memory counted on shapes against what torch's allocator hands out in the same step."""

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._C._profiler import _EventType
from torch.profiler import ProfilerActivity, profile
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
)

from wfl_sim.data.examples import PromptLengths
from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.causal.prompts import PromptBatch
from wfl_sim.learning.costs.alignment import phase_cost
from wfl_sim.learning.costs.counting import count_step
from wfl_sim.learning.objectives import loss_of, next_word_cross_entropy
from wfl_sim.learning.tokenized import TokenizedTexts
from wfl_sim.learning.training import train_only
from wfl_sim.methods.parts import Full, Head, LoRA, Part
from wfl_sim.methods.phases import Local, NextWord, Phase

WORDS, TOKENS, BATCH = 2000, 32, 8
LORA = Part(name="lora", config=LoRA(rank=4), shared=True)
HEAD = Part(name="head", config=Head(), shared=True)
FULL = Part(name="full", config=Full(), shared=True)


def encoder(device: str) -> PreTrainedModel:
    config = BertConfig(
        vocab_size=WORDS, hidden_size=128, num_hidden_layers=3, num_attention_heads=4,
        intermediate_size=512, num_labels=3, max_position_embeddings=64,
    )  # fmt: skip
    with torch.device(device):
        model = AutoModelForSequenceClassification.from_config(config, attn_implementation="eager")
    return model.requires_grad_(False)


def decoder(device: str) -> PreTrainedModel:
    config = GPT2Config(
        vocab_size=WORDS, n_embd=128, n_layer=3, n_head=4, n_positions=64,
        bos_token_id=1, eos_token_id=1, attn_implementation="eager",
    )  # fmt: skip
    with torch.device(device):
        model = GPT2LMHeadModel(config)
    return model.requires_grad_(False)


def allocated(work: Callable[[], object]) -> int:
    """Return the most bytes that some work has allocated at once."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        work()
    trees = profiled.profiler.kineto_results.experimental_event_tree()
    events = [each for each in nodes(trees) if each.tag == _EventType.Allocation]
    now = peak = 0
    for event in sorted(events, key=lambda each: each.start_time_ns):
        now += event.typed[1].alloc_size
        peak = max(peak, now)
    return peak


def nodes(trees: Any) -> Iterator[Any]:
    for each in trees:
        yield each
        yield from nodes(each.children)


def peak_of_a_step(
    adapted: AdaptedModel, phase: Phase, loss: Callable[[], Tensor], passes: int = 1
) -> int:
    """Return the memory at the peak of a step by AdamW that is not the first."""
    trained = adapted.trained(phase)
    train_only(adapted.model, trained)
    adapted.model.train()
    optimizer = torch.optim.AdamW(trained, foreach=False)

    def step() -> None:
        for _ in range(passes):
            loss().backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    gc.collect()
    moments = [each for state in optimizer.state.values() for each in state.values()]
    kept = [*adapted.model.parameters(), *adapted.model.buffers(), *moments]
    sizes = {each.untyped_storage()._cdata: each.untyped_storage().nbytes() for each in kept}
    return sum(sizes.values()) + allocated(step)


@pytest.mark.parametrize(
    ("parts", "local"),
    [
        ([LORA, HEAD], Local(batch=BATCH)),
        ([LORA, HEAD], Local(batch=3 * BATCH, micro_batch=BATCH)),
        ([HEAD], Local(batch=BATCH)),
        ([FULL], Local(batch=BATCH)),
    ],
    ids=["lora", "passes", "head", "full"],
)
@pytest.mark.parametrize("anew", [False, True])
def test_a_classifier(parts: list[Part], local: Local, anew: bool) -> None:
    """A head alone keeps hardly anything for its backward pass, and computes as much forward."""
    phase = Phase(trains=tuple(each.name for each in parts), local=local)
    shape, real = (AdaptedModel(encoder(device), parts) for device in ("meta", "cpu"))
    for each in (shape, real):
        if anew:
            each.model.gradient_checkpointing_enable({"use_reentrant": False})
    ids = torch.randint(5, WORDS, (local.at_once, TOKENS))
    texts, loss = TokenizedTexts(ids, torch.ones_like(ids), ids[:, 0] % 3), loss_of(phase.objective)
    counted = count_step(shape.model, shape.trained(phase), phase, TOKENS).footprint
    peak = peak_of_a_step(real, phase, lambda: loss(real.model, texts), local.batch // BATCH)
    # A layer that is computed anew also keeps the state of the random numbers, 5 kB.
    assert counted.held == pytest.approx(peak, rel=1e-2 if anew else 1e-3)


def test_a_language_model() -> None:
    """Scores of all words stand several times: as they are, their softmax, and its gradient."""
    phase = Phase(trains=("lora",), local=Local(steps=1, batch=BATCH), objective=NextWord())
    shape, real = (AdaptedModel(decoder(device), [LORA]) for device in ("meta", "cpu"))
    layout = PromptLengths(request=TOKENS // 2, answer=TOKENS // 2)
    ids = torch.randint(5, WORDS, (BATCH, TOKENS // 2))
    texts = PromptBatch(ids, torch.ones_like(ids), ids, torch.ones_like(ids))
    counted = phase_cost(shape, phase, layout, ()).footprint
    peak = peak_of_a_step(real, phase, lambda: next_word_cross_entropy(real.model, texts))
    assert counted.held == pytest.approx(peak, rel=1e-3)
    assert counted.live > counted.activations + 4 * BATCH * TOKENS // 2 * WORDS
