"""Groups against one by one: the same local updates and evaluations, one by one and together.

The first table is builtin:tiny-bert with LoRA, adapters and head (PFTT), 32 devices, at several
batch sizes; the second their evaluations on as many texts, a device counting as one step; then
builtin:tiny-gpt2-instruct that learns answers (PFTT, 16 devices) and aligns a LoRA and an adapter
(PWFF, rewards by rule, which cost no pass) by DPO, PPO and GRPO; the last a network of the shape
of RoBERTa-base with random weights and without dropout (16 devices, batch 8, LoRA of rank 8). Both
ways are timed alternately, and the best of the repetitions counts; CPU time is for machines that do
other things meanwhile.

    .venv/bin/python benchmarks/grouped.py [--threads 2] [--device cuda] [--only tiny]
"""

import argparse
import os
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from wfl_sim.cli.scripts import at_least, run_script, script_options

DEVICES, STEPS = 32, 4


def arguments() -> argparse.Namespace:
    parser = script_options(__doc__)
    parser.add_argument("--threads", type=at_least(1), default=os.cpu_count())
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--only", choices=("tiny", "answers", "roberta"))
    parser.add_argument("--repeat", type=at_least(1), default=5)
    parser.add_argument(
        "--layers", type=at_least(1), default=12, help="of the RoBERTa-shaped network"
    )
    parser.add_argument("--small", action="store_true", help="RoBERTa with 4 devices of 2 texts")
    return parser.parse_args()


def requests_of(adapted: Any, devices: int, phase: Any, tokens: int, vocabulary: int) -> list[Any]:
    """Return one request of each device, from its own values on its own texts."""
    import torch

    from wfl_sim.learning.phase_requests import PhaseRequest
    from wfl_sim.learning.tokenized import TokenizedTexts
    from wfl_sim.methods.local_update import Train

    requests = []
    for device in range(devices):
        adapted.reset(adapted.parts, device)
        rng = torch.Generator().manual_seed(device)
        size = 4 * phase.local.batch
        ids = torch.randint(5, vocabulary, (size, tokens), generator=rng)
        labels = torch.randint(0, adapted.model.config.num_labels, (size,), generator=rng)
        requests.append(
            PhaseRequest(
                device=device,
                number=0,
                train=Train(phase=phase, start=adapted.read(adapted.parts)),
                parts=tuple(adapted.parts.values()),
                examples=TokenizedTexts(ids, torch.ones_like(ids), labels).to(adapted.model.device),
                seed=device,
            )
        )
    return requests


def answers_of(options: argparse.Namespace) -> None:
    """Compare both ways of learning answers: given ones, pairs, and a network's own."""
    from wfl_sim.codecs import Float32
    from wfl_sim.data import Instruct
    from wfl_sim.learning.base_models.pretrained_model import Pretrained
    from wfl_sim.learning.learner import PeftLearner
    from wfl_sim.learning.phase_requests import PhaseRequest
    from wfl_sim.methods import PFTT, PWFF
    from wfl_sim.methods.local_update import Train
    from wfl_sim.methods.objectives import DPO, GRPO, PPO, RULES, Rewards
    from wfl_sim.methods.phases import Local

    devices = DEVICES // 2
    shards = Instruct(examples=16 * devices, test_fraction=0.2).shards(devices, 0)
    rules = Rewards(helpfulness=RULES, safety=RULES)
    local = Local(steps=STEPS)
    methods: dict[str, Any] = {
        "answers": PFTT(local=local),
        "DPO": PWFF(local=local, rewards=rules, combine="linear", algorithm=DPO()),
        "PPO": PWFF(local=local, rewards=rules, combine="linear", algorithm=PPO()),
        "PPO, mgda": PWFF(local=local, rewards=rules, algorithm=PPO()),
        "GRPO": PWFF(local=local, rewards=rules, combine="linear", algorithm=GRPO()),
    }
    for (name, each), batch in product(methods.items(), (1, 2, 4, 8)):
        if name.startswith("PPO") and batch == 1:
            continue  # two minibatches need two requests
        method = replace(each, local=replace(local, batch=batch))
        learner = PeftLearner(
            model=Pretrained(
                pretrained="builtin:tiny-gpt2-instruct", device=options.device, dtype=options.dtype
            ),
            method=method,
            shards=shards,
            tokens=shards.pooled.layout.tokens,  # type: ignore[attr-defined]
            codec_up=Float32(),
            codec_down=Float32(),
            threads=options.threads,
        )
        adapted, requests = learner.adapted_model(0), []
        for device, examples in enumerate(shards.train):
            adapted.reset(adapted.parts, device)
            texts = learner.examples.placed("train", device, examples.fingerprint())
            requests.append(
                PhaseRequest(
                    device=device,
                    number=0,
                    train=Train(phase=method.phases[0], start=adapted.read(adapted.parts)),
                    parts=tuple(adapted.parts.values()),
                    examples=texts,
                    seed=device,
                )
            )
        result = trained(adapted, requests, options.repeat, options.device)
        row(f"{name}, {devices} devices x {batch}", result, devices * STEPS)


def one_by_one(adapted: Any, requests: Sequence[Any]) -> list[Any]:
    trained = []
    for request in requests:
        adapted.load(request.train.start)
        losses = adapted.train_phase(0, request.train.phase, request.examples, request.seed)
        trained.append((adapted.read(adapted.parts), losses))
    return trained


def measured(work: Callable[[], Any], device: str) -> tuple[float, float, float]:
    """Return s of wall and of CPU time, and the byte that the accelerator held at most."""
    import torch

    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        torch.cuda.synchronize()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    held = torch.cuda.max_memory_allocated() if device == "cuda" else 0
    return time.perf_counter() - wall, time.process_time() - cpu, float(held)


def compared(ways: dict[str, Callable[[], Any]], repeat: int, device: str) -> dict[str, Any]:
    """Return the best wall and CPU time of both ways, peak memory, and what each comes to."""
    best: dict[str, Any] = {}
    ends = {name: work() for name, work in ways.items()}
    for _ in range(repeat):
        for name, work in ways.items():
            times = measured(work, device)
            best[name] = tuple(map(min, zip(best.get(name, times), times, strict=True)))
    return {**best, "ends": ends}


def trained(adapted: Any, requests: Sequence[Any], repeat: int, device: str) -> dict[str, Any]:
    """Compare both ways of training, and say how far values are apart."""
    import numpy as np

    from wfl_sim.learning.grouped.training import train_together

    ways = {
        "in turn": lambda: one_by_one(adapted, requests),
        "together": lambda: train_together(adapted, requests),
    }
    result = compared(ways, repeat, device)
    gaps = [
        np.abs(one[name] - other[name]).max()
        for (one, _), (other, _) in zip(*result["ends"].values(), strict=True)
        for name in one
    ]
    return {**result, "gap": float(max(gaps))}


def evaluated(adapted: Any, requests: Sequence[Any], repeat: int, device: str) -> dict[str, Any]:
    """Compare both ways of evaluating, and say how far losses are apart."""
    import torch

    from wfl_sim.learning.grouped.evaluation import EvaluationItem, evaluate_together

    items = [
        EvaluationItem(
            parts=request.parts,
            state=request.train.start,
            examples=request.examples.take(torch.arange(request.train.phase.local.batch)),
        )
        for request in requests
    ]

    def in_turn() -> list[dict[str, float]]:
        found = []
        for item in items:
            adapted.load(item.state)
            found.append(adapted.evaluate(item.examples))
        return found

    ways = {"in turn": in_turn, "together": lambda: evaluate_together(adapted, items)}
    result = compared(ways, repeat, device)
    one, other = result["ends"].values()
    gap = max(abs(a["loss"] - b["loss"]) for a, b in zip(one, other, strict=True))
    return {**result, "gap": gap}


def row(name: str, result: dict[str, Any], steps: int) -> None:
    alone, group = result["in turn"], result["together"]
    cells = ""
    for which in (0, 1):
        cells += f"{1e3 * alone[which] / steps:9.2f}{1e3 * group[which] / steps:10.2f}"
        cells += f"{alone[which] / group[which]:7.2f}"
    held = f"{alone[2] / 2**20:10.0f}{group[2] / 2**20:8.0f}" if alone[2] else ""
    print(f"{name:34}{cells}{result['gap']:10.1e}{held}", flush=True)


def main() -> None:
    options = arguments()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    import torch
    from transformers import AutoModelForSequenceClassification, RobertaConfig

    from wfl_sim.execution.worker_process import keep_freed_memory
    from wfl_sim.learning.adapted_model import AdaptedModel
    from wfl_sim.learning.base_models.model_loading import load_model
    from wfl_sim.learning.base_models.pretrained_model import Pretrained
    from wfl_sim.methods import PFTT, FedIT
    from wfl_sim.methods.phases import Local

    keep_freed_memory()  # as in a run
    dtype = torch.bfloat16 if options.dtype == "bf16" else torch.float32
    torch.set_num_threads(options.threads)
    where = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    print(f"{where}, {options.threads} threads, torch {torch.__version__}, {options.dtype}")
    print(f"{'ms per device and step':34}{'wall time':^26}{'CPU time':^26}{'largest':>10}")
    heads = f"{'in turn':>9}{'together':>10}{'ratio':>7}"
    held = "   MiB in turn, together" if options.device == "cuda" else ""
    print(f"{'':34}{heads}{heads}{'gap':>10}{held}")
    if options.only in (None, "answers"):
        answers_of(options)
    if options.only in (None, "tiny"):
        method = PFTT()
        network = load_model(Pretrained(pretrained="builtin:tiny-bert"), 8, 0)
        network = network.to(options.device, dtype)
        adapted = AdaptedModel(network, method.parts, options.threads)
        for title, ways, steps in (
            ("training", trained, DEVICES * STEPS),
            ("evaluation", evaluated, DEVICES),
        ):
            for batch in (1, 2, 4, 8, 16, 32):
                local = Local(steps=STEPS, batch=batch)
                phase = replace(method.phases[0], local=local)
                requests = requests_of(adapted, DEVICES, phase, 32, 500)
                result = ways(adapted, requests, options.repeat, options.device)
                row(f"{title}, {DEVICES} devices x {batch} texts", result, steps)
    if options.only in (None, "roberta"):
        devices, batch = (4, 2) if options.small else (16, 8)
        config = RobertaConfig(
            vocab_size=50265,
            max_position_embeddings=514,
            type_vocab_size=1,
            num_hidden_layers=options.layers,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            num_labels=8,
        )
        torch.manual_seed(0)
        network = AutoModelForSequenceClassification.from_config(
            config, attn_implementation="eager"
        )
        roberta = FedIT(local=Local(steps=2, batch=batch, lr=1e-3))
        network = network.requires_grad_(False).to(options.device, dtype)
        adapted = AdaptedModel(network, roberta.parts, options.threads)
        requests = requests_of(adapted, devices, roberta.phases[0], 128, config.vocab_size)
        result = trained(adapted, requests, options.repeat, options.device)
        row(f"RoBERTa-base, {devices} x {batch} x 128 tokens", result, 2 * devices)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"largest resident memory of the process: {peak:.0f} MiB")


if __name__ == "__main__":
    run_script(main)
