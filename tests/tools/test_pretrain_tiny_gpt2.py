"""The script that made tiny-gpt2 and its reward models, for a few steps of each stage."""

from pathlib import Path

import torch

from tools.pretraining.chat_tokenizer import chat_tokenizer
from tools.pretraining.pretrain_tiny_gpt2 import (
    answer_quality,
    held_out_scores,
    pretrain,
    save,
    tune,
)
from tools.pretraining.reward_models import agreement, reward_model
from tools.pretraining.stages import Recipe, Stage
from wfl_sim.learning.alignment.rewards import ModelReward
from wfl_sim.learning.base_models.model_loading import load_causal
from wfl_sim.learning.base_models.pretrained_model import Pretrained

SHORT = Stage(steps=2, batch=4, lr=1e-3)
RECIPE = Recipe(width=16, layers=1, heads=2, pretraining=SHORT, tuning=SHORT, rewarding=SHORT)


def test_every_stage_repeats_and_is_saved_as_it_is(tmp_path: Path) -> None:
    tokenizer = chat_tokenizer()
    base, again = (pretrain(tokenizer, RECIPE) for _ in range(2))
    for name, value in base.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    tuned = tune(base, tokenizer, RECIPE)
    assert not torch.equal(tuned.lm_head.weight, base.lm_head.weight)
    rewards = reward_model(base, tokenizer, "safety", RECIPE)
    save(tuned, tokenizer, RECIPE, answer_quality(tuned, tokenizer, 20), tmp_path / "tuned")
    save(rewards, tokenizer, RECIPE, agreement(rewards, tokenizer, "safety"), tmp_path / "safety")
    assert set(held_out_scores(base, tokenizer)) == {"told_nats", "exact"}
    loaded = load_causal(Pretrained(pretrained=str(tmp_path / "tuned")))
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, tuned.state_dict()[name])
    reward = ModelReward(Pretrained(pretrained=str(tmp_path / "safety")), 36)
    assert reward.rewards(["what is 1 plus 1 ?"], ["2 ."], [""]).shape == (1,)
