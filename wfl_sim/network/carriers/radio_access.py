"""Radio access: the carriers of all cells, coupled by interference, and the large-scale gains."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import cache, partial

import numpy as np
import simpy
from numpy.typing import NDArray

from channel_models.validation import FloatArray
from wfl_sim.network.carriers.access_procedure import AccessProcedure, BaseStationSleep, Connections
from wfl_sim.network.carriers.carrier import Carrier
from wfl_sim.network.carriers.cell_carrier import ActivityListener, CellCarrier
from wfl_sim.network.carriers.power_commands import PowerCommands
from wfl_sim.network.carriers.transfer import Transfer
from wfl_sim.network.context import RadioRecord
from wfl_sim.radio.allocation.allocator import SenderFacts, unknown_senders
from wfl_sim.radio.bands.band import build_band
from wfl_sim.radio.bands.block_groups import Slice
from wfl_sim.radio.bands.cochannel import cochannel
from wfl_sim.radio.bands.coupled_cells import CoupledCells
from wfl_sim.radio.bands.load_interference import AverageLoadInterference
from wfl_sim.radio.bands.ofdma import OfdmaBand
from wfl_sim.radio.bands.wifi_medium import WifiMedium, WiredClients
from wfl_sim.radio.cell import CellConfig, Direction
from wfl_sim.radio.power.transmit_power import CellPower, DevicePower, PowerRule
from wfl_sim.radio.traffic import Source
from wfl_sim.randomness import stream

_DIRECTIONS: tuple[Direction, ...] = ("uplink", "downlink")


class RadioAccess:
    """A carrier for every cell and direction, and the large-scale gains of all links.

    Args:
        env: the clock.
        cells: every base station.
        gains: (cells, devices) linear large-scale gains at time zero.
        seed: of the run.
        watts: (devices,) power in W that each device can radiate.
        speeds: (devices,) speed in m/s that determines the Doppler shift.
        interference: "coupled", "load-average" or "none".
        load_memory: time constant in s of the average in "load-average".
        ahead: threads that compute samples of the fading in advance.
        record: keeps samples of all links, if they are wanted.
        senders: what allocators may know of devices.
        sources: background traffic, whose users follow the devices in all arrays.
        sight: (cells, devices) whether fading is that with line of sight; none is unless given.
    """

    def __init__(
        self,
        env: simpy.Environment,
        cells: Sequence[CellConfig],
        gains: FloatArray,
        *,
        seed: int,
        watts: FloatArray,
        speeds: FloatArray,
        interference: str,
        load_memory: float,
        ahead: Executor | None = None,
        record: RadioRecord | None = None,
        senders: SenderFacts = unknown_senders,
        sources: Sequence[Source] = (),
        sight: NDArray[np.bool_] | None = None,
    ) -> None:
        self.env = env
        self._cells = cells
        self._seed = seed
        self._watts = watts
        self._speeds = speeds
        self._interference = interference
        self._load_memory = load_memory
        self._ahead = ahead
        self._record = record
        self._senders = senders
        self._sources = sources
        self._sight = sight
        self.gains = gains.copy()
        """(cells, devices) Present linear large-scale gains."""
        self.sleeps = [
            BaseStationSleep(env, cell.station.waking)
            if cell.station is not None and cell.station.sleeps
            else None
            for cell in cells
        ]
        """Sleep of each base station; None for one that does not sleep."""
        self.carriers: list[dict[Direction, CellCarrier]] = [{} for _ in cells]
        """Uplink and downlink of each cell."""
        self._powers: list[dict[Direction, PowerRule]] = [
            {
                "uplink": DevicePower(
                    watts,
                    np.asarray(cell.power_density(gains[number], begins=True)),
                    float(cell.ideal_blocks is None),
                    cell.uplink.reduced,
                ),
                "downlink": CellPower(cell.downlink.power, cell.blocks),
            }
            for number, cell in enumerate(cells)
        ]
        self._connections = Connections(env)
        self._commands: dict[int, PowerCommands] = {}
        self._bands: dict[Direction, dict[int, OfdmaBand]] = {"uplink": {}, "downlink": {}}
        self._procedures = [
            None
            if cell.access is None
            else AccessProcedure(
                env, cell.access, partial(stream, seed, "access", f"cell-{number}")
            )
            for number, cell in enumerate(cells)
        ]
        for direction in _DIRECTIONS:
            for group in cochannel(cells):
                self._build(direction, group)
        for number, cell in enumerate(cells):
            if not cell.cellular:
                self._build_medium(number, cell)

    def __repr__(self) -> str:
        return f"RadioAccess({len(self._cells)} cells, {len(self._watts)} devices)"

    def uplink_gains(self, number: int, devices: Sequence[int]) -> FloatArray:
        """Return the present power gains of devices to a cell, averaged over its uplink blocks."""
        return np.asarray(self.block_gains("uplink", number, devices).mean(axis=0))

    def block_gains(self, direction: Direction, number: int, devices: Sequence[int]) -> FloatArray:
        """Return the present power gains of devices on each resource block, (blocks, devices)."""
        channel = self._bands[direction][number].channel
        links = np.array(devices, dtype=np.intp)
        return np.asarray(channel.gain(links, channel.index(float(self.env.now)), 1)[0])

    def limit_power(self, watts: FloatArray) -> None:
        """Set the W (devices,) that devices can radiate; rates follow from the next plan on."""
        self._watts[: len(watts)] = watts

    def move(self, device: int, gains: FloatArray) -> None:
        """Set the gains (cells,) of a device; the rates follow when the next plan is made."""
        self.gains[:, device] = gains
        for number in range(len(self._cells)):
            self._set_density(number, device)

    def _build(self, direction: Direction, group: list[int]) -> None:
        """Build the carriers of co-channel cells in one direction."""
        interference = self._interference if len(group) > 1 else "none"
        # Coupled cells ask for many links for a short time: much of what is made ahead is not used.
        ahead = None if interference == "coupled" else self._ahead
        bands = {number: self._band(direction, number, ahead) for number in group}
        self._bands[direction] |= bands
        if interference == "coupled":
            devices = len(self._watts)
            medium = CoupledCells(tuple(bands.values()), devices, direction)
            name = f"cell-{group[0]}-and-{len(group) - 1}-more/{direction}"
            carrier = Carrier(self.env, name, medium, self._record, partial(_forget, medium.bands))
            for place, number in enumerate(group):
                self._add(number, direction, carrier, first_link=place * devices)
            return
        loads = None
        if interference == "load-average":
            loads = AverageLoadInterference(
                direction,
                group,
                self.gains,
                [self._powers[number][direction] for number in group],
                self._cells[group[0]].blocks,
                self._load_memory,
                clock=lambda: float(self.env.now),
                beams=np.array([self._cells[number].beam_gain for number in group]),
            )
        for place, (number, band) in enumerate(bands.items()):
            listeners: list[ActivityListener] = []
            if loads is not None:
                band = replace(band, background=partial(loads.interference, place))
                listeners = [partial(loads.changed, place)]
                if not self._load_memory:
                    listeners.append(partial(self._refresh_others, direction, group, number))
            name = f"cell-{number}/{direction}"
            carrier = Carrier(self.env, name, band, self._record, partial(_forget, [band]))
            self._add(number, direction, carrier, listeners=listeners)

    def _build_medium(self, number: int, cell: CellConfig) -> None:
        """Build the one carrier of a cell that is not of NR, for both directions."""
        bands = {each: self._band(each, number, self._ahead) for each in _DIRECTIONS}
        for direction, band in bands.items():
            self._bands[direction][number] = band
        devices, medium = len(self._watts), None
        if cell.wifi is not None:
            medium = WifiMedium(wifi=cell.wifi, width=cell.bandwidth, devices=devices, **bands)
        found = medium or WiredClients(cell.wired or 0.0)
        idle = partial(_forget, list(bands.values()))
        carrier = Carrier(self.env, f"cell-{number}", found, self._record, idle)
        self._add(number, "uplink", carrier)
        self._add(number, "downlink", carrier, first_link=devices)

    def _refresh_others(
        self, direction: Direction, group: list[int], number: int, device: int, begins: bool
    ) -> None:
        """Plan anew in the other cells of a group: what they receive has changed."""
        for other in group:
            if other != number:
                self.carriers[other][direction].carrier.refresh()

    def _add(
        self,
        number: int,
        direction: Direction,
        carrier: Carrier,
        *,
        first_link: int = 0,
        listeners: Sequence[ActivityListener] = (),
    ) -> None:
        cell, sleep = self._cells[number], self.sleeps[number]
        config = cell.uplink if direction == "uplink" else cell.downlink
        control, rule = cell.uplink.power_control, self._powers[number][direction]
        if control is not None and control.closed is not None and isinstance(rule, DevicePower):
            self._commands[number] = commands = PowerCommands(
                self.env,
                control.closed,
                rule,
                carrier,
                first_link,
                tuple(each.level for each in cell.uplink.modulations) or (1.0,),
                partial(self._set_density, number),
            )
            listeners = [*listeners, commands.note]
        self.carriers[number][direction] = CellCarrier(
            carrier,
            first_link,
            delay=config.access_delay,
            header=config.header,
            duty=cell.duty(direction) if cell.wired is None else 0.0,
            sleep=sleep,
            reduced=cell.uplink.reduced if direction == "uplink" else 1.0,
            listeners=listeners if sleep is None else [*listeners, sleep.note],
            direction=direction,
            procedure=self._procedures[number],
            repair=self._repair(number, direction),
            transport=None if cell.transport is None else (cell.transport, self._connections),
        )

    def _repair(self, number: int, direction: Direction) -> Callable[[int, Transfer], float] | None:
        """Return what gives the seconds that HARQ adds to a transfer of a device."""
        cell = self._cells[number]
        harq = (cell.uplink if direction == "uplink" else cell.downlink).harq
        if harq is None:
            return None
        draws = cache(partial(stream, self._seed, "harq", f"cell-{number}", direction))
        slot, duty = 15.0 / cell.subcarrier_spacing, cell.duty(direction)
        return lambda device, sent: harq.delay(sent.airtime, slot, duty, draws(device))

    def _band(self, direction: Direction, number: int, ahead: Executor | None) -> OfdmaBand:
        return build_band(
            direction,
            self._cells[number],
            f"cell-{number}",
            seed=self._seed,
            gains=self.gains[number],
            speeds=self._speeds,
            power=self._powers[number][direction],
            ahead=ahead,
            recorded=self._record is not None,
            senders=self._senders,
            sight=None if self._sight is None else self._sight[number],
            cells=len(self._cells),
            slices=[
                Slice(each.links, each.traffic.reserved)
                for each in self._sources
                if each.cell == number
                and each.traffic.direction == direction
                and each.traffic.reserved
            ],
        )

    def _set_density(self, number: int, device: int) -> None:
        """Set the W on a resource block that power control asks for."""
        rule, commands = self._powers[number]["uplink"], self._commands.get(number)
        asked = self._cells[number].power_density(self.gains[number, device], begins=True)
        assert isinstance(rule, DevicePower)
        rule.density[device] = asked * (1.0 if commands is None else commands.factor(device))


def _forget(bands: Sequence[OfdmaBand]) -> None:
    """Free memory of bands on which nobody is on the air."""
    for band in bands:
        for channel in (band.channel, band.known):
            if channel is not None:
                channel.forget()
