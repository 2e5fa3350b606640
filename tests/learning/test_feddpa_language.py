"""FedDPA on a language model: its LoRAs weigh differently from request to request."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from tests.fixtures.runs import scenario
from wfl_sim.config.errors import LocatedError
from wfl_sim.data import Instruct
from wfl_sim.execution.store import Store
from wfl_sim.learning.alignment.language_model import LanguageModel
from wfl_sim.learning.base_models.model_loading import load_causal, load_tokenizer
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.causal.prompts import encode
from wfl_sim.learning.compatibility import check_compatible
from wfl_sim.methods import PFIT, FedDPA
from wfl_sim.methods.parts import LoRA
from wfl_sim.simulation.simulation import Simulation

MODEL = Pretrained(pretrained="builtin:tiny-gpt2-instruct")
COUNT = 6


@pytest.fixture(scope="module")
def spoken():
    """The network with two LoRAs that both say something, and held-out requests."""
    method = FedDPA(lora=LoRA(rank=2))
    shard = replace(
        Instruct(examples=2 * COUNT, test_fraction=0.5).shards(1, 0).test[0], greedy=True
    )
    tokenizer = load_tokenizer(MODEL)
    parts = [part for part in method.parts if part.name != "head"]
    adapted = LanguageModel(
        load_causal(MODEL), parts, 1, tokenizer=tokenizer, phases=method.phases, layout=shard.layout
    )
    adapted.reset(adapted.parts, 0)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in adapted.parameters.items():
            if ".lora_B." in name:
                parameter.normal_(std=0.3)
    return adapted, encode(tokenizer, shard)


def test_each_request_is_answered_by_its_own_mixture(spoken):
    adapted, examples = spoken
    state = adapted.read(adapted.parts)
    own = np.linspace(0.0, 0.9, len(examples))
    mixed = {"own": own, "global": 1.0 - own}
    found, answers = adapted.evaluate(examples, mixed), adapted.answers(examples, mixed)
    losses, words, alone = [], [], []
    for row in range(len(examples)):
        # The same by factors B that are scaled beforehand, one request at a time.
        scale = {part: float(weights[row]) for part, weights in mixed.items()}
        adapted.load(
            {
                name: array * np.float32(scale[name.partition("/")[0]])
                if ".lora_B." in name
                else array
                for name, array in state.items()
            }
        )
        one = examples.take(slice(row, row + 1))
        losses.append(adapted.evaluate(one)["loss"])
        words.append(int(one.texts.answer_mask.sum()))
        alone += adapted.answers(one)
    adapted.load(state)
    assert found["loss"] == pytest.approx(np.average(losses, weights=words), rel=1e-4)
    assert answers == alone
    assert answers != adapted.answers(examples)


def test_a_request_is_described_by_the_mean_of_its_own_words(spoken):
    adapted, examples = spoken
    states = adapted.describe(examples)
    assert states.shape == (len(examples), adapted.model.config.n_embd)
    one = examples.take(slice(2, 3))
    kept = one.texts.request_mask[0].bool()
    ids = one.texts.request[0][kept][None]  # without padding and without the answer
    whole = load_causal(MODEL).eval()
    with torch.no_grad():
        hidden = whole(input_ids=ids, output_hidden_states=True).hidden_states[-1]
    assert states[2] == pytest.approx(hidden.mean(1)[0].numpy(), abs=1e-5)


def test_a_run_keeps_what_is_personal(tmp_path):
    text = """
name: mixed-words
model: {pretrained: builtin:tiny-gpt2-instruct}
data: {kind: instruct, examples: 16}
method: {kind: feddpa, lora: {rank: 2}, samples: 2, local: {steps: 1, batch: 4}}
rounds: {kind: synchronous, count: 1}
evaluation: {global_examples: 0, personal_examples: 2}
devices: [{count: 2, hardware: jetson-orin-nano, area: {radius: 100 m}}]
"""
    run = Simulation(scenario(tmp_path, text=text)).run(Store(tmp_path / "store"))
    own = [run.states[f"device-{number}"] for number in range(2)]
    assert all(any("own/" in name for name in state) for state in own)
    assert {m.metric for m in run.metrics} >= {"loss", "accuracy", "kl"}
    assert len(run.samples) == 4


@dataclass(frozen=True, kw_only=True)
class _Split(PFIT):
    device_blocks: int = 1


def test_alignment_of_a_split_network_is_one_line():
    shards = Instruct(examples=8).shards(2, 0)
    with pytest.raises(LocatedError, match="a split network has no alignment"):
        check_compatible(MODEL, _Split(), shards)
