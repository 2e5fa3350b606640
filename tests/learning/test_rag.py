"""Retrieval-augmented answers: bytes on the air, costs by hand, and nothing that is trained."""

from functools import cache

import numpy as np
import pytest

from tests.fixtures.runs import scenario
from wfl_sim.config.errors import LocatedError
from wfl_sim.data.retrieval import DocumentStore
from wfl_sim.execution.store import Store
from wfl_sim.learning.base_models.model_loading import causal_shape
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.causal.generation import Decoding, generate
from wfl_sim.learning.causal.prompts import dummy_prompts
from wfl_sim.learning.costs.counting import count_flops
from wfl_sim.learning.costs.live_memory import peak_memory
from wfl_sim.learning.training import batches
from wfl_sim.methods.objectives import Sparsity
from wfl_sim.methods.phases import Local
from wfl_sim.randomness import derived_seed, stream
from wfl_sim.simulation.simulation import Simulation

TEXT = """
name: answers
seed: 2
model: {pretrained: builtin:tiny-gpt2-instruct}
data: {kind: instruct, examples: 24, stock: 0.5, request_tokens: 48, decoding: greedy}
method: {kind: rag, documents: 2, requests: 6}
rounds: {kind: synchronous, count: 3}
evaluation: {every: 3, global_examples: 0}
cells:
  - {channel: {pathloss: macro}}
devices:
  - {count: 2, hardware: jetson-orin-nano, area: {radius: 200 m}}
"""
ROUNDS, DEVICES, REQUESTS = 3, 2, 6


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same with two documents, one, and none."""
    folder = tmp_path_factory.mktemp("rag")
    found = {}
    for count in (0, 1, 2):
        simulation = Simulation(scenario(folder, f"method.documents={count}", text=TEXT))
        found[count] = simulation, simulation.run(Store(folder / "store"))
    return found


def asked(simulation, device, number):
    """The requests of a device in a round, as its update draws them."""
    examples = simulation.shards.train[device]
    seed = derived_seed(2, "training", device, number)
    local = Local(steps=1, batch=REQUESTS)
    (rows,) = batches(examples, local, stream(seed, "batches", 0))
    return examples.subset(rows).texts


@pytest.mark.parametrize("count", [1, 2])
def test_bits_on_the_air_are_the_bytes_of_requests_and_documents(runs, count):
    simulation, outcome = runs[count]
    best = cache(DocumentStore(simulation.shards.documents).best)
    for device in range(DEVICES):
        for number in range(ROUNDS):
            texts = asked(simulation, device, number)
            up = sum(len(text.encode()) for text in texts)
            down = sum(len(page.encode()) for text in texts for page in best(text, count))
            sent = {
                span.activity: span.bits
                for span in outcome.spans
                if (span.actor, span.round) == (f"device-{device}", number)
            }
            assert (sent["upload"], sent["download"]) == (8 * up, 8 * down)
    bits = outcome.totals["bits"]
    ours = [span.bits for span in outcome.spans if span.activity == "upload"]
    assert bits["received_up"] == sum(ours) > 0


def test_without_documents_nothing_is_on_the_air(runs):
    bits = runs[0][1].totals["bits"]
    assert not any(bits.values())


def test_flops_are_those_of_writing_the_answers(runs):
    simulation, outcome = runs[1]
    model = causal_shape(Pretrained(pretrained="builtin:tiny-gpt2-instruct")).eval()
    prompts = dummy_prompts(REQUESTS, simulation.shards.pooled.layout)
    decoding = Decoding(sparsity=Sparsity(), temperature=1.0, end=0, pad=0)
    counted = count_flops(model, lambda: generate(model, prompts, decoding, [None])).total
    done = [span.flops for span in outcome.spans if span.activity == "compute"]
    own = [flops for flops in done if flops > 1e6]
    assert own == pytest.approx([counted] * (ROUNDS * DEVICES))
    weights = sum(each.nbytes for each in model.parameters())
    work = simulation.learner.workload(0)
    # No gradient and no moments: weights and masks, and what is alive while requests are read,
    # which is more than keys and values of all but the last token.
    cache = 2 * 4 * 96 * 4 * REQUESTS * (48 + 12 - 1)
    live = peak_memory(model, lambda: generate(model, prompts, decoding, [None]))
    assert work.memory == pytest.approx(weights + live, rel=0.02)
    assert live > cache
    assert (work.upload_bits, work.download_bits, work.batches) == (0, 0, ())


def test_a_drawn_exchange_is_within_its_bound(runs):
    simulation, _ = runs[2]
    most = simulation.learner.workload(0).exchange
    for seed in range(20):
        drawn = simulation.learner.drawn_workload(0, seed).exchange
        assert 0 < drawn.up_bits <= most.up_bits
        assert 0 < drawn.down_bits <= most.down_bits
        assert 0 < drawn.server_flops <= most.server_flops


def test_nothing_is_trained(runs):
    for _, outcome in runs.values():
        assert not any(outcome.states.values())
        values = {
            (m.metric, m.round): m.value for m in outcome.metrics if m.scope == "personal_mean"
        }
        for metric in ("accuracy", "loss", "kl"):
            assert values[metric, -1] == values[metric, ROUNDS - 1]
        assert values["kl", -1] == pytest.approx(0, abs=1e-6)


def test_a_document_before_a_request_about_the_stock_is_read(runs):
    """Half of the requests are about the stock, of which the network alone knows nothing."""
    accuracy = {
        count: np.mean([m.value for m in outcome.metrics if m.metric == "accuracy"])
        for count, (_, outcome) in runs.items()
    }
    assert accuracy[1] > accuracy[0] + 0.1


def test_what_cannot_be_retrieved_is_one_line(tmp_path):
    newswire = ("data={kind: newswire, examples: 24}", "model.pretrained=builtin:tiny-bert")
    with pytest.raises(LocatedError, match="needs texts of a language model"):
        Simulation(scenario(tmp_path, *newswire, text=TEXT))
    records = tmp_path / "records.jsonl"
    line = '{"instruction": "what is 1 plus 1 ?", "output": "2 ."}\n'
    records.write_text(line * 20)
    plain = f"data={{kind: instructions, path: {records}}}"
    with pytest.raises(LocatedError, match="no documents"):
        Simulation(scenario(tmp_path, plain, text=TEXT))
    pages = tmp_path / "pages.txt"
    pages.write_text("one plus one is two .\n\ntwo plus two is four .\n")
    given = f"data={{kind: instructions, path: {records}, documents: {pages}}}"
    found = Simulation(scenario(tmp_path, given, text=TEXT)).shards.documents
    assert found == ("one plus one is two .", "two plus two is four .")


def test_documents_that_leave_a_request_no_room_are_said(tmp_path):
    fits = Simulation(scenario(tmp_path, "method.documents=1", text=TEXT)).inspection
    assert fits.on_texts == ()
    cut = Simulation(scenario(tmp_path, "data.request_tokens=16", text=TEXT)).inspection
    assert cut.on_texts[0].endswith(
        "of the requests with their documents are longer than the 16 tokens of `request_tokens`: "
        "they lose their beginning"
    )
