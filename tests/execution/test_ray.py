"""Ray gives the digests of `inline`, on several nodes and when a worker is lost on the way."""

import contextlib
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from tests.fixtures.runs import scenario
from tests.simulation.test_training_runs import TRAINING, digests
from wfl_sim.config.errors import LocatedError, ScenarioError
from wfl_sim.execution.executors import Ray
from wfl_sim.execution.executors.ray_cluster import RaySession
from wfl_sim.execution.processor import processor
from wfl_sim.execution.store import Store
from wfl_sim.execution.task import LocalUpdate
from wfl_sim.learning.base_models.pretrained_model import content_of
from wfl_sim.learning.pretrained import builtin
from wfl_sim.simulation.simulation import Simulation

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module")
def cluster():
    """Two nodes of one core each, on this machine."""
    from ray.cluster_utils import Cluster

    small = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=small)
    cluster.add_node(num_cpus=1, object_store_memory=80 << 20)
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere.invalid:6379"])
def test_no_cluster_at_an_address_is_one_located_line(tmp_path, address):
    spread = scenario(tmp_path, f"execution={{kind: ray, address: '{address}'}}", text=TRAINING)
    with pytest.raises(LocatedError, match=f"^no cluster at '{address}': ") as caught:
        Simulation(spread).run(Store(tmp_path / "store"))
    assert caught.value.path == ("execution", "address")


def test_a_cluster_that_answers_and_lets_nobody_in_may_want_a_token(monkeypatch, tmp_path):
    def refused(**_):
        raise ConnectionError("Failed to connect to Ray cluster at 10.0.0.1:6379")

    monkeypatch.setattr(ray, "init", refused)
    spread = scenario(tmp_path, "execution={kind: ray, address: auto}", text=TRAINING)
    with pytest.raises(LocatedError, match="token needs RAY_AUTH_MODE=token"):
        Simulation(spread).run(Store(tmp_path / "store"))


@pytest.mark.parametrize(("key", "many"), [("cpus", 64), ("gpus", 3)])
def test_a_worker_that_this_machine_has_no_room_for_is_one_line(monkeypatch, key, many):
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0})
    with pytest.raises(
        LocatedError, match=f"a worker needs {many}, and this machine has"
    ) as caught:
        Ray(**{key: many})._check_resources(ray)
    assert caught.value.path == ("execution", key)
    Ray(cpus=2)._check_resources(ray)


def test_workers_of_another_processor_are_said_once(caplog):
    session = object.__new__(RaySession)
    session._others = set()
    session._compare(dict(processor()))
    other = {**processor(), "model": "another", "capability": "AVX"}
    session._compare(other)
    session._compare(other)
    assert session._others == {"another AVX"}
    assert caplog.text.count("a worker has another processor (another AVX)") == 1


@pytest.mark.slow
def test_two_nodes_and_a_lost_worker_give_the_digests_of_inline(
    tmp_path, cluster, monkeypatch, caplog
):
    """And the base model reaches every worker, the replacement too: none has its folder."""
    model = shutil.copytree(builtin("tiny-bert"), tmp_path / "model")
    own = f"model={{pretrained: {model}}}"
    straight = Simulation(scenario(tmp_path, own, text=TRAINING)).run(Store(tmp_path / "inline"))
    sessions, killed, gone = [], [], []
    begin = Ray.session

    @contextlib.contextmanager
    def bereft(self, learner, store):
        with begin(self, learner, store) as session:
            sessions.append(session)
            gone.append(model.rename(tmp_path / "elsewhere"))
            yield session

    def kill(task, done, needed):
        at_work = [each for each in sessions[0].workers if each.job is not None and each.place]
        if isinstance(task, LocalUpdate) and not killed and at_work:
            killed.append(at_work[0].place)
            os.kill(killed[0][1], signal.SIGKILL)

    monkeypatch.setattr(Ray, "session", bereft)
    spread = scenario(tmp_path, own, "execution={kind: ray, workers: 2}", text=TRAINING)
    try:
        outcome = Simulation(spread).run(Store(tmp_path / "ray"), kill)
    finally:
        for left in Path(tempfile.gettempdir()).glob(f"wfl_sim-model-*{content_of(gone[0])}"):
            shutil.rmtree(left)
    assert digests(outcome) == digests(straight)
    assert outcome.totals["execution"] == {
        "executor": "ray",
        "mode": "exact",
        "workers": 2,
        "nodes": 2,
        "lost": 1,
    }
    assert "is executed again" in caplog.text
    assert len({place[1] for place in killed}) == 1


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("{kind: ray, cpus: 0}", "execution.cpus: must be greater than 0, got 0"),
        ("{kind: ray, gpus: -1}", "execution.gpus: must not be negative, got -1"),
        ("{kind: processes, workers: -1}", "execution.workers: must not be negative, got -1"),
        ("{kind: grouped, size: 0}", "execution.size: must be at least 1, got 0"),
        ("rays", "execution: unknown executor 'rays', did you mean 'ray'?"),
    ],
)
def test_mistakes_in_the_block_are_one_line(tmp_path, setting, said):
    with pytest.raises(ScenarioError) as caught:
        scenario(tmp_path, f"execution={setting}", text=TRAINING)
    assert str(caught.value).endswith(said)
