"""Fading behind screens that cross the path: blockage model B of 3GPP TR 38.901."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from channel_models.elementary import cosine_and_sine, log10
from channel_models.fading.blocked_process import BlockedProcess, knife_edge, law_behind
from channel_models.fading.process import check_doppler
from channel_models.laws.power import EmpiricalPower
from channel_models.protocols import Fading, FadingProcess
from channel_models.units import Elevation, MetresPerSecond, NonNegativeMetres, PositiveMetres
from channel_models.validation import FloatArray, PositiveInteger, Validated

_NEAREST: Final = 0.5
"""m from the terminal to the nearest screen."""


def screen_loss_db(
    distance: ArrayLike,
    offset: ArrayLike,
    *,
    width: float,
    height: float,
    terminal_height: float,
    wavelength: float,
    elevation: float = 0.0,
) -> Any:
    """Loss in dB of an upright screen that faces the path, by its four edges (section 7.6.4.2).

    ``-20 log10(1 - (F_h1 + F_h2)(F_w1 + F_w2))`` with ``F = +-arctan(pi/2 sqrt(pi (D1 - r') /
    lambda)) / pi``: D1 is the distance from the terminal to an edge, seen from the side (h) or from
    above (w), and r' its projection on the path, as for a base station much farther away. The sign
    is minus for the near edge of a screen beside, above or below the path.

    Args:
        distance: from the terminal to the screen along the ground, m.
        offset: of the screen's centre from the path, seen from above, m.
        width: of the screen, m.
        height: of the screen, which stands on the ground, m.
        terminal_height: height of the terminal, m.
        wavelength: in m.
        elevation: angle in rad by which the path rises from the terminal.
    """
    away, aside = np.asarray(distance, dtype=float), np.asarray(offset, dtype=float)
    cosine, sine = cosine_and_sine(elevation / (2.0 * np.pi))

    def edge(along: FloatArray, across: FloatArray) -> FloatArray:
        detour = across * across / (np.sqrt(along * along + across * across) + along)
        return knife_edge(detour / wavelength, across)

    def upright(top: float) -> tuple[FloatArray, FloatArray]:
        return away * cosine + top * sine, top * cosine - away * sine

    along, across = upright(-terminal_height)
    vertical = edge(*upright(height - terminal_height)) + edge(along, -across)
    horizontal = edge(away, width / 2.0 + aside) + edge(away, width / 2.0 - aside)
    return (-20.0 * log10(1.0 - vertical * horizontal))[()]


@dataclass(frozen=True, kw_only=True)
class Screens(Validated):
    """``fading`` behind ``blockers`` that cross the path in front of a terminal (model B).

    They are ``width`` x ``height`` m, people of table 7.6.4.2-5 unless given (vehicles: 4.8 x 1.4
    m), at distances uniform up to ``reach``, and cross a strip of ``strip`` m around the path at
    right angles; one that leaves it enters at the other side, so their places in it are uniform at
    any time. Speeds are uniform up to ``speed``, and that of the terminal adds to each. The whole
    link is behind them, as if it were the direct path, which rises by ``elevation`` (rad); losses
    add in dB.
    """

    fading: Fading
    wavelength: PositiveMetres
    blockers: PositiveInteger = 4
    width: PositiveMetres = 0.3
    height: PositiveMetres = 1.7
    speed: MetresPerSecond = 3 / 3.6
    reach: PositiveMetres = 10.0
    strip: PositiveMetres = 10.0
    terminal_height: NonNegativeMetres = 1.5
    elevation: Elevation = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reach <= _NEAREST:
            raise ValueError(f"reach must be above {_NEAREST} m, got {self.reach:g} m")
        if self.strip <= self.width:
            raise ValueError(f"strip must be wider than a blocker, {self.width:g} m")

    def loss_db(self, distance: ArrayLike, offset: ArrayLike) -> Any:
        """Loss in dB of one blocker; see `screen_loss_db`."""
        return screen_loss_db(
            distance,
            offset,
            width=self.width,
            height=self.height,
            terminal_height=self.terminal_height,
            wavelength=self.wavelength,
            elevation=self.elevation,
        )

    @cached_property
    def law(self) -> EmpiricalPower:
        """Law of the power; see `law_behind`."""
        distance = _NEAREST + (self.reach - _NEAREST) * (np.arange(50) + 0.5) / 50
        offset = self.strip / 2.0 * (np.arange(1000) + 0.5) / 1000
        loss = self.loss_db(distance[:, None], offset)
        return law_behind(self.fading, loss, 1.0, self.blockers)

    def realise(self, streams: Sequence[np.random.Generator], doppler: ArrayLike) -> FadingProcess:
        """Draw links: their fading first, then distances, places and speeds of their blockers."""
        shifts = check_doppler(doppler, streams)
        fading = self.fading.realise(streams, shifts)
        drawn = np.array([stream.uniform(size=(3, self.blockers)) for stream in streams])
        distance, place = _NEAREST + (self.reach - _NEAREST) * drawn[:, 0], drawn[:, 1]
        # The third number is direction and speed at once: from full speed back to full speed on.
        pace = 2.0 * drawn[:, 2] - 1.0
        speed = pace * self.speed + np.sign(pace) * (shifts * self.wavelength)[:, None]

        def loss(moments: FloatArray, links: NDArray[np.intp]) -> FloatArray:
            turns = place[links, :, None] + speed[links, :, None] * moments / self.strip
            offset = (turns - np.floor(turns) - 0.5) * self.strip
            return np.asarray(self.loss_db(distance[links, :, None], offset).sum(axis=1))

        return BlockedProcess(self, fading, loss, len(streams))
