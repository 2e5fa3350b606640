"""Seconds and bytes of federated LoRA on real devices, as published, beside a network-only run.

Measured values are of EdgeFlowerTune (arXiv 2605.08636): Gemma-3-270M, LoRA of rank 8 on q, k, v
and o, float32, rounds of 10 steps. The runs need the shape of the network alone, no weights, and a
minute.

    .venv/bin/python benchmarks/real_devices/compare.py
"""

import tempfile
from pathlib import Path

import wfl_sim
from wfl_sim.cli.scripts import run_script, script_options
from wfl_sim.results import Run

FLEET = Path(__file__).with_name("fleet.yaml")
TABLE = Path(__file__).with_name("steps.csv")
NANO, PHONE = "jetson-nano", "phone-sd778g-cpu"
GPU = "{base: phone-mid-range, memory: 4 GB}"  # the step takes 3.2 GB, the catalogue assumes 3.0
SHORT = ["data.answer_tokens=126", "method.local.batch=1", "method.local.steps=1"]


def run(folder: Path, hardware: str, *settings: str) -> Run:
    """Simulate two devices of a kind."""
    group = f"devices=[{{count: 2, hardware: {hardware}, area: {{radius: 50 m}}}}]"
    return wfl_sim.run(FLEET, settings=[group, *settings], network_only=True, out=folder)[0]


def seconds(found: Run) -> float:
    """Mean seconds of a device's training in a round."""
    spans = found.spans.to_pandas()
    training = spans[spans.activity == "compute"]
    return float((training.end - training.start).mean())


def upload(found: Run) -> int:
    """Bytes of an upload."""
    spans = found.spans.to_pandas()
    return int(spans[spans.activity == "upload"].bits.max()) // 8


def main() -> None:
    """Run and print."""
    script_options(__doc__).parse_args()
    by_table = f"devices.0.compute.table={TABLE}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        nano, phone = run(folder, NANO), run(folder, PHONE)
        rows = [
            ("s a round, Nano, FLOPs", 124.6, seconds(nano)),
            ("s a round, phone, FLOPs", 1712.2, seconds(phone)),
            ("s a round, phone, FLOPs of a phone's GPU", 1712.2, seconds(run(folder, GPU))),
            ("s a round, Nano, table", 124.6, seconds(run(folder, NANO, by_table))),
            ("s a round, phone, table", 1712.2, seconds(run(folder, PHONE, by_table))),
            ("s a step of 1 x 128, phone, FLOPs", 229.5, seconds(run(folder, PHONE, *SHORT))),
            (
                "s a step of 1 x 128, phone, table",
                229.5,
                seconds(run(folder, PHONE, *SHORT, by_table)),
            ),
            ("B an upload, rank 8, Nano", 2_949_120, upload(nano)),
            ("B an upload, rank 8, phone", 2_960_640, upload(phone)),
        ]
        for rank, measured in ((4, 1_486_080), (16, 5_909_760)):
            ranked = run(folder, PHONE, f"method.lora.rank={rank}")
            rows.append((f"B an upload, rank {rank}, phone", measured, upload(ranked)))
    print(f"{'':42s}   measured  simulated  ratio")
    for what, measured, simulated in rows:
        print(f"{what:42s} {measured:10.6g} {simulated:10.6g} {simulated / measured:6.3f}")


if __name__ == "__main__":
    run_script(main)
