"""Ray: workers on a cluster. The learner is sent once; states go through Ray's object store.

The store of results stays with the process that runs the scenario, so the machines of the cluster
need no common disk. They need the same packages and the files that the scenario names.
"""

import logging
import os
import socket
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import Bounded, NonNegativeFloat, NonNegativeInt, PositiveFloat
from wfl_sim.execution.executor import EXECUTORS, Backlog
from wfl_sim.execution.executors.pickling import PickledLearner
from wfl_sim.execution.learner import Learner
from wfl_sim.execution.lru_cache import LruCache
from wfl_sim.execution.processor import processor
from wfl_sim.execution.store import Store
from wfl_sim.execution.task import Result, Task, title
from wfl_sim.execution.worker_pool import WorkerError
from wfl_sim.execution.worker_process import Outcome, attempt, keep_freed_memory
from wfl_sim.state import State

_log = logging.getLogger(__name__)

_ATTEMPTS: Final = 3
"""Number of workers that may be lost with the same task before the run ends."""
_SENT: Final = 256
"""Number of results that are kept in the object store for later tasks."""
_SILENCE: Final = 60.0
"""Seconds without an answer after which the log says so."""
_CONNECT_TIMEOUT: Final = 10.0
"""Seconds in which a cluster must accept a connection."""


@EXECUTORS("ray")
@dataclass(frozen=True, kw_only=True)
class Ray(Bounded):
    """Workers on a Ray cluster, each with the base model in memory; needs `wfl_sim[ray]`."""

    address: str = ""
    """Address of a cluster, such as `auto` or `10.0.0.1:6379`; if empty, $RAY_ADDRESS, or a cluster
    on this machine alone, which ends with the run."""
    workers: NonNegativeInt = 0
    """Number of workers; 0 for as many as the cluster can hold when the run begins."""
    cpus: PositiveFloat = 1.0
    """CPUs of each worker."""
    gpus: NonNegativeFloat = 0.0
    """GPUs of each worker; with 0.25 four workers share one."""
    mode: ClassVar[str] = "exact"

    @contextmanager
    def session(self, learner: Learner, store: Store) -> Iterator["RaySession"]:
        """Join the cluster, or start one; a cluster that was started here ends with the session.

        Raises:
            LocatedError: Ray is not installed, or there is no such cluster.
        """
        try:
            import ray
        except ImportError:
            raise LocatedError("needs Ray: pip install 'wfl_sim[ray]'", "execution") from None
        joined = ray.is_initialized()
        address = self.address or os.environ.get("RAY_ADDRESS", "")
        if not joined:
            try:
                _check_reachable(address)
                ray.init(
                    **({"address": address} if address else {"include_dashboard": False}),
                    log_to_driver=False,
                    logging_level=logging.WARNING,
                )
            except (OSError, ValueError, RuntimeError) as error:
                reason = str(error).strip().partition("\n")[0]
                # It answers, and Ray does not say why it fails.
                if isinstance(error, ConnectionError) and reason.startswith("Failed to connect"):
                    reason += "; a cluster with a token needs RAY_AUTH_MODE=token"
                raise LocatedError(
                    f"no cluster at {address!r}: {reason}", "execution", "address"
                ) from error
        try:
            if not joined and not address:
                self._check_resources(ray)
            session = RaySession(learner, store, self)
            try:
                yield session
            finally:
                session.close()
        finally:
            if not joined:
                ray.shutdown()

    def _check_resources(self, ray: Any) -> None:
        """Refuse workers that are too large for this machine; another cluster may still grow."""
        resources = ray.cluster_resources()
        for name, kind in (("cpus", "CPU"), ("gpus", "GPU")):
            has = resources.get(kind, 0.0)
            if getattr(self, name) > has:
                raise LocatedError(
                    f"a worker needs {getattr(self, name):g}, and this machine has {has:g}",
                    "execution",
                    name,
                )


def _check_reachable(address: str) -> None:
    """Raise OSError if HOST:PORT accepts no connection; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=_CONNECT_TIMEOUT).close()


Place = tuple[str, int, Mapping[str, str]]
"""Node, process id and processor of a worker."""


class RayWorker:
    """Actor that executes tasks. The base model is loaded when the first task needs it."""

    def __init__(self, pickled: PickledLearner) -> None:
        keep_freed_memory()
        self._learner = pickled.unpickled()

    def place(self) -> "Place":
        """Return the node, the process id and the processor of this worker."""
        import ray

        return ray.get_runtime_context().get_node_id(), os.getpid(), dict(processor())

    def run(self, task: Task, *inputs: Mapping[str, State]) -> Outcome:
        """Execute a task."""
        return attempt(self._learner.run, task, inputs)


@dataclass(eq=False)
class _Worker:
    actor: Any
    place: Place | None = None
    """None while the worker starts."""
    job: tuple[str, Task] | None = None


@dataclass
class RaySession:
    """Gives tasks to idle workers; the task of a worker that is lost goes to another one."""

    learner: Learner
    store: Store
    executor: Ray
    workers: list[_Worker] = field(default_factory=list)

    def __post_init__(self) -> None:
        import ray

        self._ray: Any = ray
        self._count = self.executor.workers or self._capacity()
        self._pickled = ray.put(PickledLearner.of(self.learner, models=True))
        self._waiting: deque[tuple[str, Task]] = deque()
        self._pending: dict[Any, _Worker] = {}
        self._sent = LruCache[Any](_SENT)
        self._lost: Counter[str] = Counter()
        self._nodes: set[str] = set()
        self._others: set[str] = set()

    @property
    def room(self) -> int:
        """One task for each worker, whether it has started or not."""
        return self._count - len(self._waiting) - sum(each.job is not None for each in self.workers)

    def submit(self, tasks: Mapping[str, Task], backlog: Backlog) -> None:
        """Give tasks to idle workers, and start further workers."""
        self._waiting.extend(tasks.items())
        self._dispatch()

    def finished(self) -> Sequence[str]:
        """Wait for a worker.

        Raises:
            WorkerError: several workers were lost with the same task, or a task has a mistake.
        """
        done: list[str] = []
        while not done:
            answers, _ = self._ray.wait(list(self._pending), num_returns=1, timeout=_SILENCE)
            if not answers:
                _log.warning(
                    "no news from the Ray cluster for %g s: waiting; a worker needs %g CPUs and "
                    "%g GPUs of one machine",
                    _SILENCE,
                    self.executor.cpus,
                    self.executor.gpus,
                )
            for ref in answers:
                done += self._receive(ref, self._pending.pop(ref))
            self._dispatch()
        return done

    def report(self) -> Mapping[str, Any]:
        """Return the kind, and the number of workers, of nodes and of lost workers."""
        lost = {"lost": self._lost.total()} if self._lost else {}
        others = {"other_processors": sorted(self._others)} if self._others else {}
        nodes = len(self._nodes)
        return {"executor": "ray", "workers": self._count, "nodes": nodes, **lost, **others}

    def close(self) -> None:
        """End all workers."""
        for worker in self.workers:
            self._ray.kill(worker.actor)

    def _receive(self, ref: Any, worker: _Worker) -> list[str]:
        try:
            answer = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            self.workers.remove(worker)
            self._ray.kill(worker.actor)
            self._retry(worker, error)
            return []
        if worker.job is None:
            worker.place = answer
            self._nodes.add(answer[0])
            self._compare(answer[2])
            return []
        key, task = worker.job
        worker.job = None
        kind, content = answer
        if kind == "raised":
            raise content
        if kind == "failed":
            raise WorkerError(f"{title(task)} failed\n{content}")
        result: Result = content
        self.store.put(key, result)
        return [key]

    def _compare(self, found: Mapping[str, str]) -> None:
        """Say once of each other kind of processor that its results are kept as those of ours."""
        kind = f"{found.get('model', '')} {found.get('capability', '')}".strip()
        if found != processor() and kind not in self._others:
            self._others.add(kind)
            _log.warning(
                "a worker has another processor (%s): results may differ in the last bits from "
                "those of this machine, and are stored as if they were of this machine",
                kind,
            )

    def _retry(self, worker: _Worker, error: Exception) -> None:
        cause = str(error).strip().partition("\n")[0]
        key, task = worker.job or ("", None)
        self._lost[key] += 1
        if self._lost[key] >= _ATTEMPTS:
            what = "starting" if task is None else title(task)
            raise WorkerError(
                f"{what} has cost {_ATTEMPTS} workers: {cause}; "
                "the same command continues where it stopped"
            )
        if task is not None:
            _log.warning("a worker was lost (%s): %s is executed again", cause, title(task))
            self._waiting.appendleft((key, task))

    def _dispatch(self) -> None:
        for worker in self.workers:
            if self._waiting and worker.place is not None and worker.job is None:
                key, task = self._waiting.popleft()
                worker.job = key, task
                inputs = [self._reference(ref.key) for ref in task.incoming]
                self._pending[worker.actor.run.remote(task, *inputs)] = worker
        starting = sum(each.place is None for each in self.workers)
        while starting < len(self._waiting) and len(self.workers) < self._count:
            options = {"num_cpus": self.executor.cpus, "num_gpus": self.executor.gpus}
            actor = self._ray.remote(RayWorker).options(**options).remote(self._pickled)
            worker = _Worker(actor)
            self.workers.append(worker)
            self._pending[actor.place.remote()] = worker
            starting += 1

    def _reference(self, key: str) -> Any:
        if key not in self._sent:
            self._sent[key] = self._ray.put(self.store.get(key).states)
        return self._sent[key]

    def _capacity(self) -> int:
        """Return the number of workers that the cluster can hold."""
        resources = self._ray.cluster_resources()
        counts = [resources.get("CPU", 0.0) / self.executor.cpus]
        if self.executor.gpus:
            counts.append(resources.get("GPU", 0.0) / self.executor.gpus)
        return max(1, int(min(counts)))
