"""Client: what selection, rounds and servers may use of a device.

Everything else of a device is its own affair. Plug-ins use these names too: docs/extending.md.
"""

from dataclasses import dataclass
from typing import Protocol

import simpy

from wfl_sim.device_models.workload import Workload
from wfl_sim.execution.task import StateRef
from wfl_sim.network.cell import Cell
from wfl_sim.network.messages import Download


class Client(Protocol):
    """A device as the rest of the network sees it."""

    @property
    def index(self) -> int:
        """Number of the device, and of its link in every cell."""

    @property
    def name(self) -> str:
        """As in the columns of the run folder."""

    @property
    def workload(self) -> Workload:
        """Costs of one local update."""

    @property
    def power(self) -> float:
        """W that it can radiate."""

    @property
    def examples(self) -> int:
        """Number of examples that it trains on."""

    @property
    def cell(self) -> Cell:
        """The serving cell."""

    @property
    def mean_gain(self) -> float:
        """Linear large-scale power gain to the serving cell."""

    @property
    def present(self) -> bool:
        """Whether it can be asked."""

    @property
    def busy(self) -> bool:
        """Whether it takes part in a round, or its upload is still on the way to the server."""

    @property
    def gone(self) -> bool:
        """Whether it is away and will never come back."""

    @property
    def last_upload(self) -> StateRef | None:
        """Newest upload that the server has received."""

    @property
    def last_upload_round(self) -> int:
        """Round of `last_upload`; -1 before the first."""

    @property
    def reported_loss(self) -> float:
        """Mean training loss in nat of `last_upload`; it trains.

        Raises:
            ValueError: there is none, or the run trains nothing.
        """

    @property
    def battery_level(self) -> float:
        """Charge as a share of the battery's capacity; 1 on the mains."""

    @property
    def charge_left(self) -> float:
        """J that it can still draw; infinite on the mains."""

    @property
    def times_asked(self) -> int:
        """How often it was asked to take part."""

    @property
    def round_seconds(self) -> float:
        """Duration of its last round in s, from being asked to the last bit sent.

        Before the first, of computing alone.
        """

    @property
    def round_joules(self) -> float:
        """Energy of its last round in J; before the first, of computing alone."""

    @property
    def expected_compute(self) -> float:
        """Duration of a local update in s, without jitter and throttling."""

    @property
    def expected_download(self) -> float:
        """Duration in s of all downloads of a round, alone on the band at the mean gain."""

    @property
    def expected_upload(self) -> float:
        """Duration in s of all uploads of a round, alone on the band at the mean gain."""

    def participate(
        self,
        number: int,
        download: Download,
        *,
        deadline: float = ...,
        air: "JointUpload | None" = None,
    ) -> simpy.Process:
        """Begin one local update in round `number`.

        Args:
            number: of the round.
            download: brings the state to start from.
            deadline: s on the simulated clock, when the upload should be through. Allocators that
                know deadlines work towards it; nothing ends when it passes.
            air: a joint analog transmission, in place of an upload of its own.

        Returns:
            A process that ends when the upload is at the server, with the Contribution as value, or
            when the device has abandoned its work, with None.
        """

    def cancel(self) -> simpy.Process | None:
        """Let it abandon its work: nobody waits for it. What has left the device goes on.

        Returns:
            The process of its participation, which ends when it can be asked again; None where it
            had none.
        """

    def idle(self) -> None:
        """Be idle until asked again, unless it has gone or come back in the meantime."""


class JointUpload(Protocol):
    """An upload that several devices make together."""

    def ready(self, device: Client) -> simpy.Event:
        """Return the event of the beginning; its value is the seconds, and the W by device."""

    def withdraw(self, device: Client) -> None:
        """Do without a device that has left before the beginning."""


@dataclass(frozen=True)
class Contribution:
    """The end of a device's participation in a round."""

    device: Client
    upload: StateRef | None
    """what has reached the server; None where it was lost on the way"""
    download: Download
    """what the device started from"""

    @property
    def delivery(self) -> Download:
        """`download`, by its earlier name."""
        return self.download
