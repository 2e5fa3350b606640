"""Cost of a local update on a device: seconds, watts and bytes of memory."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from channel_models.units import Unit
from wfl_sim.config.answers import one_number
from wfl_sim.config.csv_tables import StepTrace, read_steps
from wfl_sim.config.errors import LocatedError, did_you_mean
from wfl_sim.config.fields import FilePath, Shorthand
from wfl_sim.config.registry import From
from wfl_sim.device_models.frequency import GOVERNORS, FrequencyGovernor, Full
from wfl_sim.device_models.hardware import Hardware, Precision
from wfl_sim.device_models.jitter import JITTERS, Constant, Jitter
from wfl_sim.device_models.profile_table import ProfileTable
from wfl_sim.device_models.workload import UpdateCost, Workload, Writing

BYTES_OF_A_WEIGHT = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "int8": 1.03, "nf4": 0.56}
"""Bytes of a weight; int8 and nf4 include the scales of their blocks (bitsandbytes' defaults)."""


@dataclass(frozen=True, kw_only=True)
class LoadTrace:
    """Share of the processor that other programs take: columns start (s), end (s), load."""

    path: Annotated[str, FilePath()]

    def __post_init__(self) -> None:
        if self.steps.values.min() == 1:
            raise ValueError(
                f"{Path(self.path).name}: load is 1 throughout, so no update ever ends"
            )

    @cached_property
    def steps(self) -> StepTrace:
        """The share, between 0 and 1."""
        return read_steps(Path(self.path), "load", Unit("1", minimum=0.0, maximum=1.0))


@dataclass(frozen=True, kw_only=True)
class ComputeConfig:
    """Precision, memory, clock, and what disturbs them. It decides costs, never what is learned."""

    precision: Precision | None = None
    """Precision of the arithmetic: selects the peak that the hardware states for it."""
    weights: Literal["fp32", "bf16", "fp16", "int8", "nf4"] = "fp32"
    """Precision of the frozen weights in memory."""
    memory: Literal["report", "exclude"] = "report"
    """What happens where a local step does not fit into memory: an error, or exclusion."""
    frequency: Annotated[FrequencyGovernor, From(GOVERNORS)] = field(default_factory=Full)
    jitter: Annotated[Jitter, From(JITTERS)] = field(default_factory=Constant)
    load: Annotated[LoadTrace, Shorthand("path")] | None = None
    table: Annotated[ProfileTable, Shorthand("path")] | None = None
    """Measured seconds and watts in place of those from FLOPs."""

    def job(self, hardware: Hardware, workload: Workload) -> UpdateCost:
        """Return what one local update costs.

        Raises:
            LocatedError: the hardware or the table lacks a value that the cost needs.
        """
        if self.table is not None:
            if not isinstance(self.frequency, Full):
                raise LocatedError("must be full: a table holds at one frequency", "frequency")
            return self.table.job(hardware, workload)
        dvfs = hardware.dvfs
        if dvfs is None and not isinstance(self.frequency, Full):
            raise LocatedError(f"needs hardware with `dvfs`, {hardware.name} has none", "frequency")
        static = hardware.compute_power if dvfs is None else dvfs.static_power
        own = hardware.utilisations
        share = own.get(self.precision, hardware.utilisation) if self.precision else None
        reached = self._peak(hardware) * (share or hardware.utilisation)
        writing = workload.writing
        return UpdateCost(
            arithmetic=workload.update_flops / reached,
            traffic=self._traffic(hardware, workload),
            writing=(writing.flops / reached, self._traffic(hardware, writing)),
            overhead=workload.steps * hardware.step_overhead,
            static=static,
            dynamic=hardware.compute_power - static,
        )

    def expected(self, job: UpdateCost) -> UpdateCost:
        """Return the cost of a job under the mean load of other programs."""
        return job if self.load is None else job.stretched(1 / (1 - self.load.steps.mean))

    def share(self, hardware: Hardware, job: UpdateCost) -> float:
        """Return the frequency for a job under the mean load, as a share of the highest.

        Raises:
            LocatedError: there is no such clock.
        """
        dvfs = hardware.dvfs
        if dvfs is None:
            return 1.0
        share = self.frequency.share(self.expected(job), dvfs)
        return one_number(self.frequency, "share", share, least=1e-9, most=1 + 1e-9)

    def footprint(self, workload: Workload) -> float:
        """Return the bytes that a local step needs with frozen weights in this precision."""
        return workload.memory - self._saved * workload.frozen

    def _traffic(self, hardware: Hardware, work: Workload | Writing) -> float:
        moved = work.traffic - self._saved * work.frozen_traffic
        return moved / hardware.bandwidth if hardware.bandwidth else 0.0

    @property
    def _saved(self) -> float:
        """Share of the bytes of frozen weights that their precision saves."""
        return 1 - BYTES_OF_A_WEIGHT[self.weights] / BYTES_OF_A_WEIGHT["fp32"]

    def _peak(self, hardware: Hardware) -> float:
        if self.precision is None:
            return hardware.peak
        if self.precision not in hardware.peaks:
            known: list[str] = [*hardware.peaks]
            raise LocatedError(
                f"{hardware.name} states no peak for {self.precision}"
                f"{did_you_mean(self.precision, known)}",
                "precision",
            )
        return hardware.peaks[self.precision]
