"""Client: what selection, rounds and servers may use of a device, and what they exchange with it.

Plug-ins use these names too: docs/extending.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final, Protocol

import simpy

from wfl_sim.config.errors import LocatedError
from wfl_sim.device_models.hardware import Hardware
from wfl_sim.device_models.workload import Workload
from wfl_sim.execution.task import StateRef
from wfl_sim.network.carriers.cell import Cell


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a policy sets for one participation; what it leaves out is decided as without a policy.

    Raises:
        LocatedError: a value is out of range.
    """

    weight: float | None = None
    """Weight of the uploads, for allocators that use it."""
    power: float | None = None
    """W that the device may radiate, at most its own."""
    share: float | None = None
    """Share of the band for its uploads, for the allocator `assigned`."""
    deadline: float = inf
    """Simulated time in s at which the upload should have ended, for allocators that use it;
    nothing ends when it passes."""
    frequency: float | None = None
    """Clock as a share of the highest, for hardware with `dvfs`; not below the lowest."""

    def __post_init__(self) -> None:
        for name, most in (("weight", inf), ("power", inf), ("share", 1.0), ("frequency", 1.0)):
            value = getattr(self, name)
            if value is not None and not 0 < value <= most:
                raise LocatedError(
                    f"{name} of a participation must be above 0 and at most {most:g}, got {value}",
                    "rounds",
                )

    def check(self, name: str, power: float, hardware: Hardware) -> None:
        """Refuse what a device of `power` W cannot do.

        Raises:
            LocatedError: more power than it has, or a clock that cannot be set.
        """
        if self.power is not None and self.power > power * (1 + 1e-9):
            raise LocatedError(f"{name} has {power:g} W, and is to use {self.power:g} W", "rounds")
        if self.frequency is not None and hardware.dvfs is None:
            raise LocatedError(
                f"{name} is to use {self.frequency:g} of its highest frequency, and "
                f"{hardware.name} has no `dvfs`",
                "rounds",
            )


NO_TERMS: Final = Terms()


@dataclass(frozen=True, eq=False)
class Download:
    """One payload for one device, or for all devices of a broadcast."""

    shared: StateRef
    receivers: list[int]
    """Links of the receivers that are still waiting."""
    on_air: simpy.Event | None
    """Succeeds with the radio transfer when it begins; None if the method sends nothing."""
    version: int = 0
    """Number of aggregations behind the shared state."""
    bits: int = 0
    """Bits of the payload."""
    cell: Cell | None = None
    """Cell that sends it."""
    newest: Callable[[], int] = int
    """Number of aggregations until now at the server that sends it."""


@dataclass(eq=False)
class StepReply:
    """The server's answer to a step of a split network."""

    wanted: bool = True
    """False once the device has left."""


class Client(Protocol):
    """A device as selection, rounds and servers see it.

    A selection needs a few members only, so any object that has them is enough to test it:

    >>> from types import SimpleNamespace
    >>> clients = [SimpleNamespace(index=i, mean_gain=gain) for i, gain in enumerate((1e-11, 1e-9))]
    >>> max(clients, key=lambda client: client.mean_gain).index
    1
    """

    index: int
    """Number of the device, and of its link in every cell."""
    name: str
    """Name in the columns of the run folder."""
    workload: Workload
    """Costs of one local update."""
    power: float
    """Maximum transmit power in W."""
    examples: int
    """Number of training examples."""
    last_upload: StateRef | None
    """Newest upload that the server has received."""
    last_upload_round: int
    """Round of `last_upload`; -1 before the first."""
    times_asked: int
    """Number of participations that have begun."""
    round_seconds: float
    """Duration of the last round in s, from the request to the last bit sent.

    Before the first round, expected duration of the local update alone.
    """
    round_joules: float
    """Energy of the last round in J; before the first, of the local update alone."""
    expected_compute: float
    """Duration of a local update in s at the mean load, without jitter and throttling."""

    @property
    def cell(self) -> Cell:
        """The serving cell."""

    @property
    def mean_gain(self) -> float:
        """Linear large-scale power gain to the serving cell."""

    @property
    def present(self) -> bool:
        """Whether it can be reached and has energy to work."""

    @property
    def busy(self) -> bool:
        """Whether it takes part in a round, or its upload is on the way to a server that waits."""

    @property
    def gone(self) -> bool:
        """Whether it is away and will never come back."""

    @property
    def reported_loss(self) -> float:
        """Mean training loss in nat of `last_upload`; the update is trained now if necessary.

        NaN where the device has diverged and a robust rule leaves it out.

        Raises:
            ValueError: there is no upload, or the run trains nothing.
        """

    @property
    def battery_level(self) -> float:
        """Charge as a share of the battery's capacity; 1 on mains power."""

    @property
    def charge_left(self) -> float:
        """Energy in J above the cut-off of the battery; infinite on mains power."""

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
        terms: Terms = ...,
        deadline: float = ...,
        air: "JointUpload | None" = None,
    ) -> simpy.Process:
        """Begin one local update in round `number`.

        Args:
            number: of the round.
            download: brings the state to start from.
            terms: weight, power, share, deadline and frequency that the policy sets.
            deadline: that of `terms`, for policies that set nothing else.
            air: a joint analog transmission, in place of a separate upload.

        Returns:
            A process. Its value is the Contribution when the upload is at the server, or None when
            the device has abandoned its work.
        """

    def cancel(self) -> simpy.Event | None:
        """Stop the work of this round. A payload that has left the device is still delivered.

        Returns:
            An event of this moment: the device is available again. None if it was not busy.
        """

    def idle(self) -> None:
        """Be idle until the next request, if the device is waiting."""


class JointUpload(Protocol):
    """An upload that several devices make together."""

    def ready(self, device: Client) -> simpy.Event:
        """Return the event of its beginning; the value is its seconds, and the W of each device."""

    def withdraw(self, device: Client) -> None:
        """Remove a device that has left before the beginning."""


@dataclass(frozen=True)
class Contribution:
    """The result of a device's participation in a round."""

    device: Client
    upload: StateRef | None
    """Upload that the server has received; None if it was lost."""
    download: Download
    """Download that the device started from."""

    @property
    def delivery(self) -> Download:
        """`download`, by its earlier name."""
        return self.download
