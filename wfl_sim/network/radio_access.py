"""Sky: the carriers of all cells, and how cells hear one another."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial

import numpy as np
import simpy
from numpy.typing import NDArray

import channel_models as cm
from wfl_sim.network.carrier import Carrier
from wfl_sim.network.cell_carrier import CellCarrier
from wfl_sim.radio.band import build_band
from wfl_sim.radio.cell import CellConfig, Direction
from wfl_sim.radio.cochannel import cochannel
from wfl_sim.radio.interference import CoupledCells
from wfl_sim.radio.load_interference import AverageLoadInterference
from wfl_sim.radio.ofdma import OfdmaBand
from wfl_sim.radio.transmit_power import CellPower, DevicePower, PowerRule

_DIRECTIONS: tuple[Direction, ...] = ("uplink", "downlink")


class RadioAccess:
    """The air interface: a carrier for every cell and direction, and the gains behind them."""

    def __init__(
        self,
        env: simpy.Environment,
        cells: Sequence[CellConfig],
        gains: NDArray[np.float64],
        *,
        seed: int,
        watts: NDArray[np.float64],
        speeds: NDArray[np.float64],
        interference: str,
        load_memory: float,
        ahead: Executor | None = None,
    ) -> None:
        """Build the bands.

        Args:
            env: the clock.
            cells: every base station.
            gains: (cells, devices) linear large-scale gains at time zero.
            seed: of the run.
            watts: (devices,) W that each device can radiate.
            speeds: (devices,) m/s that set the Doppler shifts.
            interference: "coupled", "load-average" or "none".
            load_memory: s, time constant of the average in "load-average".
            ahead: threads that make samples of the fading ahead.
        """
        self._env = env
        self._ahead = ahead
        self._cells = cells
        self._seed = seed
        self._interference = interference
        self._load_memory = load_memory
        self.gains = gains.copy()
        """(cells, devices) the present ones"""
        self._watts = watts
        self._speeds = speeds
        self._powers: list[Mapping[Direction, PowerRule]] = [
            {
                "uplink": DevicePower(self._watts, self._density(number, slice(None))),
                "downlink": CellPower(cell.downlink.power, cell.blocks),
            }
            for number, cell in enumerate(self._cells)
        ]
        self._uplinks: dict[int, OfdmaBand] = {}
        found: list[dict[Direction, CellCarrier]] = [{} for _ in self._cells]
        for direction in _DIRECTIONS:
            for group in cochannel(self._cells):
                for number, port in self._ports(env, direction, group).items():
                    found[number][direction] = port
        self.ports: list[Mapping[Direction, CellCarrier]] = list(found)
        """of each cell"""

    def __repr__(self) -> str:
        return f"Sky({len(self._cells)} cells, {len(self._watts)} devices)"

    def heard(self, number: int, devices: Sequence[int]) -> NDArray[np.float64]:
        """Return the power gains of devices to a cell now, on average over its uplink's blocks."""
        channel = self._uplinks[number].channel
        links = np.array(devices, dtype=np.intp)
        now = channel.index(float(self._env.now))
        return np.asarray(channel.gain(links, now, 1)[0].mean(axis=0))

    def move(self, device: int, gains: NDArray[np.float64]) -> None:
        """Give a device other gains (cells,); the rates follow where plans are made anew."""
        self.gains[:, device] = gains
        for number, powers in enumerate(self._powers):
            rule = powers["uplink"]
            if isinstance(rule, DevicePower):
                rule.density[device] = self._density(number, device)

    def _ports(
        self, env: simpy.Environment, direction: Direction, group: list[int]
    ) -> dict[int, CellCarrier]:
        bands = {number: self._band(direction, number) for number in group}
        if direction == "uplink":
            self._uplinks |= bands
        kind = self._interference
        if kind == "coupled" and len(group) > 1:
            medium = CoupledCells(tuple(bands.values()), len(self._watts), direction)
            name = f"cell-{group[0]}-and-{len(group) - 1}-more/{direction}"
            carrier = Carrier(env, name, medium)
            return {n: CellCarrier(carrier, i * len(self._watts)) for i, n in enumerate(group)}
        if kind == "load-average" and len(group) > 1:
            loads = AverageLoadInterference(
                direction,
                group,
                self.gains,
                [self._powers[number][direction] for number in group],
                self._cells[group[0]].blocks,
                self._load_memory,
                clock=lambda: float(env.now),
            )
            return {
                number: CellCarrier(
                    Carrier(
                        env,
                        f"cell-{number}/{direction}",
                        replace(bands[number], background=partial(loads.heard, place)),
                    ),
                    changed=partial(loads.changed, place),
                )
                for place, number in enumerate(group)
            }
        return {
            number: CellCarrier(Carrier(env, f"cell-{number}/{direction}", bands[number]))
            for number in group
        }

    def _band(self, direction: Direction, number: int) -> OfdmaBand:
        return build_band(
            direction,
            self._cells[number],
            f"cell-{number}",
            seed=self._seed,
            gains=self.gains[number],
            speeds=self._speeds,
            power=self._powers[number][direction],
            ahead=self._ahead,
        )

    def _density(self, number: int, devices: int | slice) -> NDArray[np.float64]:
        """W on a resource block that power control asks of devices; infinite without it."""
        cell, gains = self._cells[number], self.gains[number, devices]
        if cell.uplink.power_control is None:
            return np.full(np.shape(gains), np.inf)
        numerology = cm.numerology(cell.subcarrier_spacing)
        return np.asarray(cell.uplink.power_control.density(gains, numerology))
