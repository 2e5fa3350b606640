"""Coverage: whether the path-loss model of every cell holds for the devices that may lie in it."""

import math
import re
import warnings
from typing import TYPE_CHECKING, Final

from channel_models import OutOfRangeWarning
from wfl_sim.registry import LocatedError

if TYPE_CHECKING:
    from wfl_sim.cells import Cell
    from wfl_sim.scenario import Area, Scenario

_KEYS: Final = {
    "frequency": ("cells", "carrier"),
    "base_height": ("cells", "height"),
    "terminal_height": ("devices", "height"),
    "distance": ("devices", "area.min_distance"),
}
"""arguments of a path-loss model, and the keys of a scenario that they come from"""


def check_coverage(scenario: "Scenario") -> None:
    """Ask every path-loss model for the loss at the nearest place of every group of devices.

    Raises:
        LocatedError: a frequency, a height or a distance is outside the model.
    """
    for number, cell in enumerate(scenario.cells):
        for group, devices in enumerate(scenario.devices):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", OutOfRangeWarning)
                    cell.channel.pathloss.loss_db(
                        _nearest(devices.area, cell),
                        cell.carrier,
                        base_height=cell.height,
                        terminal_height=devices.height,
                        los=True,
                    )
            except ValueError as error:
                said = re.match(r"(\w+):? (must .*)", str(error))
                if said is None or said[1] not in _KEYS:
                    raise LocatedError(str(error), "cells", number, "channel", "pathloss") from None
                room, key = _KEYS[said[1]]
                index = number if room == "cells" else group
                raise LocatedError(said[2], room, index, *key.split(".")) from None


def _nearest(area: "Area", cell: "Cell") -> float:
    """Return the least distance from a cell to a ring; the radius for a cell within the ring.

    Whether a device comes too near to a cell that stands among the devices is chance.
    """
    away = math.dist(area.centre, cell.position)
    nearest = max(area.min_distance - away, away - area.radius)
    return nearest if nearest > 0 or area.min_distance == away == 0 else area.radius
