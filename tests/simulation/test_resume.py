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

RUNS, BLOWS = 2, 3  # blows to each run at chosen entries; one more falls at a random time

# What an attempt imports and loads, its process has already: a run without training did it.
SERVER = """
import itertools, json, os, signal, sys, time, traceback
import torch, transformers, peft
import wfl_sim
import wfl_sim.learning.learner

replace, entries = os.replace, itertools.count(1)

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def die_at(entry, moment):
    def put(part, path):
        met = str(path).endswith(".safetensors") and next(entries) == entry
        if met and moment == "before":
            die()
        replace(part, path)
        if met:
            die()

    os.replace = put

wfl_sim.run(sys.argv[1], out=sys.argv[2], network_only=True)
for line in sys.stdin:
    file, out, entry, moment, seconds = json.loads(line)
    process = os.fork()
    if process == 0:
        die_at(entry, moment)
        try:
            wfl_sim.run(file, out=out)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    began = time.monotonic()
    while not (ended := os.waitpid(process, os.WNOHANG))[0]:
        if seconds is not None and time.monotonic() - began > seconds:
            os.kill(process, signal.SIGKILL)
            ended = os.waitpid(process, 0)
            break
        time.sleep(0.001)
    code = os.waitstatus_to_exitcode(ended[1])
    print(json.dumps([code, time.monotonic() - began]), flush=True)
"""


class Attempts:
    """Runs, each a process that can be killed."""

    def __init__(self, folder):
        file = folder / "warm.yaml"
        file.write_text(SCENARIO.format(rounds=ROUNDS["synchronous"]))
        self.server = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", SERVER, file, folder / "warm"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.kill()
        self.server.communicate()

    def run(self, file, out, *, entry=None, moment=None, seconds=None):
        """Return the exit code of a run, and how long it took in s.

        It is killed "before" or "after" it puts its so many-th entry into the store, or after so
        many s.
        """
        request = [str(file), str(out), entry, moment, seconds]
        print(json.dumps(request), file=self.server.stdin, flush=True)
        code, duration = json.loads(self.server.stdout.readline())
        return code, duration


@pytest.fixture(scope="module")
def attempts(tmp_path_factory):
    with Attempts(tmp_path_factory.mktemp("attempts")) as attempts:
        yield attempts


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
def test_a_run_killed_at_random_moments_ends_like_a_straight_one(tmp_path, attempts, rounds):
    file = tmp_path / "resume.yaml"
    file.write_text(SCENARIO.format(rounds=rounds))
    rng = random.Random(7)
    straight, out = tmp_path / "straight", tmp_path / "out"
    code, duration = attempts.run(file, straight)
    assert code == 0
    expected, tasks = digests(straight), stored(straight)
    for _ in range(RUNS):
        shutil.rmtree(out, ignore_errors=True)
        cut = rng.randrange(BLOWS)
        for blow in range(BLOWS):
            # In the nearer half of what is left, so that each blow meets another entry.
            done = stored(out)
            entry, moment = rng.randint(2, (tasks - done) // 2), rng.choice(["before", "after"])
            code, _ = attempts.run(file, out, entry=entry, moment=moment)
            assert code == -signal.SIGKILL
            if blow <= cut:  # later ones may put an entry again that the cut damaged
                assert stored(out) == done + entry - (moment == "before")
            if blow == cut:
                lose_power(out / ".store", rng)
        code, _ = attempts.run(file, out, seconds=rng.uniform(0, duration))
        assert code in (0, -signal.SIGKILL)
        assert attempts.run(file, out)[0] == 0
        assert digests(out) == expected
        assert not list((out / ".store" / "parts").iterdir())
