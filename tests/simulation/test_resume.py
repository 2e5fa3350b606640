"""A run that is killed at any moment and started again ends like one that was left in peace."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys

import pytest

import wfl_sim

SCENARIO = """
name: resume
seed: 5
model: {{pretrained: builtin:tiny-bert}}
data: {{kind: newswire, examples: 16, tokens: 16, partition: iid}}
method: {{kind: pftt, adapter: {{bottleneck: 2}}, lora: {{rank: 1}}, local: {{steps: 1, batch: 2}}}}
rounds: {rounds}
payload: {{upload: {{kind: int8, updates: true, error_feedback: true}}}}
evaluation: {{global_examples: 4, personal_examples: 2}}
cells: [{{bandwidth: 5 MHz, subcarrier_spacing: 15 kHz}}]
devices:
  - {{count: 4, hardware: jetson-orin-nano, area: {{radius: 300 m}}}}
"""

ROUNDS = {
    "synchronous": "{kind: synchronous, count: 3, clients: 3}",
    "buffered": "{kind: asynchronous, count: 4, clients: 3, buffer: 2}",
}

KILLS = 6  # of each kind of rounds

# Libraries are imported once; each attempt is a process of its own that has them already.
SERVER = """
import json, os, signal, sys, time, traceback
from pathlib import Path
import torch, transformers, peft, pyarrow.parquet
import wfl_sim
import wfl_sim.learning.learner, wfl_sim.learning.costs.workload
import wfl_sim.results, wfl_sim.simulation.run

pyarrow.table({"loads": ["pandas, where there is one"]})
file = sys.argv[1]
for line in sys.stdin:
    out, blow = json.loads(line)
    shelves = Path(out, ".store")
    process = os.fork()
    if process == 0:
        try:
            wfl_sim.run(file, out=out)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    began = time.monotonic()
    while not (ended := os.waitpid(process, os.WNOHANG))[0]:
        if blow is None or time.monotonic() - began < blow[0]:
            pass
        elif len(list(shelves.glob("??/*.safetensors"))) >= blow[1]:
            time.sleep(blow[2])
            os.kill(process, signal.SIGKILL)
            ended = os.waitpid(process, 0)
            break
        time.sleep(0.001)
    code = os.waitstatus_to_exitcode(ended[1])
    print(json.dumps([code, time.monotonic() - began]), flush=True)
"""


class Attempts:
    """Runs of one scenario, each a process that can be killed."""

    def __init__(self, file):
        self.server = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", SERVER, str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.kill()
        self.server.communicate()

    def run(self, out, blow=None):
        """Return the exit code of a run, and how long it took in s.

        The blow falls after so many s, when so many results are stored, and some s later.
        """
        print(json.dumps([str(out), blow]), file=self.server.stdin, flush=True)
        code, duration = json.loads(self.server.stdout.readline())
        return code, duration


def digests(out):
    (folder,) = out.glob("resume*")
    wfl_sim.Run.open(folder).verify()
    return json.loads((folder / "manifest.json").read_text())["digests"]


def stored(out):
    return len(list(out.glob(".store/??/*.safetensors")))


def lose_power(store, rng):
    """Do to the newest entries what a power cut can do to files that were just written."""
    newest = sorted(store.rglob("*.safetensors"), key=lambda path: path.stat().st_mtime_ns)[-3:]
    for path in newest:
        os.truncate(path, rng.randrange(path.stat().st_size))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="attempts are forked")
@pytest.mark.parametrize("rounds", ROUNDS.values(), ids=ROUNDS)
def test_a_run_killed_at_random_moments_ends_like_a_straight_one(tmp_path, rounds):
    file = tmp_path / "resume.yaml"
    file.write_text(SCENARIO.format(rounds=rounds))
    rng = random.Random(7)
    kills, blows, cuts, entries = 0, 0, 0, set()
    with Attempts(file) as attempts:
        code, _ = attempts.run(tmp_path / "warm")
        assert code == 0
        code, duration = attempts.run(tmp_path / "straight")
        assert code == 0
        expected = digests(tmp_path / "straight")
        assert digests(tmp_path / "warm") == expected
        out, tasks = tmp_path / "out", stored(tmp_path / "straight")
        # How many moments of the training the blows meet depends on the host: at least three.
        while kills < KILLS or len(entries) < 3 or not cuts:
            assert kills < 10 * KILLS
            # Anywhere in time, which is mostly preparation, or in the nearer half of what is left
            # of the training. Each run is left in peace after five blows, and the next ones meet
            # another.
            blow = (rng.uniform(0, duration), 0, 0.0)
            if rng.random() < 0.7:
                done = stored(out)
                blow = (0.0, rng.randint(done, (done + tasks) // 2), rng.uniform(0, 0.02))
            code, _ = attempts.run(out, blow if blows < 5 else None)
            if code == -signal.SIGKILL:
                kills += 1
                blows += 1
                entries.add(stored(out))
                if rng.random() < 0.5:
                    cuts += 1
                    lose_power(out / ".store", rng)
            else:
                assert code == 0
                assert digests(out) == expected
                shutil.rmtree(out)
                blows = 0
        assert attempts.run(out)[0] == 0
    assert digests(out) == expected
    assert not list((out / ".store" / "parts").iterdir())
