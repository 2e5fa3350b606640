"""Random scenarios that train: methods, local steps, codecs, server rules, privacy and rounds."""

from contextlib import suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from tests.fuzz.laws import check_line
from tests.fuzz.limits import within
from tests.fuzz.networks import Data
from tests.fuzz.texts import written
from wfl_sim.execution.store import Store
from wfl_sim.execution.task import Task
from wfl_sim.results.digests import digest_spans
from wfl_sim.scenario.loading import ScenarioError, load
from wfl_sim.simulation.run import prepare
from wfl_sim.simulation.simulation import SimulationResult

TRAINING = 120.0
"""Seconds of the host that all runs of a case may take."""
_CLASSIFIERS = (
    *("adapters-only", "ditto", "fdlora", "fedalt", "fedavg", "feddpa", "fedex-lora", "fedit"),
    *("fedpeft", "fedper", "fedprox", "fedsa-lora", "ffa-lora", "fine-tuned", "flexlora", "flora"),
    *("hetlora", "local-only", "pftt", "scaffold", "splitlora"),
)
_LANGUAGE = (
    *("ditto", "fedavg", "feddpa", "fedit", "fedmoa", "fedprox", "fedrlhf", "fedsa-lora"),
    *("ffa-lora", "flora", "hetlora", "local-only", "pfit", "pftt", "pwff", "rag", "splitlora"),
)
_REWARDED = ("fedmoa", "fedrlhf", "pfit", "pwff")
_AVERAGED = ("adapters-only", "fedavg", "fedit", "fedpeft", "fedprox", "ffa-lora", "pftt")
"""Methods for which server rules, privacy, and rounds over the air or of edge servers are."""
_WHOLE = ("fp32", "fp16", "bf16", "int8", "int4")
_EDGES = {
    "edge_servers": ["west", "east"],
    "links": [
        {"hub": "server", "ends": ["west", "east"], "capacity": "10 Mbit/s", "latency": "10 ms"},
        {"hub": "west", "ends": ["cell-0"], "capacity": "1 Gbit/s", "latency": "1 ms"},
        {"hub": "east", "ends": ["cell-1"], "capacity": "1 Gbit/s", "latency": "1 ms"},
    ],
}


def training(rng: Random) -> str:
    """Return the text of a scenario of two to four devices and two or three rounds."""
    speaks = rng.random() < 0.3
    kind = rng.choice(_LANGUAGE if speaks else _CLASSIFIERS)
    method: Data = {"kind": kind}
    if kind != "rag":
        method["local"] = _local(rng)
    if speaks and kind == "fedavg":
        method["learns"] = rng.choice(("answers", "text"))
    averaged = kind in _AVERAGED
    rounds = _rounds(rng, averaged)
    made: Data = {
        "name": "drawn",
        "seed": rng.randrange(1000),
        "model": {"pretrained": "builtin:tiny-gpt2-instruct" if speaks else "builtin:tiny-bert"},
        "data": _data(rng, speaks, kind),
        "method": method,
        "rounds": rounds,
        "evaluation": {
            "global_examples": rng.choice((0, 8)),
            "personal_examples": 4,
            "every": rng.choice((1, 2)),
        },
        "devices": [
            {
                "count": rng.choice((2, 3, 4)),
                "hardware": rng.choice(("jetson-orin-nano", "laptop-gpu")),
                "area": {"radius": "200 m"},
            }
        ],
    }
    if rounds["kind"] == "hierarchical":
        made |= {"cells": [{"position": [x, 0]} for x in (-300, 300)], "backhaul": _EDGES}
    if rng.random() < 0.4:
        made["payload"] = {"upload": _codec(rng), "download": rng.choice(_WHOLE)}
    if averaged and rng.random() < 0.5:
        made["server"] = _server(rng)
    if averaged and rng.random() < 0.3:
        made["privacy"] = {
            "clip": 1.0,
            "noise_multiplier": rng.choice((0, 0.5)),
            "noise": rng.choice(("distributed", "local")),
        }
        if rng.random() < 0.3:
            made["privacy"]["secure_aggregation"] = {}
    return written(made)


def _data(rng: Random, speaks: bool, method: str) -> Data:
    if not speaks:
        partition = rng.choice(("iid", {"kind": "dirichlet", "alpha": 5}))
        return {"kind": "newswire", "examples": rng.choice((8, 20)), "partition": partition}
    made: Data = {"kind": "instruct", "examples": rng.choice((8, 12))}
    if method in _REWARDED and rng.random() < 0.5:
        made["preferences"] = {"values": [0.9, 0.1]}
    return made


def _local(rng: Random) -> Data:
    made: Data = {"batch": rng.choice((2, 4)), "lr": rng.choice((1e-3, 1e-2))}
    made |= rng.choice(({"steps": 2}, {"steps": 1}, {"steps": 3}, {"epochs": 1}))
    for share, more in (
        (0.25, {"micro_batch": 1}),
        (0.25, {"clip_norm": 1.0}),
        (0.25, {"optimizer": "sgd", "momentum": 0.9}),
        (0.25, {"lr_scheduler_type": rng.choice(("linear", "cosine")), "warmup_steps": 1}),
        (0.2, {"round_scheduler_type": "cosine", "decay_rounds": 3}),
    ):
        if rng.random() < share:
            made |= more
    return made


def _rounds(rng: Random, averaged: bool) -> Data:
    of_averages = (
        {"kind": "over-the-air"},
        {"kind": "hierarchical", "cloud_every": 1},
        {"kind": "centralised"},
    )
    made: Data = rng.choice(
        (
            {"kind": "synchronous", "clients": rng.choice((0, 1, 2))},
            {"kind": "synchronous", "clients": rng.choice((0, 1, 2))},
            {"kind": "asynchronous", "buffer": rng.choice((1, 2)), "clients": 2},
            {"kind": "deadline", "deadline": "2 s", "late": rng.choice(("fold", "drop"))},
            {"kind": "over-selection", "clients": 2, "take": 1},
            {"kind": "tiers", "tiers": 2},
            *(of_averages if averaged else ()),
        )
    )
    made["count"] = rng.choice((2, 3))
    if made["kind"] in ("synchronous", "deadline") and rng.random() < 0.4:
        made["select"] = rng.choice(("oort", "round-robin", "energy-aware", "best-channel", "tifl"))
    return made


def _codec(rng: Random) -> Any:
    top = {"kind": "top-k", "share": 0.1, "error_feedback": rng.random() < 0.5}
    return rng.choice((*_WHOLE, top, {"kind": "random-mask", "share": 0.2}))


def _server(rng: Random) -> Data:
    made: Data = rng.choice(
        (
            {"optimizer": rng.choice(("momentum", "adam", "adagrad", "yogi"))},
            {"staleness": rng.choice(("delta", "mixing"))},
            {"weights": "equal"},
            {"robust": rng.choice(("median", {"kind": "trimmed-mean", "share": 0.3}, "krum"))},
        )
    )
    return made


def check_training(text: str, folder: Path) -> tuple[str, int]:
    """Run a scenario whole, with three stops on the way, once more, and in groups.

    Returns:
        "ended", or "refused" with one line; and the number of spans.
    """
    with within(TRAINING), TemporaryDirectory(dir=folder) as name:
        place = Path(name)
        try:
            whole = _run(text, "inline", place, "whole")
        except ScenarioError as error:
            check_line(str(error), place / "s.yaml")
            return "refused", 0
        tasks = whole.totals["tasks_executed"]
        stop = max(1, tasks // 4)
        for _ in range(3):
            with suppress(KeyboardInterrupt):
                _run(text, "inline", place, "parts", stop=stop)
        rest = _run(text, "inline", place, "parts")
        again = _run(text, "inline", place, "parts")
        together = _run(text, "grouped", place, "grouped")
    # All updates of a series in which it was stopped are kept.
    assert rest.totals["tasks_executed"] <= max(tasks - 3 * stop, 0)
    assert again.totals["tasks_executed"] == 0
    for other in (rest, again):
        assert list(map(repr, other.metrics)) == list(map(repr, whole.metrics))
    assert len(together.metrics) == len(whole.metrics)
    assert {digest_spans(each.spans) for each in (rest, again, together)} == {
        digest_spans(whole.spans)
    }
    return "ended", len(whole.spans)


def _run(text: str, execution: str, folder: Path, store: str, stop: int = -1) -> SimulationResult:
    """Run a scenario; after `stop` tasks it is interrupted."""
    file = folder / "s.yaml"
    file.write_text(text, encoding="utf-8")
    loaded = load(file, settings=[f"execution={execution}"])[0]
    simulation = prepare(loaded, lambda _: None)

    executed = 0

    def progress(task: Task, done: int, needed: int) -> None:
        nonlocal executed
        executed += 1
        if executed == stop:
            raise KeyboardInterrupt

    with Store(folder / store) as results:
        return simulation.run(results, progress)
