"""Learning from rewards: it works, within bounds, and repeats."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    GPT2Config,
    PreTrainedTokenizerFast,
)

from tests.fixtures.networks import language_model
from wfl_sim.config.answers import AnswerError
from wfl_sim.config.errors import LocatedError
from wfl_sim.data import Instruct, InstructionRecords
from wfl_sim.data.examples import Instructions, PromptLengths
from wfl_sim.data.instruct import Preferences
from wfl_sim.data.instruct_rules import score_answer, solution
from wfl_sim.data.metrics import ExactMatch, Judge, RougeL, named
from wfl_sim.learning.alignment.answer_reward import GivenAnswer
from wfl_sim.learning.alignment.language_model import LanguageModel
from wfl_sim.learning.alignment.policy import reference_policy
from wfl_sim.learning.alignment.rewards import ModelReward, RuleReward, rewards_of, scores_of
from wfl_sim.learning.base_models.model_loading import load_tokenizer
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.causal.prompts import Conversations, encode
from wfl_sim.learning.pretrained import builtin
from wfl_sim.methods import PFIT, PWFF, FedIT, FedMOA, FedRLHF, LocalOnly
from wfl_sim.methods.method import Method
from wfl_sim.methods.objectives import DPO, GRPO, PPO, RULES, Rewards, Sparsity
from wfl_sim.methods.phases import Local

MODEL = Pretrained(pretrained="builtin:tiny-gpt2-instruct")
BY_RULE = Rewards(helpfulness=RULES, safety=RULES)
SMALL = Local(steps=1, batch=8, lr=2e-4)


@dataclass(frozen=True)
class FirstWord:
    """1 for answers that begin as the given ones."""

    def rewards(
        self, requests: Sequence[str], answers: Sequence[str], given: Sequence[str]
    ) -> list[bool]:
        """Return whether each does."""
        pairs = zip(answers, given, strict=True)
        return [said.split()[:1] == right.split()[:1] for said, right in pairs]


@dataclass(frozen=True)
class Constant:
    """The same answer to everything."""

    answer: object

    def rewards(self, requests: Sequence[str], answers: Sequence[str], given: Sequence[str]) -> Any:
        """Return it."""
        return self.answer


def bench_of(method: Method, examples: Conversations, **options: Any) -> LanguageModel:
    return language_model(MODEL, method, examples.examples.layout, **options)


def conversations(
    preference: float, seed: int, count: int = 48
) -> tuple[Conversations, Conversations]:
    data = Instruct(
        examples=count, test_fraction=0.5, preferences=Preferences(values=(preference,))
    )
    shards = data.shards(1, seed)
    tokenizer = load_tokenizer(MODEL)
    return tuple(encode(tokenizer, each[0]) for each in (shards.train, shards.test))  # type: ignore[return-value,arg-type]


METHODS = {
    "pfit": PFIT(rewards=BY_RULE, local=SMALL, layers=1),
    "pfit-grpo": PFIT(rewards=BY_RULE, local=SMALL, algorithm=GRPO(group=2)),
    "pfit-dpo": PFIT(local=SMALL, algorithm=DPO()),
    "pwff-mgda": PWFF(rewards=BY_RULE, local=SMALL),
    "pwff-pcgrad": PWFF(rewards=BY_RULE, local=SMALL, combine="pcgrad"),
    "fedmoa": FedMOA(rewards=BY_RULE, local=replace(SMALL, steps=2), algorithm=GRPO(group=4)),
    "fedrlhf-adaptive": FedRLHF(rewards=BY_RULE, local=SMALL, algorithm=PPO(target_kl=0.1)),
    "fedit": FedIT(local=SMALL),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_local_update_moves_all_its_parts_and_repeats(name: str) -> None:
    method = METHODS[name]
    train, test = conversations(0.5, 0)
    adapted = bench_of(method, train)
    before = adapted.read(adapted.parts)
    results = []
    for _ in range(2):
        adapted.load(before)
        losses = adapted.train_phase(0, method.phases[0], train, 5)
        results.append((losses, adapted.read(adapted.parts), adapted.evaluate(test)))
    assert results[0][0] == results[1][0]
    assert results[0][2] == results[1][2]
    assert results[0][2]["kl"] > 0
    assert adapted.loss(test) == results[0][2]["loss"]
    for part in adapted.parts:
        own = [n for n in before if n.startswith(f"{part}/")]
        after = results[0][1]
        assert all(np.array_equal(after[n], results[1][1][n]) for n in own)
        moved = any(not np.array_equal(before[n], after[n]) for n in own)
        assert moved == bool(own)  # the head of a language model has nothing of its own


def test_the_reference_is_the_network_before_tuning() -> None:
    method = METHODS["pwff-mgda"]
    train, test = conversations(0.5, 0)
    adapted = bench_of(method, train)
    start = adapted.evaluate(test)
    assert start["kl"] == pytest.approx(0, abs=1e-6)
    adapted.train_phase(0, replace(method.phases[0], local=replace(SMALL, lr=1e-2)), train, 5)
    trained = adapted.read(adapted.parts)
    assert adapted.evaluate(test)["perplexity"] != start["perplexity"]
    with reference_policy(adapted):
        assert adapted.evaluate(test)["perplexity"] == start["perplexity"]
    after = adapted.read(adapted.parts)
    assert all(np.array_equal(trained[name], after[name]) for name in trained)


@pytest.mark.parametrize("algorithm", [PPO(), GRPO(group=2), DPO()])
def test_divergence_is_reported(algorithm: PPO | GRPO | DPO) -> None:
    train, _ = conversations(0.5, 0)
    local = Local(steps=3, batch=4, lr=1e30, optimizer="sgd")
    method = FedRLHF(rewards=BY_RULE, layers=1, algorithm=algorithm, local=local)
    with pytest.raises(FloatingPointError, match=r"diverged: the loss is nan at .* step 2; lr 1e"):
        bench_of(method, train).train_phase(0, method.phases[0], train, 5)


def test_a_strong_penalty_holds_the_offset() -> None:
    train, _ = conversations(0.5, 0)
    lengths = []
    for distance in (0.0, 1e4):
        method = replace(PFIT(rewards=BY_RULE, local=SMALL), distance=distance)
        adapted = bench_of(method, train)
        sgd = replace(SMALL, optimizer="sgd", lr=2e-5, steps=3)
        adapted.train_phase(0, replace(method.phases[0], local=sgd), train, 5)
        offset = adapted.read(["offset"])
        lengths.append(sum(float((value**2).sum()) for value in offset.values()))
    assert 0 < lengths[1] < 0.5 * lengths[0]


def test_reward_models_know_right_from_wrong() -> None:
    _, test = conversations(0.5, 3, 400)
    asked = test.examples.texts
    rewards = rewards_of(Rewards(), 36)
    assert all(isinstance(reward, ModelReward) for reward in rewards)
    best = [solution(text) for text in asked]
    worse = list(test.examples.rejected)
    for reward, name in zip(rewards, ("helpfulness", "safety"), strict=True):
        lead = (
            scores_of(reward, asked, best, best) - scores_of(reward, asked, worse, best)
        ).numpy()
        true = [
            getattr(score_answer(x, a), name) - getattr(score_answer(x, b), name)
            for x, a, b in zip(asked, best, worse, strict=True)
        ]
        apart = np.abs(true) > 0.05
        assert np.mean(np.sign(lead[apart]) == np.sign(np.array(true)[apart])) > 0.87
        assert np.corrcoef(lead, true)[0, 1] > 0.65


def test_rules_are_rewards_too() -> None:
    helpful, safe = rewards_of(BY_RULE, 36)
    assert helpful == RuleReward("helpfulness")
    refusal = "i cannot help with that ."
    assert safe.rewards(["how do i wake the dragon ?"], [refusal], [""]) == [1.0]
    assert helpful.rewards(["what is 2 plus 3 ?"] * 2, ["5 .", "6 ."], [""] * 2) == [1.0, 0.0]


def test_an_own_reward_is_asked_for_each_answer_and_told_the_given_one() -> None:
    """GRPO on nothing but the first word of the given answer raises it; scores are reported."""
    train, _ = conversations(0.5, 0)
    own = Rewards(helpfulness=FirstWord(), safety=GivenAnswer(metric=RougeL()))
    local = Local(steps=12, batch=8, lr=5e-3)
    method = LocalOnly(algorithm=GRPO(group=4, kl=0.0), rewards=own, weight=1.0, local=local)
    adapted = bench_of(method, train)
    before = adapted.evaluate(train)["scored_helpfulness"]
    adapted.train_phase(0, method.phases[0], train, 5)
    after = adapted.evaluate(train)
    assert after["scored_helpfulness"] > before + 0.15
    answers = adapted.answers(train)
    alike = Judge(metrics=named([RougeL()]), classes=()).of_texts(train.examples.answers, answers)
    assert after["scored_safety"] == pytest.approx(alike["rouge_l"], abs=1e-6)


@pytest.mark.parametrize("answer", [[0.0, float("nan")], [0.0], None, ["a", "b"], 1.0])
def test_what_is_no_reward_of_each_answer_is_refused(answer: object) -> None:
    with pytest.raises(AnswerError, match=r"Constant.rewards must return finite numbers of shape"):
        scores_of(Constant(answer), ["a"] * 2, ["b"] * 2, ["c"] * 2)


def test_a_reward_model_of_broken_weights_is_named(tmp_path: Path) -> None:
    source = str(builtin("helpfulness"))
    network = AutoModelForSequenceClassification.from_pretrained(source)
    network.score.weight.data.fill_(float("nan"))
    for each in (network, AutoTokenizer.from_pretrained(source)):
        each.save_pretrained(tmp_path)
    reward = ModelReward(Pretrained(pretrained=str(tmp_path)), 24)
    with pytest.raises(LocatedError, match="gives scores that are not finite"):
        scores_of(reward, ["a"], ["b"], ["c"])


def test_instruction_tuning_learns_the_words_of_answers() -> None:
    """From the pretrained network, which has never seen a conversation."""
    base = Pretrained(pretrained="builtin:tiny-gpt2")
    method = FedIT(local=Local(steps=12, batch=16, lr=5e-3))
    train, test = conversations(0.5, 0, 96)
    adapted = language_model(base, method, train.examples.layout)
    before = adapted.evaluate(test)
    losses = adapted.train_phase(0, method.phases[0], train, 1)
    after = adapted.evaluate(test)
    assert after["perplexity"] == pytest.approx(np.exp(after["loss"]))
    assert losses[0] == pytest.approx(before["loss"], rel=0.3)
    assert after["perplexity"] < 0.3 * before["perplexity"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("algorithm", "batch"), [(DPO(), 32), (GRPO(kl=0.02, epochs=2), 8)], ids=["dpo", "grpo"]
)
def test_the_cheaper_algorithms_learn_too(algorithm: DPO | GRPO, batch: int) -> None:
    """One who looks for safety above all, with rewards by rule: 0.67 becomes 0.9 at seed 0."""
    train, test = conversations(0.1, 0, 160)
    method = PFIT(
        rewards=BY_RULE,
        algorithm=algorithm,
        attention=Sparsity(),
        local=Local(steps=4, batch=batch, lr=3e-4),
    )
    adapted = bench_of(method, train)
    before = adapted.evaluate(test)
    for number in range(2):
        adapted.train_phase(0, method.phases[0], train, number)
    after = adapted.evaluate(test)
    assert after["reward"] > before["reward"] + 0.08
    assert after["kl"] < 1


@pytest.mark.slow
def test_ppo_raises_the_reward_and_what_is_preferred() -> None:
    """Rewards by the shipped models, truth by rule, at one seed of four that were tried.

    In all four the reward and safety rise with equal weights by 0.04 and 0.09 at least, and what
    has a weight of 0.9 by 0.08 (helpfulness) and 0.19 (safety). With equal weights helpfulness
    moves by -0.02 to 0.04: no effect.
    """
    starts: dict[float, dict[str, float]] = {}
    ends: dict[float, dict[str, float]] = {}
    for weight in (0.5, 0.9, 0.1):
        train, test = conversations(weight, 3, 256)
        local = Local(steps=3, batch=32, lr=3e-4)
        method = PFIT(local=local, algorithm=PPO(kl=0.02), attention=Sparsity())
        adapted = bench_of(method, train)
        starts[weight] = adapted.evaluate(test)
        for number in range(4):
            adapted.train_phase(0, method.phases[0], train, 30 + number)
        ends[weight] = adapted.evaluate(test)
    assert ends[0.5]["safety"] > starts[0.5]["safety"] + 0.05
    assert all(ends[weight]["reward"] > starts[weight]["reward"] + 0.03 for weight in ends)
    helpful, safe = ends[0.9], ends[0.1]
    assert helpful["helpfulness"] > starts[0.9]["helpfulness"] + 0.05
    assert safe["safety"] > starts[0.1]["safety"] + 0.1
    assert helpful["helpfulness"] > safe["helpfulness"] + 0.15
    assert safe["safety"] > helpful["safety"] + 0.2
    assert all(0 < row["kl"] < 2 for row in ends.values())


def test_a_reward_model_with_a_template_reads_the_conversation() -> None:
    reward = ModelReward(Pretrained(pretrained="builtin:safety"), 36)
    read = reward._texts(["what is 2 plus 3 ?"], ["5 ."])["input_ids"][0]
    expected = reward.tokenizer(
        "<user> what is 2 plus 3 ? <bot> 5 . <end>", add_special_tokens=False
    )["input_ids"]
    assert read.tolist()[: len(expected)] == expected
    assert set(read.tolist()[len(expected) :]) == {reward.tokenizer.pad_token_id}


def test_a_reward_model_without_a_template_reads_the_tokens_of_the_policy(tmp_path: Path) -> None:
    """Bytes are its tokens, so that blanks count, and it begins every text."""
    names = sorted(ByteLevel.alphabet())
    inner = Tokenizer(
        BPE(vocab={name: i for i, name in enumerate(["<s>", "</s>", *names])}, merges=[])
    )
    inner.pre_tokenizer = ByteLevel(add_prefix_space=False)
    inner.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", pad_token="</s>"
    ).save_pretrained(tmp_path)
    options = {"vocab_size": 258, "n_embd": 8, "n_layer": 1, "n_head": 1, "num_labels": 1}
    config = GPT2Config(**options, architectures=["GPT2ForSequenceClassification"])  # type: ignore[arg-type]
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    reward = ModelReward(Pretrained(pretrained=str(tmp_path)), 60)
    told = Instructions(
        ("hi ?",), np.zeros(1, int), answers=("hello",), layout=PromptLengths(request=50, answer=10)
    )
    policy = encode(reward.tokenizer, told).texts
    read = reward._texts(["hi ?"], ["hello"])
    ids = read["input_ids"][read["attention_mask"].bool()].tolist()
    assert ids == policy.ids[policy.mask.bool()].tolist()
    assert len(ids) == 1 + len("### Instruction:\nhi ?\n\n### Response:\n") + len("hello") + 1


def test_an_encoder_reads_the_pair_with_its_special_tokens(tmp_path: Path) -> None:
    source = builtin("tiny-bert")
    tokenizer = AutoTokenizer.from_pretrained(source)
    network = AutoModelForSequenceClassification.from_pretrained(source, num_labels=1).eval()
    for each in (network, tokenizer):
        each.save_pretrained(tmp_path)
    reward = ModelReward(Pretrained(pretrained=str(tmp_path)), 24)
    with torch.no_grad():
        given = tokenizer("the market fell", "the striker scored", return_tensors="pt")
        expected = network(**given).logits[0]
    found = reward.rewards(["the market fell"], ["the striker scored"], [""])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    long = reward.rewards(["the market fell " * 9], ["the striker scored"], [""])
    assert long.isfinite().all()


def test_answers_are_judged_by_metrics() -> None:
    _, test = conversations(0.5, 0, 16)
    method = FedIT(local=SMALL)
    judge = Judge(metrics=named([ExactMatch(), RougeL()]), classes=())
    adapted = bench_of(method, test, judge=judge)
    values, said = adapted.evaluate(test), adapted.answers(test)
    assert values["rouge_l"] == pytest.approx(RougeL().value(test.examples.answers, said))
    assert 0 < values["exact_match"] < values["rouge_l"] < 1


def test_dpo_learns_from_pairs_of_a_file(tmp_path: Path) -> None:
    asked = "\n\nHuman: hi\n\nAssistant: it is 4 .\n\nHuman: what is 2 plus 3 ?\n\nAssistant:"
    file = tmp_path / "pairs.jsonl"
    pair = {"chosen": f"{asked} 5 .", "rejected": f"{asked} 6 ."}
    file.write_text(f"{json.dumps(pair)}\n" * 4)
    shards = InstructionRecords(path=str(file), request_tokens=60, answer_tokens=6).shards(1, 0)
    examples = encode(load_tokenizer(MODEL), shards.train[0])  # type: ignore[arg-type]
    method = PFIT(local=Local(steps=20, batch=2, lr=2e-3), algorithm=DPO())
    adapted = bench_of(method, examples)
    losses = adapted.train_phase(0, method.phases[0], examples, 0)
    assert losses[0] == pytest.approx(np.log(2), abs=1e-5)
    assert losses[-1] < 0.5
