"""Cross-checks of networks: keys of a scenario that are right alone and do not go together.

Every function takes the parts that it compares and raises a `LocatedError` with the key to blame.
"""

import re
import warnings
from collections.abc import Sequence
from typing import Final

from channel_models import AerialModel, OutOfRangeWarning, PathLoss, Static, doppler_shift
from wfl_sim.config.errors import LocatedError, located
from wfl_sim.device_models.availability import TraceAvailability
from wfl_sim.network.carriers.backhaul_graph import BackhaulGraph
from wfl_sim.radio.bands.band import sampling_step
from wfl_sim.radio.bands.cochannel import check_bands
from wfl_sim.radio.cell import CellConfig, only_wired
from wfl_sim.radio.deployment.layouts import Layout
from wfl_sim.scenario.devices import DeviceGroup

_KEYS: Final = {
    "frequency": ("cells", "carrier"),
    "base_height": ("cells", "height"),
    "terminal_height": ("devices", "height"),
    "distance": ("devices", "area.min_distance"),
}
"""Arguments of a path-loss model, and the keys of a scenario that they come from."""

_LEAST_STEP: Final = 4e-6
"""s between two samples of the fading."""

_DISTANCE: Final = 1e3
"""m; where a device may be at any distance, the path-loss model is evaluated at this one."""


def check_template(cells: Sequence[CellConfig], layout: Layout | None) -> None:
    """Refuse other cells than one template without a position where a layout places them."""
    if layout is not None and len(cells) != 1:
        message = f"must be one cell, the template for the layout, got {len(cells)}"
        raise LocatedError(message, "cells")
    if layout is not None and cells[0].position != (0.0, 0.0):
        raise LocatedError("is that of the layout: leave it out", "cells", 0, "position")


def check_network(
    stations: Sequence[CellConfig],
    layout: Layout | None,
    backhaul: BackhaulGraph | None,
    *,
    interference: bool,
    handover: bool,
) -> None:
    """Refuse cells that cannot work side by side, or that no link connects to the server."""
    if handover and len(stations) == 1:
        raise LocatedError("has no neighbour to go to: there is one cell", "handover")
    if layout is None and interference and len(stations) > 1:
        with located("cells"):
            check_bands(stations)
    if backhaul is not None:
        with located("backhaul"):
            backhaul.check(len(stations))


def check_groups(groups: Sequence[DeviceGroup], layout: Layout | None) -> None:
    """Refuse groups with more devices than their area, mobility or availability can describe."""
    for number, group in enumerate(groups):
        with located("devices", number, "mobility"):
            group.mobility.check(group.count)
        if isinstance(group.availability, TraceAvailability):
            with located("devices", number, "availability"):
                group.availability.check(group.count)
        with located("devices", number, "area"):
            group.area.check(layout, group.count)


def check_sampling(cells: Sequence[CellConfig], groups: Sequence[DeviceGroup]) -> None:
    """Refuse fading that would have to be sampled more often than any run could bear.

    Raises:
        LocatedError: a speed, or a fading model, asks for it.
    """
    for number, cell in enumerate(cells):
        fading = cell.channel.fading
        for group, devices in enumerate(groups):
            if isinstance(fading, Static) or fading_step(cell, devices) >= _LEAST_STEP:
                continue
            step = fading_step(cell, devices)
            message = (
                f"fading would be sampled every {step:.3g} s, the least is {_LEAST_STEP:g} s (500 "
                "km/h at 52.6 GHz): a lower speed or carrier, slower blocks, or `fading: static` "
                "where the Doppler shift is compensated"
            )
            if hasattr(fading, "sampling_step"):
                raise LocatedError(message, "cells", number, "channel", "fading")
            key = "speed" if devices.mobility.pace is None else "mobility"
            raise LocatedError(message, "devices", group, key)


def fading_step(cell: CellConfig, devices: DeviceGroup) -> float:
    """Return the step in s at which the fading of a group in a cell is sampled."""
    return sampling_step(cell.channel.fading, float(doppler_shift(devices.pace, cell.carrier)))


def check_pathloss_range(
    stations: Sequence[CellConfig], groups: Sequence[DeviceGroup], *, one_template: bool
) -> None:
    """Ask every path-loss model for the loss at the nearest place of every group of devices.

    Where devices are in buildings, the loss of their walls, too. The only cell is not asked where
    it is wired.

    Args:
        stations: every base station.
        groups: of devices.
        one_template: whether a scenario writes one cell for all of them.

    Raises:
        LocatedError: a frequency, a height or a distance is outside the model.
    """
    if only_wired(stations):
        return
    for number, cell in enumerate(stations):
        for group, devices in enumerate(groups):
            model, least = cell.channel.pathloss, _least_distance(devices, cell)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", OutOfRangeWarning)
                    model.loss_db(
                        least,
                        cell.carrier,
                        base_height=cell.base_height,
                        terminal_height=devices.height,
                        los=getattr(model, "condition", "mixed") != "nlos",
                    )
                if devices.indoor and cell.channel.link_gains is None:
                    cell.channel.entry.wall_loss_db(cell.carrier)
            except ValueError as error:
                written = 0 if one_template else number
                raise _out_of_range(str(error), model, written, group, devices, least) from None


def _out_of_range(
    message: str, model: PathLoss, cell: int, group: int, devices: DeviceGroup, least: float
) -> LocatedError:
    """Return what a path-loss model refuses as an error at the key that the value comes from.

    Of an area that is `min_distance`, where the least distance from the cell is just that.
    """
    match = re.match(r"(\w+):? (must .*)", message)
    if match is None or match[1] not in _KEYS:
        return LocatedError(message, "cells", cell, "channel", "pathloss")
    section, key = _KEYS[match[1]]
    if section == "cells":
        return LocatedError(match[2], section, cell, key)
    text = match[2]
    if key == "height" and " at most " in text and not isinstance(model, AerialModel):
        text += "; uma-av, umi-av and rma-av go up to 300 m"
    elif key == "area.min_distance" and least != getattr(devices.area, "min_distance", None):
        key = "area"
    return LocatedError(text, section, group, *key.split("."))


def _least_distance(devices: DeviceGroup, cell: CellConfig) -> float:
    """Return the least distance in m from a cell to a group, or 1 km where it is random.

    A device that moves is never taken to be nearer than the model allows.
    """
    least = None if devices.mobility.moves else devices.area.nearest(cell.position)
    return _DISTANCE if least is None else least
