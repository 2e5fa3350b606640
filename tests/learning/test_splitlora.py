"""SplitLoRA: the same learning as FedIT, other airtime: what crosses the cut, and who computes."""

from functools import partial

import pytest
import torch

from tests.fixtures.runs import scenario
from tests.rounds.test_rounds_training import TRAINING
from wfl_sim.codecs import Float32
from wfl_sim.config.errors import LocatedError
from wfl_sim.data import Instruct
from wfl_sim.execution.store import Store
from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.base_models.model_loading import causal_shape, load_model, load_on_meta
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.costs.counting import count_step
from wfl_sim.learning.costs.split import blocks_of, count_split_step
from wfl_sim.learning.costs.workload import count_update_of
from wfl_sim.learning.learner_context import LearnerContext
from wfl_sim.learning.objectives import loss_of
from wfl_sim.learning.tokenized import TokenizedTexts, dummy_batch
from wfl_sim.methods import FedIT, SplitLoRA
from wfl_sim.methods.method import on_device
from wfl_sim.methods.phases import Local
from wfl_sim.simulation.simulation import Simulation

MODEL = Pretrained(pretrained="builtin:tiny-bert")
SPLIT = "method={kind: splitlora, lora: {rank: 2}, local: {steps: 2, batch: 8}}"


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    """One run with FedIT and one with SplitLoRA, everything else the same."""
    folder = tmp_path_factory.mktemp("ends")
    fedit = Simulation(scenario(folder, text=TRAINING)).run(Store(folder / "store"))
    split = Simulation(scenario(folder, SPLIT, text=TRAINING))
    return fedit, split, split.run(Store(folder / "store"))


def test_what_is_learned_is_what_fedit_learns_to_the_bit(ends):
    fedit, _, split = ends
    for name, array in fedit.states["shared"].items():
        assert (array == split.states["shared"][name]).all()
    assert fedit.states.keys() == split.states.keys()
    ours = [(m.metric, m.scope, m.round, m.value) for m in split.metrics]
    assert ours == [(m.metric, m.scope, m.round, m.value) for m in fedit.metrics]


def test_the_cut_gives_the_gradients_of_the_whole_network():
    """Forward below, forward and backward above, backward below, as two parties would do it."""
    method = SplitLoRA(local=Local(batch=4))
    network = load_model(MODEL, 4, 0)
    adapted = AdaptedModel(network, method.parts)
    adapted.reset(["lora", "head"], 5)
    torch.manual_seed(0)
    for name, parameter in adapted.parameters.items():
        if ".lora_B." in name:
            torch.nn.init.normal_(parameter, std=0.02)
    network.requires_grad_(False).eval()
    trained = dict(adapted.parameters)
    for parameter in trained.values():
        parameter.requires_grad_(True)
    ids = torch.randint(5, 100, (4, 12))
    batch = TokenizedTexts(ids, torch.ones_like(ids), torch.tensor([0, 1, 2, 3]))
    loss = loss_of(method.phases[0].objective)
    loss(network, batch).backward()
    whole = {name: p.grad.clone() for name, p in trained.items()}
    network.zero_grad()
    crossing = {}

    def cut(module, args, kwargs):
        hidden = args[0] if args else kwargs["hidden_states"]
        crossing["sent"], crossing["received"] = hidden, hidden.detach().requires_grad_()
        if args:
            return (crossing["received"], *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": crossing["received"]}

    blocks_of(network)[1].register_forward_pre_hook(cut, with_kwargs=True)
    loss(network, batch).backward()
    above = {n for n, p in trained.items() if p.grad is not None and p.grad.abs().sum() > 0}
    assert above
    assert not any(on_device(method, name) for name in above)
    crossing["sent"].backward(crossing["received"].grad)
    for name, parameter in trained.items():
        assert parameter.grad == pytest.approx(whole[name], abs=1e-7), name


def test_flops_and_memory_of_both_sides_make_up_the_whole():
    method = SplitLoRA()
    network = load_on_meta(MODEL, 4)
    adapted = AdaptedModel(network, method.parts)
    (phase,), trained = method.phases, adapted.trained(method.phases[0])
    batch = dummy_batch(phase.local.batch, 24, "meta")
    loss = partial(loss_of(phase.objective), network.train(), batch)
    step, crossing = count_split_step(network, trained, phase.local, loss, 2 * phase.local.batch, 1)
    whole = count_step(network, trained, phase, 24).flops.total
    assert step.flops.total + crossing.server_flops == whole
    forward = crossing.forward * step.flops.total
    assert 0 < forward < whole - forward
    config = network.config
    values = phase.local.batch * 24 * config.hidden_size
    assert crossing.down_bits == 32 * values
    assert crossing.up_bits == 32 * values + 64 * phase.local.batch
    # Forward through one block, by hand: four projections, LoRA on two, attention, feed-forward.
    width, inner, tokens, batch = (
        config.hidden_size,
        config.intermediate_size,
        24,
        phase.local.batch,
    )
    products = 4 * width * width + 2 * width * inner + 2 * tokens * width + 2 * 2 * 8 * width
    assert forward == pytest.approx(2 * batch * tokens * products, rel=1e-12)
    all_of_it = count_step(network, trained, phase, 24).footprint
    assert step.footprint.held < all_of_it.held
    assert step.footprint.trained < all_of_it.trained


def test_costs_of_a_language_model_on_both_sides_make_up_the_whole():
    method = SplitLoRA(local=Local(steps=3, batch=4))
    model = Pretrained(pretrained="builtin:tiny-gpt2-instruct")
    shards = Instruct(examples=8, request_tokens=20, answer_tokens=4).shards(1, seed=0)
    whole, split = (
        count_update_of(
            LearnerContext(
                model=model,
                method=each,
                shards=shards,
                tokens=24,
                codec_up=Float32(),
                codec_down=Float32(),
            ),
            method.parts,
        ).of(each.phases, 24)
        for each in (FedIT(local=method.local), method)
    )
    exchange = split.exchange
    both = split.update_flops + 3 * exchange.server_flops
    assert both == pytest.approx(whole.update_flops, rel=1e-12)
    config = causal_shape(model).config
    width, inner = config.n_embd, config.n_inner or 4 * config.n_embd
    assert exchange.down_bits == 32 * 4 * 24 * width
    # The server learns the four words of each answer, and where request and answer end.
    assert exchange.up_bits == exchange.down_bits + 32 * 4 * (4 + 2)
    # Forward through one block, by hand: projections, LoRA on the fused one, attention.
    products = 4 * width * width + 2 * width * inner + 2 * 24 * width + 8 * (width + 3 * width)
    forward = exchange.forward * split.update_flops / 3
    assert forward == pytest.approx(2 * 4 * 24 * products, rel=1e-12)
    assert split.memory < whole.memory


def test_a_split_language_model_learns_what_fedit_learns_to_the_bit(tmp_path):
    text = """
name: split-words
model: {pretrained: builtin:tiny-gpt2-instruct}
data: {kind: instruct, examples: 16}
method: {kind: fedit, lora: {rank: 2}, local: {steps: 2, batch: 4}}
rounds: {kind: synchronous, count: 1}
evaluation: {global_examples: 4, personal_examples: 2}
devices: [{count: 2, hardware: jetson-orin-nano, area: {radius: 100 m}}]
"""
    split = SPLIT.replace("batch: 8", "batch: 4")
    runs = [
        Simulation(scenario(tmp_path, *settings, text=text)).run(Store(tmp_path / "store"))
        for settings in ((), (split,))
    ]
    whole, cut = (run.states["shared"] for run in runs)
    assert whole.keys() == cut.keys()
    assert all((whole[name] == cut[name]).all() for name in whole)
    # Two steps of two devices, each way, beside the LoRA of the lower blocks.
    steps = [s for s in runs[1].spans if s.actor == "device-0" and s.activity == "upload"]
    assert len(steps) == 3


def test_every_step_goes_over_the_air(ends):
    _, simulation, outcome = ends
    workload = simulation.workloads[0]
    exchange = workload.exchange
    for device in ("device-0", "device-3"):
        done = [s for s in outcome.spans if (s.actor, s.round) == (device, 0)]
        order = [s.activity for s in done if s.activity not in ("wait", "idle")]
        step = ["compute", "upload", "download", "compute"]
        assert order in ([], ["download", *step, *step, "upload", "backhaul"])
        if order:
            up = [s.bits for s in done if s.activity == "upload"]
            down = [s.bits for s in done if s.activity == "download"]
            assert up == [exchange.up_bits] * 2 + [workload.upload_bits]
            assert down == [workload.download_bits] + [exchange.down_bits] * 2
            flops = sum(s.flops for s in done if s.activity == "compute")
            assert flops == pytest.approx(workload.update_flops, rel=1e-12)
    served = [s for s in outcome.spans if (s.actor, s.activity) == ("server", "compute")]
    assert len(served) == 2 * 3 * 2
    assert {s.flops for s in served} == {exchange.server_flops}
    bits = outcome.totals["bits"]
    assert bits["sent_up"] == bits["received_up"]
    assert bits["sent_down"] >= 12 * exchange.down_bits
    joules = sum(s.joules for s in outcome.spans)
    assert joules == pytest.approx(sum(outcome.totals["joules"].values()), rel=1e-9)


def test_only_the_lower_lora_is_uploaded(ends):
    fedit, simulation, outcome = ends
    names = {n for n in outcome.states["shared"] if on_device(simulation.scenario.method, n)}
    assert names
    assert all("layer.0." in name for name in names)
    values = sum(outcome.states["shared"][name].size for name in names)
    workload = simulation.workloads[0]
    assert workload.upload_values == values
    assert 32 * values <= workload.upload_bits < 32 * values + 20_000
    # The last upload of a round is smaller than FedIT's, all of them together are larger.
    assert outcome.totals["bits"]["sent_up"] > fedit.totals["bits"]["sent_up"]


def test_a_cut_above_all_blocks_is_refused(tmp_path):
    text = TRAINING.replace("kind: fedit", "kind: splitlora, device_blocks: 9")
    with pytest.raises(LocatedError, match="device_blocks must be less than the 2 blocks"):
        Simulation(scenario(tmp_path, text=text), network_only=True)
