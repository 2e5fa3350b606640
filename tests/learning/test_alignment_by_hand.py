"""PPO, GRPO and DPO against a loop written with PEFT and torch alone, text by text, unpadded."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from transformers import AutoModelForCausalLM

from tests.fixtures.networks import language_model
from wfl_sim.data import Instruct
from wfl_sim.data.instruct_rules import score_answer
from wfl_sim.learning.alignment import training
from wfl_sim.learning.base_models.model_loading import load_tokenizer
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.causal.prompts import encode
from wfl_sim.learning.pretrained import builtin
from wfl_sim.methods import LocalOnly
from wfl_sim.methods.objectives import DPO, GRPO, PPO, RULES, Rewards
from wfl_sim.methods.parts import LoRA
from wfl_sim.methods.phases import Local
from wfl_sim.randomness import stream

SEED, WEIGHT, LR, STEPS, BATCH = 11, 0.7, 1e-2, 2, 4
BY_RULE = Rewards(helpfulness=RULES, safety=RULES)
MODEL = Pretrained(pretrained="builtin:tiny-gpt2-instruct")


class ByHand:
    """A policy of PEFT, and its steps."""

    def __init__(self, start: dict[str, Any], algorithm: Any, temperature: float) -> None:
        source = str(builtin("tiny-gpt2-instruct"))
        network: Any = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
        lora = LoraConfig(r=4, lora_alpha=8, target_modules=["c_attn"], fan_in_fan_out=True)
        self.policy: Any = get_peft_model(network, lora).eval()
        self.critic = torch.nn.Linear(network.config.hidden_size, 1)
        named = self.policy.base_model.model.named_parameters()
        names = ((n.removeprefix("transformer.").replace(".default.", "."), v) for n, v in named)
        parameters = {f"lora/{name}": value for name, value in names}
        parameters |= {f"critic/{name}": v for name, v in self.critic.named_parameters()}
        self.values = {name: parameters[name] for name in start}
        with torch.no_grad():
            for name, value in self.values.items():
                value.copy_(torch.from_numpy(start[name]))
        self.optimizer = torch.optim.AdamW(self.values.values(), lr=LR, weight_decay=0.0)
        self.algorithm, self.temperature = algorithm, temperature

    def words(self, request: list[int], answer: list[int]) -> tuple[Tensor, Tensor]:
        """Return log-probabilities and values of the words of one answer."""
        output = self.policy(torch.tensor([request + answer]), output_hidden_states=True)
        before = slice(len(request) - 1, -1)
        logits = output.logits[0, before] / self.temperature
        values = self.critic(output.hidden_states[-1][0, before].detach())[:, 0]
        return logits.log_softmax(-1)[torch.arange(len(answer)), torch.tensor(answer)], values

    def step(self, loss: Tensor) -> None:
        """Take a step."""
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def from_pairs(self, pairs: list[tuple[list[int], list[int], list[int]]]) -> None:
        """Rafailov et al., equation 7."""
        margins = []
        for request, *two in pairs:
            with torch.no_grad(), self.policy.disable_adapter():
                known = [self.words(request, each)[0].sum() for each in two]
            new = [self.words(request, each)[0].sum() for each in two]
            margins.append((new[0] - known[0]) - (new[1] - known[1]))
        self.step(
            -torch.nn.functional.logsigmoid(self.algorithm.beta * torch.stack(margins)).mean()
        )

    def from_answers(
        self, texts: list[tuple[list[int], list[int]]], rewards: list[float], orders: Iterator[Any]
    ) -> None:
        """Schulman et al. with generalised advantages, or Shao et al. with groups."""
        algorithm = self.algorithm
        with torch.no_grad():
            old, values = zip(*(self.words(*each) for each in texts), strict=True)
            with self.policy.disable_adapter():
                reference = [self.words(*each)[0] for each in texts]
        if isinstance(algorithm, PPO):
            advantages = []
            for before, known, value, reward in zip(old, reference, values, rewards, strict=True):
                earned = -algorithm.kl * (before - known)
                earned[-1] += reward
                found, after, following = [], 0.0, 0.0
                for each, here in zip(reversed(earned.tolist()), reversed(value), strict=True):
                    delta = each + algorithm.discount * following - float(here)
                    after = delta + algorithm.discount * algorithm.trace * after
                    found, following = [after, *found], float(here)
                advantages.append(torch.tensor(found))
            returns = [a + v for a, v in zip(advantages, values, strict=True)]
            every = torch.cat(advantages)
            scale = (every.var(correction=0) + 1e-8).sqrt()
            advantages = [(each - every.mean()) / scale for each in advantages]
        else:
            groups = torch.tensor(rewards).view(-1, algorithm.group)
            spread = groups.std(1, keepdim=True, correction=0) + 1e-4
            each = ((groups - groups.mean(1, keepdim=True)) / spread).flatten()
            advantages = [a.expand(len(o)) for a, o in zip(each, old, strict=True)]
        for rows in orders:
            gains, rest = [], []
            for i in rows:
                new, value = self.words(*texts[i])
                ratio = (new - old[i]).exp()
                bounded = ratio.clamp(1 - algorithm.clip, 1 + algorithm.clip)
                gains.append(torch.minimum(ratio * advantages[i], bounded * advantages[i]))
                if isinstance(algorithm, PPO):
                    near = values[i] + (value - values[i]).clamp(-algorithm.clip, algorithm.clip)
                    far = torch.maximum((value - returns[i]) ** 2, (near - returns[i]) ** 2)
                    rest.append(algorithm.value_weight * far / 2)
                else:
                    d = reference[i] - new
                    rest.append(algorithm.kl * (d.exp() - d - 1))
            self.step(torch.cat(rest).mean() - torch.cat(gains).mean())


@pytest.mark.parametrize(
    "algorithm",
    [
        PPO(kl=0.1, discount=0.97, trace=0.9, value_weight=0.3),
        GRPO(group=3, epochs=2, kl=0.1),
        DPO(beta=0.2),
    ],
    ids=["ppo", "grpo", "dpo"],
)
def test_steps_are_those_of_a_loop_over_texts(
    algorithm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard: Any = Instruct(examples=24).shards(1, 0).train[0]
    train: Any = encode(load_tokenizer(MODEL), shard)
    pairs = isinstance(algorithm, DPO)
    method = LocalOnly(
        lora=LoRA(rank=4, dropout=0.5),  # nothing drops out here
        algorithm=algorithm,
        rewards=BY_RULE,
        weight=WEIGHT,
        temperature=1.0 if pairs else 0.8,
        local=Local(steps=STEPS, batch=BATCH, lr=LR),
    )
    adapted = language_model(MODEL, method, train.examples.layout)
    start = dict(adapted.read(adapted.parts))
    rollouts, generate = [], training.generate
    monkeypatch.setattr(
        training, "generate", lambda *given: rollouts.append(generate(*given)) or rollouts[-1]
    )
    adapted.train_phase(0, method.phases[0], train, SEED)

    hand = ByHand(start, algorithm, method.temperature)
    requests = _unpadded(train.texts.request, train.texts.request_mask)
    rng = stream(SEED, "batches", 0)
    needed = STEPS * BATCH
    passes = [rng.permutation(len(train)) for _ in range(-(-needed // len(train)))]
    for step, rows in enumerate(np.concatenate(passes)[:needed].reshape(STEPS, BATCH)):
        if pairs:
            two = [_unpadded(t.answer, t.answer_mask) for t in (train.texts, train.rejected)]
            hand.from_pairs([(requests[i], two[0][i], two[1][i]) for i in rows])
            continue
        asked = np.repeat(rows, algorithm.answers)
        answers = _unpadded(rollouts[step].answer, rollouts[step].answer_mask)
        scores = [
            score_answer(
                train.examples.texts[i], adapted.tokenizer.decode(ids, skip_special_tokens=True)
            )
            for i, ids in zip(asked, answers, strict=True)
        ]
        rewards = [WEIGHT * s.helpfulness + (1 - WEIGHT) * s.safety for s in scores]
        minibatches = (
            rows
            for _ in range(algorithm.epochs)
            for rows in np.array_split(rng.permutation(len(asked)), algorithm.minibatches)
        )
        texts = [(requests[i], ids) for i, ids in zip(asked, answers, strict=True)]
        hand.from_answers(texts, rewards, minibatches)

    for name, value in adapted.read(adapted.parts).items():
        moved = np.abs(value - start[name]).max()
        assert moved > 0
        np.testing.assert_allclose(value, hand.values[name].detach(), atol=2e-2 * moved, rtol=0)


def _unpadded(ids: Tensor, mask: Tensor) -> list[list[int]]:
    return [row[kept.bool()].tolist() for row, kept in zip(ids, mask, strict=True)]
