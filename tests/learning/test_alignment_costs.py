"""Counted costs of alignment against counts by hand: all work of a device is counted."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, DynamicCache, GPT2Config, GPT2LMHeadModel

from wfl_sim.codecs import Float32
from wfl_sim.data import Instruct
from wfl_sim.data.examples import PromptLengths
from wfl_sim.device_models.workload import Writing
from wfl_sim.execution.task import InitialPrivate, InitialShared, LocalUpdate, StateRef
from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.causal.attention import kept_share
from wfl_sim.learning.causal.generation import Decoding, generate
from wfl_sim.learning.causal.prompts import dummy_prompts
from wfl_sim.learning.costs.alignment import _generation, phase_cost
from wfl_sim.learning.costs.counting import PhaseCost, count_flops
from wfl_sim.learning.costs.live_memory import peak_memory
from wfl_sim.learning.learner import PeftLearner
from wfl_sim.methods import PWFF, LocalOnly
from wfl_sim.methods.method import Method
from wfl_sim.methods.objectives import (
    DPO,
    GRPO,
    PPO,
    RULES,
    Alignment,
    Rewards,
    Sparsity,
)
from wfl_sim.methods.parts import Adapter, Critic, LastLayers, LoRA, Part
from wfl_sim.methods.phases import Answering, Local, Phase

B, P, A, H, L, V = 8, 24, 12, 64, 3, 200
T = P + A
LAYERS = Part(name="layers", config=LastLayers(layers=1), shared=True)
CRITIC = Part(name="critic", config=Critic(), shared=False)


def adapted(*parts: Part) -> AdaptedModel:
    config = GPT2Config(
        vocab_size=V, n_embd=H, n_layer=L, n_head=4, n_positions=64, bos_token_id=1, eos_token_id=1
    )
    with torch.device("meta"):
        model = GPT2LMHeadModel._from_config(config, attn_implementation="eager")
    return AdaptedModel(model.requires_grad_(False), parts)


def cost(
    algorithm: PPO | GRPO | DPO,
    *parts: Part,
    reward_models: tuple[tuple[Pretrained, int], ...] = (),
    batch: int = B,
    **options: object,
) -> PhaseCost:
    objective = Alignment(algorithm=algorithm, **options)  # type: ignore[arg-type]
    local = Local(steps=1, batch=batch)
    phase = Phase(trains=tuple(p.name for p in parts), local=local, objective=objective)
    return phase_cost(adapted(*parts), phase, PromptLengths(request=P, answer=A), reward_models)


def reading(tokens: int, words: int) -> float:
    """One text forward: 12 H^2 weights a layer, two products of attention, `words` predicted."""
    return L * (24 * H * H * tokens + 4 * tokens**2 * H) + 2 * H * V * words


def writing() -> float:
    """The request at once, then each word but the last against all before it."""
    first = L * (24 * H * H * P + 4 * P * P * H) + 2 * H * V
    then = sum(L * (24 * H * H + 4 * (P + i) * H) + 2 * H * V for i in range(1, A))
    return first + then


def learning() -> float:
    """Forward; back through the output layer and the last layer, which has weight gradients."""
    backward = 2 * H * V * (A + 1) + 48 * H * H * T + 8 * T * T * H
    return reading(T, A + 1) + backward


def test_ppo_by_hand() -> None:
    counted = cost(PPO(epochs=2, minibatches=2), LAYERS, CRITIC)
    by_hand = B * (writing() + 2 * reading(T, A + 1) + 2 * learning())
    assert counted.flops == pytest.approx(by_hand, rel=0.03)
    assert counted.steps == 4


def test_three_lengths_tell_what_each_token_costs() -> None:
    model = adapted(LAYERS, CRITIC).model.eval()
    texts = dummy_prompts(2, PromptLengths(request=P, answer=A))
    found, cache, live = _generation(model, texts, Alignment(algorithm=PPO()))
    decoding = Decoding(sparsity=Sparsity(), temperature=1.0, end=0, pad=0)
    held = DynamicCache(config=model.config)
    counted = count_flops(model, lambda: generate(model, texts, decoding, [None], held))
    assert found == counted.total
    assert cache == pytest.approx(2 * L * 2 * (T - 1) * H * 4, rel=1e-3)
    peak = peak_memory(model, lambda: generate(model, texts, decoding, [None]))
    assert live == pytest.approx(peak, rel=2e-3)


@pytest.fixture
def reward_model(tmp_path: Path) -> tuple[Pretrained, int]:
    config = GPT2Config(vocab_size=V, n_embd=32, n_layer=2, n_head=4, n_positions=64)
    config.architectures = ["GPT2ForSequenceClassification"]
    config.save_pretrained(tmp_path)
    return Pretrained(pretrained=str(tmp_path)), 1


def test_reward_models_are_counted(reward_model: tuple[Pretrained, int]) -> None:
    plain, rewarded = (
        cost(PPO(), LAYERS, CRITIC, reward_models=j) for j in ((), (reward_model, reward_model))
    )
    one = 2 * (24 * 32 * 32 * T + 4 * T * T * 32) + 2 * 32 * T
    assert rewarded.flops - plain.flops == pytest.approx(2 * B * one, rel=0.03)
    weights = 4 * (2 * 12 * 32 * 32 + V * 32 + 64 * 32)
    more = rewarded.footprint.held - plain.footprint.held
    assert more == pytest.approx(2 * weights, rel=0.05)
    assert rewarded.traffic - plain.traffic == pytest.approx(more)


def test_weights_of_a_large_reward_model_are_held_once(tmp_path: Path) -> None:
    """They outweigh all else: 12 layers 512 wide, read by texts of 36 words."""
    config = BertConfig(
        vocab_size=V, hidden_size=512, num_hidden_layers=12, num_attention_heads=4,
        intermediate_size=2048, max_position_embeddings=64,
    )  # fmt: skip
    config.architectures = ["BertForSequenceClassification"]
    config.save_pretrained(tmp_path)
    large = (Pretrained(pretrained=str(tmp_path)), 1)
    plain, rewarded = (cost(PPO(), LAYERS, CRITIC, reward_models=j) for j in ((), (large,)))
    weights = 4 * 12 * 12 * 512**2
    more = rewarded.footprint.held - plain.footprint.held
    assert more == pytest.approx(weights, rel=0.15)


WHOLE = Local(steps=1, batch=2)


@pytest.mark.parametrize(
    "method",
    [
        PWFF(local=WHOLE, rewards=Rewards(safety=RULES)),
        LocalOnly(local=WHOLE, algorithm=DPO()),
    ],
    ids=["ppo", "dpo"],
)
def test_all_products_of_a_local_update_are_charged(
    method: Method, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch's count of a whole update, with answers of the full length and nothing left out."""
    of = Decoding.of
    endless = classmethod(lambda _, *given: replace(of(*given), end=-1, other_ends=()))
    monkeypatch.setattr("wfl_sim.learning.alignment.training.Decoding.of", endless)
    monkeypatch.setattr("wfl_sim.learning.alignment.training._needed", lambda texts, _: texts)
    shards = Instruct(examples=16).shards(1, 0)
    learner = PeftLearner(
        model=Pretrained(pretrained="builtin:tiny-gpt2-instruct"),
        method=method,
        shards=shards,
        tokens=shards.pooled.layout.tokens,
        codec_up=Float32(),
        codec_down=Float32(),
    )
    shared = learner.run(InitialShared(recipe=learner.recipe, seed=1), [])
    private = learner.run(InitialPrivate(recipe=learner.recipe, device=0, seed=1), [])
    update = LocalUpdate(
        recipe=learner.recipe,
        device=0,
        shard=shards.train[0].fingerprint(),
        seed=3,
        shared=StateRef("a", "shared"),
        private=StateRef("b", "private"),
    )
    with FlopCounterMode(display=False) as counter:
        learner.run(update, [shared.states, private.states])
    assert counter.get_total_flops() == learner.workload(0).update_flops


def test_longer_answers_cost_more_by_the_hand_count() -> None:
    objective = Alignment(algorithm=PPO())
    phase = Phase(trains=("layers", "critic"), local=Local(steps=1, batch=B), objective=objective)
    short, long = (
        phase_cost(
            adapted(LAYERS, CRITIC), phase, PromptLengths(request=P, answer=answer), ()
        ).flops
        for answer in (6, 12)
    )
    assert long > 1.2 * short


def test_grpo_is_ppo_on_the_whole_group_without_a_critic() -> None:
    group = cost(GRPO(group=4, epochs=2, minibatches=2), LAYERS, batch=B // 4)
    single = cost(PPO(epochs=2, minibatches=2), LAYERS, CRITIC)
    critic = (2 + 3 * 2) * B * A * 2 * H  # read four times, its own gradient
    assert group.flops == pytest.approx(single.flops - critic, rel=0.01)


def test_dpo_by_hand() -> None:
    counted = cost(DPO(), LAYERS)
    assert counted.flops == pytest.approx(2 * B * (reading(T, A + 1) + learning()), rel=0.03)
    assert counted.steps == 1


def test_instruction_tuning_by_hand() -> None:
    phase = Phase(trains=("layers",), local=Local(steps=3, batch=B))
    counted = phase_cost(adapted(LAYERS), phase, PromptLengths(request=P, answer=A), ())
    assert counted.flops == pytest.approx(3 * B * learning(), rel=0.03)
    assert counted.steps == 3


def test_frozen_weights_are_read_by_each_pass_and_each_word() -> None:
    """Written words, policy and reference, and two ways through two passes of two minibatches."""
    ppo, dpo = cost(PPO(epochs=2, minibatches=2), LAYERS, CRITIC), cost(DPO(), LAYERS)
    assert ppo.frozen_traffic == (A + 2 + 2 * 4) * ppo.footprint.frozen
    model, texts = (
        adapted(LAYERS, CRITIC).model,
        dummy_prompts(B, PromptLengths(request=P, answer=A)),
    )
    flops, cache, _ = _generation(model.eval(), texts, Alignment())
    size = ppo.footprint.frozen + ppo.footprint.trained
    assert ppo.writing == Writing(flops, A * (size + cache), A * ppo.footprint.frozen)
    assert dpo.frozen_traffic == (2 + 2) * dpo.footprint.frozen
    assert dpo.writing == Writing()
    phase = Phase(trains=(), local=Local(steps=1, batch=B), objective=Answering())
    rag = phase_cost(adapted(), phase, PromptLengths(request=P, answer=A), ())
    cache = rag.footprint.activations
    assert rag.frozen_traffic == A * rag.footprint.frozen == rag.traffic - A * cache


def test_what_drops_out_in_instruction_tuning_is_held() -> None:
    """In the layer that learns: the masks of both sub-layers, that of the four heads, and what it
    leaves of the probabilities, all in float32."""
    phase = Phase(trains=("layers",), local=Local(steps=1, batch=B))
    held = []
    for rate in (0.0, 0.1):
        network = adapted(LAYERS)
        for module in network.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = rate
        cost = phase_cost(network, phase, PromptLengths(request=P, answer=A), ())
        held.append(cost.footprint.activations)
    assert held[1] - held[0] == 4 * B * (2 * T * H + 2 * 4 * T * T)


def test_two_rewards_apart_cost_a_second_way_back() -> None:
    parts = LAYERS, Part(name="critic", config=Critic(values=2), shared=False)
    both = cost(PPO(), *parts, combine="mgda")
    one = cost(PPO(), LAYERS, CRITIC)
    backward = learning() - reading(T, A + 1)
    assert both.flops - one.flops == pytest.approx(2 * B * backward, rel=0.03)


def test_sparse_attention_saves_its_share_of_the_products() -> None:
    sparse = Sparsity(ratio=0.5)
    dense = cost(PPO(), LAYERS, CRITIC)
    saved = dense.flops - cost(PPO(), LAYERS, CRITIC, attention=sparse).flops
    products = (1 - kept_share(T, sparse)) * (2 * 4 * T * T * L + 2 * (4 * L + 8) * T * T) * H
    products += (1 - kept_share(T, sparse, 0, P)) * 4 * P * P * L * H
    products += (1 - kept_share(T, sparse, P)) * sum(4 * (P + i) * L * H for i in range(1, A))
    assert saved == pytest.approx(B * products, rel=0.03)


def test_the_reference_and_the_anchor_are_held() -> None:
    plain = cost(PPO(), LAYERS, CRITIC).footprint
    anchored = cost(PPO(), LAYERS, CRITIC, distance=0.1).footprint
    assert anchored.held - plain.held == plain.trained
    weights = 4 * sum(p.numel() for p in adapted(LAYERS, CRITIC).model.parameters())
    # all weights and the last layer as pretrained; what learns is there once more for the reference
    assert plain.frozen + plain.trained > weights
    assert plain.copies == plain.trained


def test_many_long_answers_need_a_cache() -> None:
    """Keys and values of every layer and word outweigh what reading a short request takes."""
    model = adapted(CRITIC).model.eval()
    texts = dummy_prompts(64, PromptLengths(request=2, answer=A))
    decoding = Decoding(sparsity=Sparsity(), temperature=1.0, end=0, pad=0)
    _, cache, live = _generation(model, texts, Alignment(algorithm=PPO()))
    peak = peak_memory(model, lambda: generate(model, texts, decoding, [None]))
    assert cache == live == 64 * 2 * L * (2 + A - 1) * H * 4 < peak


def test_adapters_and_lora_are_counted_too() -> None:
    parts = [
        Part(name="adapter", config=Adapter(bottleneck=8), shared=True),
        Part(name="lora", config=LoRA(rank=4), shared=False),
    ]
    counted = cost(PPO(), *parts, CRITIC)
    frozen = cost(PPO(), CRITIC)
    assert counted.flops > 1.3 * frozen.flops
    assert counted.footprint.activations > frozen.footprint.activations
