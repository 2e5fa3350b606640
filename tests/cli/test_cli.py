"""The command line: one line for what went wrong, nothing half done, nothing left behind."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fixtures.commands import wfl_sim
from tests.fixtures.scenario_files import GOOD
from wfl_sim.results import Run

ROOT = Path(__file__).parents[2]
FEDIT = "{kind: fedit, lora: {rank: 8}, local: {steps: 4, lr: 2e-3}}"
SWEEP = f"sweep: {{seeds: [1, 2], variants: {{pftt: {{}}, fedit: {{method: {FEDIT}}}}}}}\n"
LONG = ("--set", "rounds.count=100000", "--no-figures")
INTERRUPTED = "interrupted: the same command continues where it stopped\n"


def command(*arguments):
    return [sys.executable, "-m", "wfl_sim", *map(str, arguments)]


def refusal(files, *arguments):
    done = wfl_sim(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    return files.short(done.stderr)


def test_help_and_version():
    assert "Federated fine-tuning over a wireless network" in wfl_sim("--help").stdout
    assert wfl_sim("--version").stdout.startswith("wfl-sim 0.")


def test_the_module_of_commands_is_no_silent_program(files):
    file = files.write("name: x\n")
    call = [sys.executable, "-m", "wfl_sim", "validate", str(file)]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == 2
    assert "is required and missing" in done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["validate"]])
def test_help_and_validate_load_nothing_heavy(files, arguments):
    if arguments == ["validate"]:
        arguments = ["validate", str(ROOT / "scenarios/quickstart.yaml")]
    script = (
        "import sys\n"
        f"sys.argv = ['wfl-sim', *{arguments!r}]\n"
        "from wfl_sim.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = 'torch transformers peft matplotlib scipy networkx simpy pyarrow'.split()\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr.strip() == "[]"


def test_validate_says_each_remark_once(files):
    sweep = "sweep={variants: {one: {}, two: {rounds.count: 1}}}"
    file = files.write()
    for options in ((), ("--deep",)):
        said = wfl_sim("validate", *options, file, "--set", sweep, "--set", "devices.0.power=23")
        assert said.stderr.count("(write `23 dBm` if that is meant)") == 1


def test_validate_counts_runs_and_devices(files):
    assert wfl_sim("validate", files.write()).stdout.endswith("s.yaml: valid, 1 run of 3 devices\n")
    text = (
        GOOD + "sweep: {variants: {few: {}, one: {devices: [{count: 1, hardware: edge-server}]}}}"
    )
    file = files.write(text)
    done = wfl_sim("validate", file, "--set", "rounds.clients=1")
    assert done.stdout.endswith("s.yaml: valid, 2 runs of 1 to 3 devices\n")


def test_deep_validation_says_what_an_update_costs(files):
    file = files.write(GOOD + "sweep: {grid: {model.payload: [2 Mbit, 3 Mbit]}}")
    said = wfl_sim("validate", "--deep", file).stdout.splitlines()[0]
    assert said == "local update: steps 4, GFLOP 80, MB 0, Mbit up 2 to 3, Mbit down 2 to 3"


def test_deep_validation_says_what_steps_put_on_the_air(files):
    """Batch x tokens x width x 32 bits each way, and 64 more a text on the way up."""
    text = GOOD.split("method:")[0] + (
        "method: {kind: splitlora, local: {steps: 3, batch: 4}}\n"
        "rounds: {kind: synchronous, count: 1}\n"
        "devices: [{count: 2, hardware: jetson-orin-nano}]\n"
    )
    text = re.sub("model: .*", "model: {pretrained: builtin:tiny-bert}", text)
    file = files.write(text + "data: {kind: newswire, examples: 16, tokens: 24}\n")
    said = wfl_sim("validate", "--deep", file).stdout.splitlines()
    bits = 4 * 24 * 128 * 32
    start = f"Mbit up {(bits + 4 * 64) / 1e6:.3g}, Mbit down {bits / 1e6:.3g}, GFLOP at the server "
    assert said[3].startswith(f"each step over the air, at most: {start}"), said


def test_a_wrong_scenario_is_one_line_and_no_folder(files):
    file = files.changed("rank: 8", "rnak: 8")
    message = "error: s.yaml:7: method.lora.rnak: unknown key 'rnak', did you mean 'rank'?\n"
    assert refusal(files, "validate", file) == message
    assert refusal(files, "run", file, "--out", files.folder / "runs") == message
    assert not (files.folder / "runs").exists()


def test_the_scenario_itself_is_missing(files):
    file = files.folder / "none.yaml"
    assert refusal(files, "run", file) == "error: none.yaml: no such file\n"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            "{kind: csv, path: bad.csv}",
            "data: bad.csv:3: expected 2 columns (label, text), found 1",
        ),
        (
            "{kind: csv, path: good.csv, label: labels}",
            "data: good.csv:1: no column 'labels', did you mean 'label'? (columns: label, text)",
        ),
        (
            "{kind: csv, path: good.csv, partition: iid}",
            "data: device 2 would hold 0 examples, at least 2 are needed: use fewer devices or "
            "more examples",
        ),
    ],
)
def test_data_found_wrong_in_preparation(files, data, message):
    files.write("label,text\na,x\nb\n", "bad.csv")
    files.write("label,text\na,x\nb,y\n", "good.csv")
    (files.folder / "net").mkdir()
    model = "model: {kind: synthetic, payload: 2 Mbit, flops_per_step: 20 GFLOP}"
    file = files.changed(model, f"model: {{pretrained: ./net}}\ndata: {data}")
    said = refusal(files, "run", file, "--out", files.folder / "runs")
    assert said == f"error: s.yaml:4: {message}\n"
    assert not (files.folder / "runs").exists()


@pytest.mark.slow
def test_a_model_that_does_not_fit(files):
    config = {"model_type": "bert", "hidden_size": 16, "intermediate_size": 32, "vocab_size": 50}
    config |= {"num_attention_heads": 2, "num_hidden_layers": 1, "max_position_embeddings": 64}
    files.write(json.dumps(config), "net/config.json")
    model = "model: {kind: synthetic, payload: 2 Mbit, flops_per_step: 20 GFLOP}"
    file = files.changed(model, "model: {pretrained: ./net}\ndata: newswire")
    hardware = "devices.0.hardware={base: raspberry-pi-5, memory: 100 kB}"
    said = refusal(files, "validate", "--deep", file, "--set", hardware)
    assert said.startswith(
        f"error: --set {hardware}: devices.0.hardware: raspberry-pi-5 has 0.1 MB "
    )
    assert said.count("\n") == 1


def test_a_device_too_near_to_a_second_cell(files):
    pathloss = "{kind: log-distance, reference: 290 m}"
    second = f"  - {{carrier: 6 GHz, position: [150 m, 0], channel: {{pathloss: {pathloss}}}}}\n"
    file = files.write(GOOD.replace("devices:", f"{second}devices:"))
    said = refusal(files, "run", file, "--out", files.folder / "runs")
    assert said.startswith(
        "error: s.yaml:21: devices: distance must be at least 290 m for LogDistance, got "
    )


def test_a_distance_beyond_the_model_is_one_warning(files):
    text = GOOD.replace("radius: 300 m", "radius: 9 km, min_distance: 8 km")
    loud = ["--set", "devices.0.power=90 dBm", "--set", "cells.0.downlink.power=90 dBm"]
    loud += ["--set", "rounds.count=1"]
    file = files.write(text + "sweep: {seeds: [1, 2]}\n")
    done = wfl_sim("run", file, "--out", files.folder / "runs", "--no-figures", *loud)
    assert done.returncode == 0
    (warning,) = files.short(done.stderr).splitlines()
    assert warning.startswith("warning: s.yaml:20: devices: distance 8")
    assert warning.endswith(" m is beyond the 5000 m of UMa: extrapolated")


@pytest.mark.parametrize("out", ["s.yaml", "s.yaml/below"])
def test_a_file_where_the_output_folder_should_be(files, out):
    file = files.write()
    assert refusal(files, "run", file, "--out", files.folder / out) == (
        f"error: {out}: cannot be written: Not a directory\n"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unwritable for root")
def test_an_unwritable_output_folder(files):
    file = files.write()
    files.folder.chmod(0o500)
    assert refusal(files, "run", file, "--out", files.folder / "runs") == (
        "error: runs: cannot be written: Permission denied\n"
    )
    files.folder.chmod(0o700)


def test_a_plugin_needs_leave(files):
    files.write("from wfl_sim.radio.allocation import EqualShare\nclass Mine: pass\n", "mine.py")
    text = GOOD.replace("{allocator: proportional-fair}", "{allocator: ./mine.py:EqualShare}")
    file = files.write(text)
    assert refusal(files, "validate", file) == (
        "error: s.yaml:19: cells.0.uplink.allocator: './mine.py:EqualShare' would run a Python "
        "file: give --allow-plugins if you trust it\n"
    )
    assert wfl_sim("validate", file, "--allow-plugins").returncode == 0


def test_a_run_that_is_piped_says_one_line_a_run(files):
    out = files.folder / "runs"
    done = wfl_sim("run", files.write(GOOD + SWEEP), "--out", out, "--jobs", "2", "--no-figures")
    assert (done.returncode, done.stderr) == (0, "")
    lines = files.short(done.stdout).partition("\n\n")[0].splitlines()
    folders = sorted(line.split("  ")[0] for line in lines)
    assert folders == sorted(f"runs/{each.name}" for each in out.iterdir())
    assert len(folders) == 4
    assert all(line.endswith(", 0 tasks executed") for line in lines)
    Run.open(out / folders[0].removeprefix("runs/")).verify()


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("demands.nothing", "AttributeError: "),
        ("open('nowhere.csv')", "FileNotFoundError: [Errno 2] No such file"),
        ("json.loads('{')", "JSONDecodeError: Expecting property name"),  # SimPy cannot copy it
    ],
)
def test_a_mistake_in_a_plugin_keeps_its_traceback(files, mistake, said):
    files.write(
        "import json\n"
        "from dataclasses import dataclass\n"
        "@dataclass(frozen=True)\n"
        "class Mine:\n"
        "    def shares(self, demands):\n"
        f"        return {mistake}\n",
        "mine.py",
    )
    file = files.write(GOOD.replace("proportional-fair", "./mine.py:Mine"))
    for more in ((), ("--jobs", 2, "--seeds", "1,2")):
        options = ("--allow-plugins", "--out", files.folder / "runs", *more)
        done = wfl_sim("run", file, *options)
        assert done.returncode == 1
        assert 'mine.py", line 6, in shares' in done.stderr
        assert said in done.stderr.rstrip().splitlines()[-1]
    assert not list((files.folder / "runs").glob("[!.]*"))


def started(*arguments, until):
    """Start a command in a process group of its own, and wait for a sign of life."""
    process = subprocess.Popen(
        command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while process.poll() is None and not until(process.pid):
        time.sleep(0.05)
    return process


def group(leader):
    """Return the living processes of a group: process id to command line."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, its = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(its) == leader and state != "Z":
                found[int(folder.name)] = (folder / "cmdline").read_text()
        except OSError:
            continue
    return found


def workers(leader):
    """Return those that were spawned, or that a server has forked, which is the first of them."""
    lines = sorted(group(leader).items())
    forked = [pid for pid, line in lines if "forkserver" in line]
    return forked[1:] or [pid for pid, line in lines if "spawn_main" in line]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
class TestStopping:
    def single(self, files):
        """Start a run and wait until its first round: an import may end by the signal itself."""
        begun = files.folder / "begun"
        files.write(
            "from pathlib import Path\n"
            "from wfl_sim.rounds.selection import RandomSelection\n"
            "class Mine(RandomSelection):\n"
            "    '''Mine.'''\n"
            "    def select(self, devices, count, rng):\n"
            f"        Path({str(begun)!r}).touch()\n"
            "        return super().select(devices, count, rng)\n",
            "mine.py",
        )
        variant = "sweep: {variants: {only: {rounds: {select: ./mine.py:Mine}}}}\n"
        options = ("--out", files.folder / "runs", "--allow-plugins", *LONG)
        return started("run", files.write(GOOD + variant), *options, until=lambda _: begun.exists())

    def sweep(self, files):
        options = ("--out", files.folder / "runs", "--jobs", "2", *LONG)
        file = files.write(GOOD + SWEEP)
        process = started("run", file, *options, until=lambda pid: len(workers(pid)) == 2)
        time.sleep(0.5)  # they import, and their parent has noted them
        return process

    def ended(self, files, process, code, said):
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out, err) == (code, "", said)
        deadline = time.monotonic() + 60
        while group(process.pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not group(process.pid)
        assert not list(files.folder.glob("runs/*")) + list(files.folder.glob("runs/.*.new"))

    def test_ctrl_c_while_the_commands_are_imported(self, files):
        kill = "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(60)"
        files.write(kill, "typer.py")
        done = subprocess.run(
            command("validate", files.write()),
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(files.folder), str(ROOT)])},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout, done.stderr) == (130, "", INTERRUPTED)

    def test_ctrl_c_in_a_single_run(self, files):
        process = self.single(files)
        process.send_signal(signal.SIGINT)
        self.ended(files, process, 130, INTERRUPTED)

    def test_ctrl_c_in_a_sweep_which_then_runs_again(self, files):
        process = self.sweep(files)
        os.killpg(process.pid, signal.SIGINT)
        self.ended(files, process, 130, INTERRUPTED)
        file = files.write(GOOD + SWEEP)
        done = wfl_sim("run", file, "--out", files.folder / "runs", "--no-figures")
        assert done.returncode == 0
        assert len(list(files.folder.glob("runs/good-*"))) == 4

    def test_ctrl_c_for_the_parent_alone(self, files):
        process = self.sweep(files)
        process.send_signal(signal.SIGINT)
        self.ended(files, process, 130, INTERRUPTED)

    def test_a_killed_worker_costs_its_run_alone(self, files):
        """One run is killed in each of its processes, and ends the command after the others."""
        files.write(
            "import os, signal\n"
            "from wfl_sim.rounds.selection import RandomSelection\n"
            "class Mine(RandomSelection):\n"
            "    '''Mine.'''\n"
            "    def select(self, devices, count, rng):\n"
            "        os.kill(os.getpid(), signal.SIGKILL)\n",
            "mine.py",
        )
        variants = "{bad: {rounds: {select: ./mine.py:Mine}}, pftt: {}, fedit: {method: fedit}}"
        file = files.write(GOOD + f"sweep: {{variants: {variants}}}\n")
        out = files.folder / "runs"
        options = ("--jobs", 2, "--no-figures", "--allow-plugins")
        done = wfl_sim("run", file, "--out", out, *options)
        died = "died (signal 9, perhaps for want of memory): "
        assert done.returncode == 1
        assert f"{died}it is run again" in done.stderr
        last = done.stderr.splitlines()[-1]
        assert last.startswith("error: the process of good-bad-s3-")
        assert last.endswith(f"{died}the same command continues where it stopped")
        assert len(list(out.glob("good-*"))) == 2

    def test_a_killed_parent_takes_its_workers_along(self, files):
        process = self.sweep(files)
        process.kill()
        self.ended(files, process, -signal.SIGKILL, "")


def test_list_is_one_line_a_kind_when_piped():
    lines = wfl_sim("list").stdout.splitlines()
    assert any(line.split()[:2] == ["allocator", "equal"] for line in lines)
    assert all(len(line.split(maxsplit=2)) == 3 for line in lines)
    values = wfl_sim("list", "hardware").stdout
    assert re.search(r"raspberry-pi-5 +idle_power: 3 W \(high: Phoronix", values)
    methods = wfl_sim("list", "method").stdout.splitlines()
    assert {line.split()[0] for line in methods} == {"method"}
    assert {"pftt", "fedit", "local-only"} <= {line.split()[1] for line in methods}


def test_list_of_an_unknown_family():
    done = wfl_sim("list", "methods")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: unknown family 'methods', did you mean 'method'?\n"


def test_schema_is_json():
    assert json.loads(wfl_sim("schema").stdout)["title"] == "Scenario"


def test_plot_without_a_run(files):
    assert refusal(files, "plot", files.folder / "none") == "error: none: no such run folder\n"


def test_a_time_without_end_is_refused(files):
    done = wfl_sim("profile", files.write(), "--power", "1 W", "--seconds", "inf")
    assert done.returncode == 2
    assert "--seconds" in done.stderr


def test_signs_that_the_output_cannot_show_are_escaped(files):
    """A Windows pipe, or a terminal without a locale, has no UTF-8."""
    done = subprocess.run(
        command("run", files.write(), "--out", files.folder / "läufe", "--no-figures"),
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "/l\\xe4ufe/" in done.stdout


def test_a_reader_that_goes_away_is_no_error():
    process = subprocess.Popen(
        command("schema"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    assert process.stderr.read() == ""
    process.wait(timeout=120)
    process.stderr.close()
