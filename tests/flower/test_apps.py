"""Flower apps, unchanged, on the simulated clock.

flwr needs other versions of libraries than wfl_sim's own environment has: `make flower` sets up one
and runs these tests. Elsewhere they are skipped.
"""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("flwr", reason="flwr is not installed here: `make flower` runs these tests")

import torch
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.common.serde import recorddict_to_proto
from flwr.serverapp import ServerApp

from wfl_sim.config.errors import ScenarioError
from wfl_sim.device_models import HardwareReference
from wfl_sim.flower import run_app
from wfl_sim.results import Run
from wfl_sim.results.overview import mixtures
from wfl_sim.results.totals import upload_counts

pytestmark = pytest.mark.filterwarnings("default")

EXAMPLE = Path(__file__).parents[2] / "examples" / "flower"
CELL = EXAMPLE / "cell.yaml"
PARAMETERS = 80 + 1168 + 580  # of two convolutions (1 to 8 to 16 channels) and a linear layer
FAST = {"num-server-rounds": 2, "fraction-evaluate": 0.5}


def values(run, metric, scope):
    return run.series(metric, scope).value.tolist()


def spans(run, activity):
    return [row for row in run.spans.to_pylist() if row["activity"] == activity]


@pytest.fixture(scope="module")
def fedavg(tmp_path_factory):
    """The example under FedAvg, by the bits of its arrays alone."""
    return run_app(
        EXAMPLE, CELL, out=tmp_path_factory.mktemp("fedavg"), config=FAST, payload="arrays"
    )


def test_fedavg_leaves_a_run_folder(fedavg):
    fedavg.verify()
    assert fedavg.manifest["flower"]["app"] == "flower"
    assert fedavg.manifest["flower"]["config"]["num-server-rounds"] == 2
    assert fedavg.manifest["versions"]["flwr"].startswith("1.42")
    series = fedavg.series("accuracy", "global")
    assert series.round.tolist() == [-1, 0, 1]
    assert (np.diff(series.time) > 0).all()
    assert fedavg.series("eval_accuracy", "personal_mean").round.tolist() == [0, 1]
    assert sum(array.size for array in fedavg.states()["shared"].values()) == PARAMETERS
    assert fedavg.rounds == 2
    assert fedavg.manifest["rounds"] == {"aggregations": 2, "empty": 0}


def test_bits_are_those_of_the_messages(fedavg):
    """Five nodes send arrays twice; each push of one content is one broadcast in the cell."""
    one = 32 * PARAMETERS
    bits = fedavg.manifest["bits"]
    assert bits["sent_up"] == bits["received_up"] == 2 * 5 * one
    assert bits["sent_down"] == (2 + 2) * one  # training and evaluation, in two rounds
    assert bits["received_down"] == 2 * (5 + 2) * one  # half of the nodes evaluate
    assert {span["bits"] for span in spans(fedavg, "upload")} == {one}


def test_the_same_again_is_the_same_and_another_network_learns_the_same(fedavg, tmp_path):
    options = {"config": FAST, "payload": "arrays"}
    again = run_app(EXAMPLE, CELL, out=tmp_path / "again", **options)
    assert again.manifest["digests"] == fedavg.manifest["digests"]
    narrow = run_app(
        EXAMPLE, CELL, out=tmp_path / "narrow", settings=("cells.0.bandwidth=10 MHz",), **options
    )
    assert narrow.manifest["digests"]["states"] == fedavg.manifest["digests"]["states"]
    assert narrow.seconds < fedavg.seconds


def test_answers_to_an_evaluation_are_not_late(tmp_path):
    """They arrive after the aggregation of their round."""
    run = run_app(EXAMPLE, CELL, out=tmp_path, config=FAST)
    assert upload_counts(run) == {"uploads": 14, "late": 0, "dropped": 0, "lost": 0}


def test_fedprox_trains_something_else_under_another_label(fedavg, tmp_path):
    run = run_app(
        EXAMPLE, CELL, out=tmp_path, config={**FAST, "strategy": "fedprox"}, payload="arrays"
    )
    words = "fraction-evaluate=0.5 num-server-rounds=2"
    assert fedavg.label == f"stripes-flower {words}"
    assert run.label == f"stripes-flower {words} strategy=fedprox"
    assert run.manifest["digests"]["states"] != fedavg.manifest["digests"]["states"]
    assert len(values(run, "accuracy", "global")) == 3


def test_a_deadline_is_in_simulated_seconds(fedavg, tmp_path):
    """`timeout` closes each round; late uploads go on, and their nodes answer later."""
    config = {**FAST, "timeout": 0.02, "fraction-evaluate": 0.0}
    run = run_app(EXAMPLE, CELL, out=tmp_path, config=config, payload="arrays")
    series = run.series("accuracy", "global")
    first, second = spans(run, "aggregate")
    work, closed = first["end"] - first["start"], (first["start"], second["start"])
    assert [first["start"], second["start"]] == pytest.approx([0.02, 0.04 + work], rel=1e-9)
    assert series.time.tolist() == pytest.approx([0.0, first["end"], second["end"]], rel=1e-9)
    full = [span for span in spans(fedavg, "upload") if span["round"] == 0]
    late = [span for span in full if span["end"] > 0.02]
    assert upload_counts(run)["late"] == sum(
        row["outcome"] == "done" and row["end"] > closed[row["round"]]
        for row in spans(run, "backhaul")
    )
    first = [row for row in spans(run, "upload") if row["round"] == 0 and row["end"] <= 0.02]
    assert late
    assert len(first) == len(full) - len(late) > 0


def test_an_asynchronous_server_is_served_as_fast_as_devices_are(tmp_path):
    """Push and pull: where computing takes the most time, quick devices answer more often."""
    run = run_app(
        EXAMPLE,
        CELL,
        out=tmp_path,
        config={"strategy": "async", "num-server-rounds": 4},
        flops={"train": 1e10},
    )
    sent = [span["actor"] for span in spans(run, "upload") if span["outcome"] == "done"]
    assert len(sent) >= 20
    quick = sum(actor in ("device-3", "device-4") for actor in sent)
    assert quick / 2 > 2 * (len(sent) - quick) / 3
    losses = run.metric_arrays
    assert (np.diff(losses["time"][losses["metric"] == "train_loss"]) >= 0).all()


ONE = {
    "name": "one",
    "devices": [{"count": 1, "hardware": "jetson-orin-nano", "area": {"radius": "50 m"}}],
}


def apps(client, server):
    """A ServerApp and a ClientApp of two functions."""
    one, other = ServerApp(), ClientApp()
    one.main()(server)
    other.train()(client)
    return one, other


def asked(content=None, nodes=(1,), **options):
    return [Message(content or RecordDict(), node, "train", **options) for node in nodes]


def multiply(message, context):
    """A product of 64 x 32 and 32 x 16: 2 x 64 x 32 x 16 FLOP."""
    torch.ones(64, 32) @ torch.ones(32, 16)
    context.state["seen"] = MetricRecord(
        {"count": context.state.get("seen", {"count": 0})["count"] + 1}
    )
    number = MetricRecord({"seen": context.state["seen"]["count"]})
    arrays = ArrayRecord([np.ones(5000, np.float32)])
    return Message(RecordDict({"number": number, "arrays": arrays}), reply_to=message)


def test_compute_seconds_come_from_counted_flops_and_the_message_has_its_serialised_bits(tmp_path):
    replies = []

    def server(grid, context):
        replies.extend(grid.send_and_receive(asked()))

    run = run_app(apps(multiply, server), ONE, out=tmp_path)
    (compute,), (upload,) = spans(run, "compute"), spans(run, "upload")
    assert compute["flops"] == 2 * 64 * 32 * 16
    board = HardwareReference().resolve("jetson-orin-nano")
    expected = compute["flops"] / (board.peak * board.utilisation) + board.step_overhead
    assert compute["end"] - compute["start"] == pytest.approx(expected)
    serialised = recorddict_to_proto(replies[0].content).SerializeToString()
    assert upload["bits"] == 8 * len(serialised) > 8 * 20_000
    assert replies[0].metadata.created_at == pytest.approx(upload["end"], abs=0.1)


def test_a_profile_by_type_of_message_replaces_what_is_counted(tmp_path):
    def server(grid, context):
        grid.send_and_receive(asked())

    given, said = {"train": 7e9, "trian": 1.0}, []
    run = run_app(apps(multiply, server), ONE, out=tmp_path, flops=given, warn=said.append)
    assert spans(run, "compute")[0]["flops"] == 7e9
    assert len(said) == 1
    assert said[0].endswith("no message was of type `trian`, which --flops names")


def test_what_torch_does_not_count_is_said(tmp_path):
    said = []

    def client(message, context):
        return Message(RecordDict(), reply_to=message)

    def server(grid, context):
        grid.send_and_receive(asked())

    run_app(apps(client, server), ONE, out=tmp_path, warn=said.append)
    assert len(said) == 1
    assert said[0].endswith("torch counts no FLOPs of `train`, so it takes no time: give --flops")


def test_messages_to_a_busy_node_wait_and_its_state_outlives_them(tmp_path):
    seen = []

    def server(grid, context):
        ids = [name for _ in range(3) for name in grid.push_messages(asked())]
        while len(seen) < 3:
            seen.extend(
                (grid.now, reply.content["number"]["seen"]) for reply in grid.pull_messages(ids)
            )

    run = run_app(apps(multiply, server), ONE, out=tmp_path, flops={"train": 1e12})
    times, counts = zip(*seen, strict=True)
    assert counts == (1, 2, 3)
    assert (np.diff(times) > 0.5).all()
    assert len(spans(run, "compute")) == 3


def test_a_pull_without_a_reply_waits_for_the_poll_interval(tmp_path):
    times = []

    def server(grid, context):
        ids = list(grid.push_messages(asked()))
        while not list(grid.pull_messages(ids)):
            times.append(grid.now)

    run_app(apps(multiply, server), ONE, out=tmp_path, flops={"train": 5e12}, poll=0.5)
    assert len(times) > 2
    assert np.diff([0.0, *times]) == pytest.approx(0.5)


LEAVING = "device,start (s),end (s)\n0,0,0.5\n0,9,20\n"


def test_a_node_that_leaves_is_lost_and_one_that_returns_is_waited_for(tmp_path):
    """It leaves at 0.5 s while it works; the message expires after 5 s; it is back at 9 s."""
    (tmp_path / "a.csv").write_text(LEAVING)
    device = {
        **ONE["devices"][0],
        "availability": {"kind": "trace", "path": str(tmp_path / "a.csv")},
    }
    heard = []

    def server(grid, context):
        heard.extend(grid.send_and_receive(asked(ttl=5.0)))
        heard.append(grid.now)
        while not grid.get_node_ids():
            pass
        heard.append(grid.now)
        heard.extend(grid.send_and_receive(asked()))

    said = []
    run = run_app(
        apps(multiply, server),
        {**ONE, "devices": [device]},
        out=tmp_path,
        flops={"train": 1e12},
        warn=said.append,
    )
    error, expired, back, reply = heard
    assert error.has_error()
    assert (expired, back) == (5.0, 9.0)
    assert reply.content["number"]["seen"] == 1  # the state of abandoned work is put back
    assert run.manifest["flower"]["lost"] == 1
    assert said == [f"{run.folder.name}: messages whose device or reply was lost: 1"]


def test_a_node_that_is_away_at_the_beginning_is_waited_for(tmp_path):
    (tmp_path / "a.csv").write_text("device,start (s),end (s)\n0,3,20\n")
    away = {"kind": "trace", "path": str(tmp_path / "a.csv")}
    heard = []

    def server(grid, context):
        heard.append(list(grid.get_node_ids()))
        (reply,) = grid.send_and_receive(asked())
        heard.append(reply.metadata.created_at)

    device = {**ONE["devices"][0], "availability": away}
    run_app(
        apps(multiply, server), {**ONE, "devices": [device]}, out=tmp_path, flops={"train": 1e9}
    )
    assert heard[0] == []
    assert heard[1] > 3


def test_an_app_that_waits_for_nodes_that_never_come_is_told(tmp_path):
    def server(grid, context):
        while len(list(grid.get_node_ids())) < 2:
            pass

    with pytest.raises(RuntimeError, match="waits for more than the 1 nodes that are there"):
        run_app(apps(multiply, server), ONE, out=tmp_path)


def test_a_client_that_fails_answers_with_an_error_as_in_flower(tmp_path):
    heard, said = [], []

    def client(message, context):
        raise ValueError("no such column")

    def server(grid, context):
        heard.extend(grid.send_and_receive(asked()))

    run = run_app(apps(client, server), ONE, out=tmp_path, warn=said.append)
    assert heard[0].error.reason == "ValueError: no such column"
    assert run.manifest["flower"]["failed"] == 1
    assert "the ClientApp failed on 1 messages" in said[0]


def test_rounds_are_those_that_messages_name(tmp_path):
    def server(grid, context):
        grid.send_and_receive(asked(group_id="3"))
        config = ConfigRecord({"server-round": 6})
        grid.send_and_receive(asked(RecordDict({"config": config})))

    run = run_app(apps(multiply, server), ONE, out=tmp_path)
    assert [span["round"] for span in spans(run, "upload")] == [3, 5]


def test_other_options_of_an_app_have_another_folder(tmp_path):
    def server(grid, context):
        pass

    def folder(**options):
        return run_app(apps(multiply, server), ONE, out=tmp_path, **options).folder

    options = [{}, {"config": {"lr": 1}}, {"flops": {"train": 1.0}}, {"payload": "arrays"}]
    assert len({folder(**each) for each in options}) == 4
    assert folder() == folder()
    seeds = [folder(settings=("label=x", f"seed={n}"), config={"lr": n}) for n in (1, 2)]
    (mixed,) = mixtures([Run.open(each) for each in seeds])
    assert mixed.endswith("which differ in flower.config.lr")
    (tmp_path / "file").touch()
    with pytest.raises(ScenarioError, match="file: cannot be written"):
        run_app(apps(multiply, server), ONE, out=tmp_path / "file")


def test_an_app_that_has_changed_replaces_its_run_and_says_so(tmp_path):
    def server(grid, context):
        grid.send_and_receive(asked())

    def idle(message, context):
        return Message(RecordDict(), reply_to=message)

    said = []
    for client in (multiply, multiply, idle):
        run = run_app(
            apps(client, server), ONE, out=tmp_path, flops={"train": 1e9}, warn=said.append
        )
    told = "replaces a run of this app with other results; another label keeps both"
    assert said == [f"{run.folder.name}: {told}"]


def test_keys_that_the_app_decides_are_said_and_mistakes_are_one_line(tmp_path):
    said = []

    def server(grid, context):
        pass

    run_app(apps(multiply, server), {**ONE, "method": "pftt"}, out=tmp_path, warn=said.append)
    assert said == ["method: has no effect: the Flower app decides it"]
    said.clear()
    run_app(apps(multiply, server), {**ONE, "load_memory": "3 s"}, out=tmp_path, warn=said.append)
    assert said == ["load_memory: has no effect without `interference: load-average`"]
    said.clear()
    chosen = {"server": {"optimizer": "momentum"}}
    run_app(apps(multiply, server), {**ONE, **chosen}, out=tmp_path, warn=said.append)
    assert said == ["server.optimizer: has no effect: the Flower app decides it"]
    own = {**ONE, "execution": "processes", "stall": "9 s"}
    said.clear()
    run_app(apps(multiply, lambda grid, context: None), own, out=tmp_path, warn=said.append)
    assert [line.partition(":")[0] for line in said[:2]] == ["execution", "stall"]
    with pytest.raises(ScenarioError, match=r"^devices: "):
        run_app(apps(multiply, server), {"name": "none"}, out=tmp_path)
    with pytest.raises(ScenarioError, match=r"pyproject\.toml: no such file: is it the folder of"):
        run_app(tmp_path, ONE, out=tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    with pytest.raises(ScenarioError, match=r"\[tool\.flwr\.app\.components\]: is missing"):
        run_app(tmp_path, ONE, out=tmp_path)


def test_the_scenario_of_the_page_runs(tmp_path):
    page = (EXAMPLE.parents[1] / "docs" / "flower.md").read_text()
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "cell.yaml").write_text(text)
    config = {"num-server-rounds": 1, "fraction-evaluate": 0.0}
    run = run_app(EXAMPLE, tmp_path / "cell.yaml", out=tmp_path, config=config)
    assert len(spans(run, "upload")) == 10


def test_the_app_of_the_page_runs_from_an_empty_folder(tmp_path, monkeypatch, capsys):
    """Its files, its command, and the same from Python, with three devices and given FLOPs."""
    page = (EXAMPLE.parents[1] / "docs" / "flower.md").read_text()
    (tmp_path / "my-app").mkdir()
    monkeypatch.chdir(tmp_path)
    shown = {}
    for block in re.findall(r"```(?:yaml|toml|python)\n(.*?)```", page, re.DOTALL):
        name = re.match(r"# ([\w./-]+)", block)[1]
        shown[name] = block
        Path(name).write_text(block)
    assert [*shown] == ["cell.yaml", "my-app/pyproject.toml", "my-app/app.py", "run.py"]
    lines = {name: len(block.splitlines()) for name, block in shown.items()}
    counts = f"{lines['my-app/pyproject.toml']} and {lines['my-app/app.py']} lines"
    assert f"or these {counts}" in page
    (command,) = re.findall(r"^wfl-sim (flower my-app .*)$", page, re.MULTILINE)
    start = [sys.executable, "-c", "from wfl_sim.cli import main; main()", *command.split()]
    done = subprocess.run(start, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "warning:" not in done.stderr
    accuracy = Run.open(done.stdout.splitlines()[-1]).series("accuracy", "global").value
    assert len(accuracy) == 6
    assert accuracy[-1] > 0.9
    monkeypatch.syspath_prepend(tmp_path / "my-app")
    names = {}
    exec(shown["run.py"], names)
    assert {row["flops"] for row in spans(names["run"], "compute")} == {12e9}
    assert len(names["run"].series("accuracy", "global").time) == 6


def test_the_server_averages_arrays_on_its_hardware(tmp_path):
    """Two FLOP a value; a reply without arrays costs nothing."""
    times = []

    def server(grid, context):
        grid.send_and_receive(asked())
        times.append(grid.now)

    slow = {"base": "edge-server", "peak": "1 MFLOP/s", "utilisation": 0.5}
    run = run_app(apps(multiply, server), {**ONE, "server": {"hardware": slow}}, out=tmp_path)
    (upload,), (work,) = spans(run, "upload"), spans(run, "aggregate")
    assert (work["actor"], work["flops"]) == ("server", 2 * 5000)
    assert work["bits"] == upload["bits"]
    assert work["end"] - work["start"] == pytest.approx(10_000 / 0.5e6)
    assert times == [pytest.approx(work["end"])]

    def silent(message, context):
        return Message(RecordDict(), reply_to=message)

    run = run_app(apps(silent, server), ONE, out=tmp_path / "silent")
    assert spans(run, "aggregate") == []


def test_the_command(tmp_path):
    words = "flower APP --scenario CELL --config num-server-rounds=1 --config fraction-evaluate=0.0"
    words = words.replace("APP", str(EXAMPLE)).replace("CELL", str(CELL)).split()
    start = [sys.executable, "-c", "from wfl_sim.cli import main; main()", *words]
    done = subprocess.run(start, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / done.stdout.splitlines()[-1]
    assert (folder / "manifest.json").is_file()


@pytest.mark.parametrize("mistake", ["int('x')", "open('nowhere.csv')"])
def test_a_mistake_in_an_app_keeps_its_traceback(tmp_path, mistake):
    (tmp_path / "pyproject.toml").write_text(
        "[project]\nname = 'x'\nversion = '1'\n[tool.flwr.app]\npublisher = 'me'\n"
        "[tool.flwr.app.components]\nserverapp = 'wrong:server'\nclientapp = 'wrong:client'\n"
    )
    (tmp_path / "wrong.py").write_text(
        "from flwr.clientapp import ClientApp\nfrom flwr.serverapp import ServerApp\n"
        f"client, server = ClientApp(), ServerApp()\n@server.main()\ndef main(grid, context):\n"
        f"    {mistake}\n"
    )
    words = ["flower", str(tmp_path), "--scenario", str(CELL)]
    start = [sys.executable, "-c", "from wfl_sim.cli import main; main()", *words]
    done = subprocess.run(start, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert 'wrong.py", line 6, in main' in done.stderr
