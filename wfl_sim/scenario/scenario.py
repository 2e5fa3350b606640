"""The typed scenario: everything that decides a run, as frozen dataclasses.

Names and annotations of the fields are the keys and the rules of a scenario file.
"""

import re
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Annotated, Any, Literal, Self

import numpy as np

import wfl_sim.scenario.builtin_kinds  # noqa: F401  (registers the built-in kinds)
from channel_models.units import Interval, PositiveSeconds, Seconds
from channel_models.validation import FloatArray
from wfl_sim.codecs import Float32
from wfl_sim.codecs.codec import CODECS, Codec
from wfl_sim.config.answers import AnswerError, numbers
from wfl_sim.config.documents import Document
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import NonNegativeInt, PositiveInt, Seed, Shorthand
from wfl_sim.config.merging import document_of, lay_over
from wfl_sim.config.plugin_code import plugins_allowed
from wfl_sim.config.registry import From
from wfl_sim.config.validation import typed
from wfl_sim.data.metrics import METRICS, Metric, named
from wfl_sim.data.sharding import DATA, Data
from wfl_sim.device_models import Hardware, HardwareReference
from wfl_sim.device_models.carbon import CarbonIntensity
from wfl_sim.execution.executor import EXECUTORS, Executor
from wfl_sim.execution.executors import Auto
from wfl_sim.learning.base_models.pretrained_model import MODELS
from wfl_sim.methods.method import METHODS, Method
from wfl_sim.methods.privacy import Privacy
from wfl_sim.methods.server import AggregationConfig
from wfl_sim.network.carriers.backhaul_graph import BackhaulGraph
from wfl_sim.radio.cell import CellConfig
from wfl_sim.radio.deployment.layouts import LAYOUTS, Layout
from wfl_sim.radio.procedures.handover import HandoverConfig
from wfl_sim.rounds.policy import ROUNDS, Choosy, Rounds
from wfl_sim.scenario import checks, learning_checks
from wfl_sim.scenario.devices import DeviceGroup
from wfl_sim.scenario.privacy_checks import check_privacy


@dataclass(frozen=True, kw_only=True)
class ServerConfig(AggregationConfig):
    """How the server aggregates, and on which hardware. Its energy is not that of the devices."""

    hardware: Annotated[Hardware, HardwareReference()] = field(
        default_factory=lambda: HardwareReference().resolve("edge-server")
    )


@dataclass(frozen=True, kw_only=True)
class Payload:
    """Codecs of uploads and downloads."""

    upload: Annotated[Codec, From(CODECS)] = field(default_factory=Float32)
    download: Annotated[Codec, From(CODECS)] = field(default_factory=Float32)

    def __post_init__(self) -> None:
        if getattr(self.download, "relative", False):
            raise LocatedError(
                "must encode states: a device that has missed a round cannot add up updates",
                "download",
            )


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """When models are evaluated, and on how many examples. Evaluation takes no simulated time."""

    every: PositiveInt = 1
    """Rounds between evaluations; the start and the last round are always evaluated."""
    interval: Interval | None = None
    """Simulated time between evaluations, in place of `every`."""
    global_examples: NonNegativeInt = 256
    """Maximum number of pooled held-out examples; 0 skips the global scope."""
    personal_examples: PositiveInt = 64
    """Maximum number of held-out examples of each device."""
    metrics: tuple[Annotated[Metric, From(METRICS)], ...] = ()
    """Metrics beside the usual ones, such as `macro-f1` of classifiers or `rouge-l` of answers."""

    def __post_init__(self) -> None:
        named(self.metrics)


@dataclass(frozen=True, kw_only=True)
class Record:
    """What a run folder has beside activities, levels and metrics."""

    radio: PositiveSeconds | None = None
    """Interval between samples of rate, SINR, scheme and resource blocks of all radio links."""


@cache
def _one_cell() -> tuple[CellConfig, ...]:
    return (CellConfig(),)


@cache
def _default_server() -> ServerConfig:
    return ServerConfig()


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Everything that decides one run."""

    name: str
    label: str = ""
    """Variant of a sweep; figures group runs by it."""
    seed: Seed = 0
    model: Annotated[Any, From(MODELS, default="pretrained")]
    data: Annotated[Data, From(DATA)] | None = None
    method: Annotated[Method, From(METHODS)]
    payload: Payload = field(default_factory=Payload)
    rounds: Annotated[Rounds, From(ROUNDS)]
    privacy: Privacy | None = None
    """Privacy of updates towards the server; without it there is none."""
    evaluation: Evaluation = field(default_factory=Evaluation)
    layout: Annotated[Layout, From(LAYOUTS)] | None = None
    """Positions of many cells that are described once; without it each cell has its own."""
    cells: tuple[CellConfig, ...] = field(default_factory=_one_cell)
    interference: Literal["coupled", "load-average", "none"] = "coupled"
    """Interference between cells of one band: momentary, average over time, or none."""
    load_memory: Seconds = 10.0
    """Time constant of the average in `load-average`; 0 s takes the present loads, for bursts."""
    handover: HandoverConfig | None = None
    """Handover of devices that move; with its defaults unless given."""
    backhaul: BackhaulGraph | None = None
    """Wired network; without it every cell has a link of its own to the server."""
    devices: tuple[DeviceGroup, ...]
    server: ServerConfig = field(default_factory=_default_server)
    stall: PositiveSeconds = 3600.0
    """Simulated time without anything completed after which a run ends with an error."""
    record: Record | None = None
    """What is recorded beside activities, levels and metrics."""
    carbon: Annotated[CarbonIntensity, Shorthand("path")] | None = None
    """Carbon intensity of the grid that feeds the devices."""
    execution: Annotated[Executor, From(EXECUTORS)] = field(default_factory=Auto)
    """How training is executed on the host; it decides no simulated value."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w.+-]*", self.name):
            raise LocatedError(
                f"must be one word of letters, digits, . _ + -, got {self.name!r}", "name"
            )
        if not self.cells:
            raise LocatedError("at least one cell is needed", "cells")
        if not self.devices:
            raise LocatedError("at least one group of devices is needed", "devices")
        devices = self.device_count
        learning_checks.check_model(self.model, self.data, self.method)
        payload = self.payload
        learning_checks.check_aggregation(
            self.method, self.server, payload.upload, payload.download
        )
        learning_checks.check_ranks(self.method, self.devices)
        learning_checks.check_rounds(
            self.rounds, devices, self.method, self.backhaul, robust=self.server.robust is not None
        )
        if self.privacy is not None:
            upload = self.payload.upload
            check_privacy(self.privacy, self.method, self.server, upload, self.rounds)
        if isinstance(self.rounds, Choosy):
            self.rounds.check_scenario(self)
        checks.check_template(self.cells, self.layout)
        checks.check_network(
            self.base_stations,
            self.layout,
            self.backhaul,
            interference=self.interference != "none",
            handover=self.handover is not None,
        )
        checks.check_groups(self.devices, self.layout)
        checks.check_sampling(self.cells, self.devices)
        one_template = self.layout is not None
        checks.check_pathloss_range(self.base_stations, self.devices, one_template=one_template)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, allow_plugins: bool = False) -> Self:
        """Return the scenario of mappings and lists, as they would be in a file.

        Raises:
            ScenarioError: something is wrong; the message names the key.
        """
        with plugins_allowed() if allow_plugins else nullcontext():
            document = document_of(data)
            for key in document.data.keys() & {"extends", "sweep"}:
                raise document.error((key,), "is of several scenarios or files: `load` reads it")
            empty = Document({}, {(): document.places[()]})
            return typed(cls, lay_over(empty, document))

    @property
    def cohort(self) -> int:
        """Largest number of devices that a round asks for; each tier has rounds of its own."""
        tiers = getattr(self.rounds, "tiers", 1)
        return getattr(self.rounds, "clients", 0) or -(-self.device_count // tiers)

    @property
    def most_uploads(self) -> int:
        """Largest number of uploads in an aggregation, which a policy of rounds may say."""
        said = getattr(self.rounds, "most_uploads", None)
        return self.cohort if said is None else int(said(self.device_count))

    @property
    def secured(self) -> Privacy | None:
        """Privacy for cohorts of this size."""
        return None if self.privacy is None else replace(self.privacy, cohort=self.cohort)

    @property
    def ranks(self) -> tuple[int | None, ...]:
        """Rank of each device's group; None for the method's own."""
        return tuple(group.rank for group in self.devices for _ in range(group.count))

    @cached_property
    def base_stations(self) -> tuple[CellConfig, ...]:
        """Every cell with its place: those of the layout, or else those that are listed."""
        if self.layout is None:
            return self.cells
        cells = self.layout.cells(self.cells[0])
        if not cells or not all(isinstance(each, CellConfig) for each in cells):
            raise AnswerError.of(self.layout, "cells", "one or several cells", cells)
        return tuple(cells)

    def offsets(self, points: FloatArray) -> FloatArray:
        """Return the vectors in m from every base station to points (n, 2): (n, cells, 2)."""
        if self.layout is not None:
            offsets, shape = self.layout.offsets(points), (len(points), len(self.base_stations), 2)
            return numbers(self.layout, "offsets", offsets, shape, broadcast=False)
        sites = np.array([cell.position for cell in self.cells])
        return np.asarray(points[:, None, :] - sites)

    @property
    def device_count(self) -> int:
        """Number of devices in all groups."""
        return sum(group.count for group in self.devices)
