"""A band for SimPy models of one's own: links over a fading channel, shared by an allocator."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import simpy
from numpy.typing import NDArray

from channel_models.elementary import cosine_and_sine
from channel_models.units import MetresPerSecond, PositiveMetres, Unit
from channel_models.validation import FloatArray
from wfl_sim.config.documents import shown
from wfl_sim.config.errors import ScenarioError
from wfl_sim.config.fields import PositiveShare, Seed
from wfl_sim.config.merging import document_of, lay_over
from wfl_sim.config.validation import typed
from wfl_sim.network.carriers.radio_access import RadioAccess
from wfl_sim.network.carriers.transfer import Transfer, TransferRequest
from wfl_sim.radio.cell import CellConfig, Direction
from wfl_sim.radio.channel.propagation import FROZEN
from wfl_sim.radio.deployment.large_scale import LargeScale
from wfl_sim.radio.power.power_control import TransmitPower
from wfl_sim.radio.reach import unreached


@dataclass(frozen=True, kw_only=True)
class _Links:
    """Terminals of a cell. Names and annotations of the fields are the rules of `band`."""

    cell: CellConfig
    distances: tuple[PositiveMetres, ...]
    gains: tuple[PositiveShare, ...]
    power: TransmitPower
    speed: MetresPerSecond
    height: PositiveMetres
    seed: Seed


_ELSEWHERE: Final = {"access", "backhaul", "bias", "position", "station", "traffic"}
"""Keys of a cell beyond what a transfer has of a band."""


@dataclass(frozen=True, eq=False)
class Band:
    """One direction of a cell. Links are numbered in the order in which they were given."""

    access: RadioAccess
    direction: Direction

    def __repr__(self) -> str:
        return f"Band({self.direction}, {self.gains.size} links)"

    @property
    def gains(self) -> FloatArray:
        """Linear large-scale gain of each link."""
        return np.asarray(self.access.gains[0])

    def block_gains(self, link: int) -> FloatArray:
        """Return the present gain of a link on each resource block, fading included."""
        return self.access.block_gains(self.direction, 0, [self._number(link)])[:, 0]

    def send(
        self,
        link: int | Sequence[int],
        bits: float | str,
        *,
        weight: float = 1.0,
        deadline: float | str = math.inf,
    ) -> Transfer:
        """Begin a transfer now; yield its `done` to wait for the last bit.

        Args:
            link: that sends or receives; several for the same bits to all (downlink).
            bits: of payload, with a unit if it is a text.
            weight: for allocators that use it; at least 0.
            deadline: simulated time in s, for allocators that use it.

        Raises:
            ValueError: no such link, no bits, or another value that cannot be.
        """
        several = isinstance(link, (Sequence, np.ndarray))
        links = [self._number(each) for each in (link if several else [link])]  # type: ignore[union-attr]
        if len(links) > 1 and self.direction == "uplink":
            raise ValueError(f"an uplink transfer has one sender, got the links {links}")
        if not 0 <= weight < math.inf:
            raise ValueError(f"weight must be a number of at least 0, got {weight}")
        request = TransferRequest(
            links,
            Unit("bit").parse(bits),
            weight=weight,
            deadline=Unit("s", finite=False).parse(deadline),
        )
        return self.access.carriers[0][self.direction].send(request)

    def move(self, link: int, gain: float) -> None:
        """Set the large-scale gain of a link; rates follow from now on.

        Raises:
            ValueError: There is no such link, or the gain is not above 0 and at most 1.
        """
        if not 0.0 < gain <= 1.0:
            raise ValueError(f"gain must be greater than 0 and at most 1, got {gain}")
        self.access.move(self._number(link), np.array([gain]))
        self.access.carriers[0][self.direction].carrier.refresh()

    def _number(self, link: object) -> int:
        count = self.gains.size
        if not isinstance(link, int | np.integer) or not 0 <= link < count or link is True:
            raise ValueError(f"link must be from 0 to {count - 1}, got {link!r}")
        return int(link)


def band(
    bandwidth: float | str,
    *,
    env: simpy.Environment,
    distances: Sequence[float | str] = (),
    gains: Sequence[float] = (),
    direction: Direction = "uplink",
    allocator: Any = None,
    channel: Mapping[str, Any] | None = None,
    power: float | str = "23 dBm",
    speed: float | str | None = None,
    height: float | str = 1.5,
    seed: int = 0,
    **cell: Any,
) -> Band:
    """Return a band on the clock of a SimPy model.

    It is the band of a scenario with one cell: the same channel, allocators and rates, to the bit.

    Args:
        bandwidth: Hz, or a text such as "20 MHz".
        env: the clock.
        distances: of each terminal, in m; path loss and shadowing follow from the channel.
        gains: linear large-scale gain of each link, in place of distances.
        direction: "uplink" or "downlink".
        allocator: a name, a mapping with `kind`, or an object with the method `shares`.
        channel: `pathloss`, `shadowing` and `fading`, as in a scenario.
        power: W that a terminal radiates (uplink).
        speed: m/s of the terminals, which sets the Doppler shift; 0, with a warning, unless given.
        height: m of the terminals.
        seed: of all that is random.
        cell: other keys of a cell, such as `carrier`, `uplink`, `downlink`, `tdd`.

    Raises:
        ScenarioError: something is wrong; the message names the key.
    """
    if idle := sorted(_ELSEWHERE & cell.keys()):
        raise ScenarioError(f"{idle[0]}: has no part in a band, write a scenario for it")
    if direction not in ("uplink", "downlink"):
        raise ScenarioError(f"direction: must be 'uplink' or 'downlink', got {direction!r}")
    if not isinstance(env, simpy.Environment):
        raise ScenarioError(f"env: must be a simpy.Environment, got {shown(env)}")
    described = {**cell, "bandwidth": bandwidth, **({"channel": channel} if channel else {})}
    named = allocator is None or isinstance(allocator, (str, Mapping))
    if not named and (isinstance(allocator, type) or not hasattr(allocator, "shares")):
        what = "a name, a mapping with `kind` or an object with the method `shares`"
        raise ScenarioError(f"allocator: must be {what}, got {shown(allocator)}")
    given = {
        "cell": described,
        "distances": distances,
        "gains": gains,
        "power": power,
        "speed": 0.0 if speed is None else speed,
        "height": height,
        "seed": seed,
    }
    over = {f"cell.{direction}.allocator": allocator} if named and allocator else {}
    found = typed(_Links, lay_over(document_of(given), document_of(over)))
    if bool(found.distances) == bool(found.gains):
        both = ", not both" if found.gains else ""
        raise ScenarioError(f"distances: give them, or gains, for at least one link{both}")
    config = found.cell
    if not named:
        side = replace(getattr(config, direction), allocator=allocator)
        config = replace(config, **{direction: side})
    large_scale, sight = np.array(found.gains), None
    if found.distances:
        large_scale, sight = _gains(config, found)
    for link, gain in enumerate(large_scale.tolist()):
        if why := unreached(config, found.power, gain, direction):
            warnings.warn(f"band: link {link} is out of reach: {why}", stacklevel=2)
    if speed is None and config.channel.follows_speed:
        warnings.warn(f"band: {FROZEN}; give `speed`", stacklevel=2)
    count = large_scale.size
    access = RadioAccess(
        env,
        [config],
        large_scale[None],
        seed=found.seed,
        watts=np.full(count, found.power),
        speeds=np.full(count, found.speed),
        interference="none",
        load_memory=math.inf,
        sight=sight,
    )
    return Band(access, direction)


def _gains(cell: CellConfig, links: _Links) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return gains and sight of terminals at their distances, each in a direction of its own."""
    count = len(links.distances)
    directions = np.stack(cosine_and_sine(np.arange(count) / count), axis=1)
    model = LargeScale(
        [replace(cell, position=(0.0, 0.0))],
        seed=links.seed,
        heights=np.full(count, links.height),
        moves=np.zeros(count, dtype=bool),
        offsets=lambda positions: positions[:, None, :],
    )
    try:
        found = model.gains(np.arange(count), directions * np.array(links.distances)[:, None])
    except ValueError as error:
        raise ScenarioError(f"distances: {error}") from None
    return np.asarray(found[0]), model.sight
