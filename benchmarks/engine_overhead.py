"""Host time of everything but training, per client and round, beside a bare PEFT loop.

100 devices, all asked in every round, FedIT on builtin:tiny-bert. What is not training is the
network simulation, aggregation, and of a local update all but its loop of steps: states, codecs
and the store. Tokenising, which any loop must do once for each device, also stands on its own. The
bare loop does the same number of optimiser steps on batches of the same shape with transformers and
peft alone, in a process as Python makes it; a run of wfl_sim keeps freed memory. Compiled loops of
the radio, if numba is installed, are loaded before: a long run does that once. Run it with nothing
else on the machine:

    .venv/bin/python benchmarks/engine_overhead.py
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("WFL_SIM_COMPILED", "always")

import tempfile
import time
from collections import Counter
from pathlib import Path

from wfl_sim.cli.scripts import run_script, script_options
from wfl_sim.execution.store import Store
from wfl_sim.execution.worker_process import keep_freed_memory
from wfl_sim.scenario.loading import load
from wfl_sim.simulation.simulation import Simulation

DEVICES, ROUNDS, STEPS, BATCH = 100, 8, 2, 16

SCENARIO = f"""
name: engine-overhead
model: {{pretrained: builtin:tiny-bert}}
data: {{kind: newswire, examples: 40, partition: iid}}
method: {{kind: fedit, lora: {{rank: 8}}, local: {{steps: {STEPS}, batch: {BATCH}, lr: 2e-3}}}}
rounds: {{kind: synchronous, count: {ROUNDS}}}
execution: inline
evaluation: {{every: 1000, global_examples: 0, personal_examples: 4}}
cells: [{{channel: {{fading: {{kind: rayleigh, profile: tdl-c, delay_spread: 300 ns}}}}}}]
devices: [{{count: {DEVICES}, hardware: jetson-orin-nano, area: {{radius: 400 m}}, speed: 3 km/h}}]
"""


def simulated() -> tuple[float, Counter[str]]:
    """Return host seconds of the network and of the tasks by kind."""
    from wfl_sim.learning import adapted_model
    from wfl_sim.learning.learner_context import EncodedShards

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scenario.yaml"
        file.write_text(SCENARIO)
        scenario = load(file)[0].scenario
        Simulation(scenario, network_only=True).run()
        simulation = Simulation(scenario)
        spent: Counter[str] = Counter()
        last = [0.0]

        def note(task, done, needed):
            now = time.perf_counter()
            # The first task of all loads the model.
            spent["loading" if last[0] == 0 else type(task).__name__] += now - (last[0] or start)
            last[0] = now

        loop, examples = adapted_model.train, EncodedShards.encoded

        def tokenised(texts, use, *arguments):
            begun = time.perf_counter()
            encoded = examples(texts, use, *arguments)
            # What is tokenised to evaluate is no part of a local update.
            if use == "train":
                spent["tokens"] += time.perf_counter() - begun
            return encoded

        def timed(*arguments):
            begun = time.perf_counter()
            losses = loop(*arguments)
            spent["steps"] += time.perf_counter() - begun
            return losses

        adapted_model.train, EncodedShards.encoded = timed, tokenised
        start = time.perf_counter()
        outcome = simulation.run(Store(Path(folder) / "store"), note)
        adapted_model.train, EncodedShards.encoded = loop, examples
    return outcome.totals["host_seconds"]["network"], spent


def bare_loop(updates: int) -> float:
    """Return host seconds of as many local updates by transformers and peft alone."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForSequenceClassification

    from wfl_sim.learning.pretrained import builtin

    torch.set_num_threads(1)
    model = AutoModelForSequenceClassification.from_pretrained(
        builtin("tiny-bert"), num_labels=8, dtype=torch.float32
    )
    config = LoraConfig(r=8, lora_alpha=16, target_modules=["query", "value"], task_type="SEQ_CLS")
    model = get_peft_model(model, config).train()
    trained = [p for p in model.parameters() if p.requires_grad]
    tokens = torch.randint(5, 500, (BATCH, 32))
    batch = {
        "input_ids": tokens,
        "attention_mask": torch.ones_like(tokens),
        "labels": torch.randint(0, 8, (BATCH,)),
    }
    for p in range(-2, updates):
        if p == 0:
            start = time.perf_counter()
        optimizer = torch.optim.AdamW(trained, lr=2e-3, weight_decay=0.0)
        for _ in range(STEPS):
            optimizer.zero_grad()
            model(**batch).loss.backward()
            optimizer.step()
    return time.perf_counter() - start


def main() -> None:
    script_options(__doc__).parse_args()
    updates = DEVICES * ROUNDS
    bare = bare_loop(updates)
    keep_freed_memory()
    network, tasks = simulated()
    training = tasks["LocalUpdate"]
    rest = training - tasks["steps"] - tasks["tokens"]
    other = network + tasks["Aggregate"] + rest

    def row(name: str, seconds: float) -> None:
        print(f"{name:44}{1e3 * seconds / updates:10.3f}")

    print(f"{DEVICES} devices x {ROUNDS} rounds x {STEPS} steps of batch {BATCH}")
    print(f"{'host ms per client and round':44}{'':10}")
    row("bare PEFT loop", bare)
    row("steps of the local updates", tasks["steps"])
    row("tokenising, once for each device", tasks["tokens"])
    row("states, codecs and store", rest)
    row("network simulation", network)
    row("aggregation", tasks["Aggregate"])
    row("everything but training and tokenising", other)
    row("everything but training", other + tasks["tokens"])
    print(f"local updates / bare loop: {training / bare:.3f}")


if __name__ == "__main__":
    run_script(main)
