"""Effort: a job under way, whose speed changes with throttling and with other programs."""

from collections.abc import Generator
from typing import Any

import simpy

from wfl_sim.compute.computing import Computing
from wfl_sim.compute.hardware import Hardware
from wfl_sim.compute.job import Job
from wfl_sim.entities.body import Body


class Effort:
    """How much of a job is done. Between two changes its speed is constant."""

    def __init__(
        self, env: simpy.Environment, body: Body, hardware: Hardware, computing: Computing, job: Job
    ) -> None:
        """Begin a job.

        Args:
            env: the clock.
            body: draws the power, and heats.
            hardware: of the device.
            computing: who chooses the frequency, and what else runs.
            job: what there is to do.
        """
        self.frequency = computing.share(hardware, job)
        self._env = env
        self._body = body
        self._thermal = hardware.thermal
        self._load = computing.load.steps if computing.load is not None else None
        self._job = job
        self._left = 1.0
        self._pace = 0.0
        self._since = env.now

    def __repr__(self) -> str:
        return f"Effort({self.done:.3f} of {self._job!r})"

    @property
    def done(self) -> float:
        """Share of the job that is done at this moment."""
        return 1.0 - self._left + (self._env.now - self._since) * self._pace

    def run(self, factor: float) -> Generator[simpy.Event, Any, None]:
        """Work until the job is done; `factor` stretches its time."""
        env, heat = self._env, self._body.heat
        if heat is not None:
            heat.look()
        while self._left > 0:
            share = self._share()
            self._body.draw("compute", self._job.power(share))
            free, until = self._free()
            lasts = self._job.seconds(share) * factor
            to_finish = self._left * lasts / free if free else float("inf")
            turn = heat.next_turn() if heat is not None else float("inf")
            step = min(to_finish, until - env.now, turn)
            self._since, self._pace = env.now, free / lasts
            self._body.note(share)
            yield env.timeout(step)
            done = step == to_finish
            self._left = 0.0 if done else max(self._left - step * self._pace, 0.0)
            self._since = env.now
            if heat is not None and step == turn:
                heat.turn()
        self._pace = 0.0
        self._body.draw("compute", 0.0)

    def _share(self) -> float:
        """Return the frequency that may be used now, as a share of the highest."""
        heat = self._body.heat
        if heat is None or self._thermal is None or not heat.throttled:
            return self.frequency
        return min(self.frequency, self._thermal.throttled)

    def _free(self) -> tuple[float, float]:
        """Return the share of the processor that is free, and the time until which it is."""
        if self._load is None:
            return 1.0, float("inf")
        load, until = self._load.at(self._env.now)
        return 1.0 - load, until
