"""Coverage: whether the path-loss model of every cell holds for the devices that may lie in it."""

import re
import warnings
from collections.abc import Sequence
from typing import Final

from channel_models import OutOfRangeWarning
from wfl_sim.config.errors import LocatedError
from wfl_sim.radio.areas import Positions
from wfl_sim.radio.cell import CellConfig
from wfl_sim.scenario.devices import DeviceGroup

_KEYS: Final = {
    "frequency": ("cells", "carrier"),
    "base_height": ("cells", "height"),
    "terminal_height": ("devices", "height"),
    "distance": ("devices", "area.min_distance"),
}
"""arguments of a path-loss model, and the keys of a scenario that they come from"""


_FAR: Final = 1e3


def check_pathloss_range(
    cells: Sequence[CellConfig], groups: Sequence[DeviceGroup], *, one_template: bool
) -> None:
    """Ask every path-loss model for the loss at the nearest place of every group of devices.

    Args:
        cells: every base station.
        groups: of devices.
        one_template: whether a scenario writes one cell for all of them.

    Raises:
        LocatedError: a frequency, a height or a distance is outside the model.
    """
    for number, cell in enumerate(cells):
        written = 0 if one_template else number
        for group, devices in enumerate(groups):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", OutOfRangeWarning)
                    cell.channel.pathloss.loss_db(
                        _nearest(devices, cell),
                        cell.carrier,
                        base_height=cell.height,
                        terminal_height=devices.height,
                        los=True,
                    )
            except ValueError as error:
                said = re.match(r"(\w+):? (must .*)", str(error))
                if said is None or said[1] not in _KEYS:
                    raise LocatedError(
                        str(error), "cells", written, "channel", "pathloss"
                    ) from None
                room, key = _KEYS[said[1]]
                index = written if room == "cells" else group
                if room == "devices" and isinstance(devices.area, Positions):
                    key = "area"
                raise LocatedError(said[2], room, index, *key.split(".")) from None


def _nearest(devices: DeviceGroup, cell: CellConfig) -> float:
    """Return the least distance from a cell to a group, or 1 km where it is a matter of chance.

    A device that moves is never taken to be nearer than the model allows.
    """
    nearest = None if devices.moves else devices.area.nearest(cell.position)
    return _FAR if nearest is None else nearest
