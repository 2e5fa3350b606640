"""Cross-checks: keys of a scenario that are right alone and do not go together.

Every function takes the parts that it compares and raises a `LocatedError` with the key to blame.
"""

import re
import warnings
from collections.abc import Sequence
from numbers import Integral
from typing import Any, Final, get_args

from channel_models import AerialModel, OutOfRangeWarning, PathLoss, Static, doppler_shift
from wfl_sim.codecs.codec import CODECS, Codec
from wfl_sim.config.answers import AnswerError
from wfl_sim.config.errors import LocatedError, located
from wfl_sim.data.examples import Padding
from wfl_sim.data.sharding import Data
from wfl_sim.device_models.availability import TraceAvailability
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.synthetic import Synthetic
from wfl_sim.methods.method import (
    METHODS,
    Method,
    SplitModel,
    check_members,
    is_weighted_mean,
    needs_lossless,
    needs_whole_uploads,
    no_error_feedback,
)
from wfl_sim.methods.objectives import Rewards
from wfl_sim.methods.server import AggregationConfig
from wfl_sim.network.carriers.backhaul_graph import BackhaulGraph
from wfl_sim.radio.bands.band import sampling_step
from wfl_sim.radio.bands.cochannel import check_bands
from wfl_sim.radio.cell import CellConfig, only_wired
from wfl_sim.radio.deployment.layouts import Layout
from wfl_sim.rounds import Asynchronous, Centralised, Hierarchical, OverTheAir
from wfl_sim.rounds.policy import Rounds
from wfl_sim.scenario.devices import DeviceGroup

_KEYS: Final = {
    "frequency": ("cells", "carrier"),
    "base_height": ("cells", "height"),
    "terminal_height": ("devices", "height"),
    "distance": ("devices", "area.min_distance"),
}
"""Arguments of a path-loss model, and the keys of a scenario that they come from."""

_ROBUST: Final = ("server", "robust")

_LEAST_STEP: Final = 4e-6
"""s between two samples of the fading."""

_DISTANCE: Final = 1e3
"""m; where a device may be at any distance, the path-loss model is evaluated at this one."""


def check_model(model: Any, data: Data | None, method: Method) -> None:
    """Refuse a pretrained model without data or lengths, and reward models that do not exist."""
    if data is None and not isinstance(model, Synthetic):
        raise LocatedError("is missing: a pretrained model learns from data", "data")
    tokens: Any = 1 if data is None else data.tokens
    if isinstance(tokens, bool) or not isinstance(tokens, Integral) or tokens < 1:
        with located("data"):
            raise AnswerError.of(data, "tokens", "a whole number of at least 1", tokens)
    if (padding := getattr(data, "padding", "fixed")) not in get_args(Padding):
        with located("data"):
            raise AnswerError.of(data, "padding", f"one of {get_args(Padding)}", padding)
    rewards = getattr(method, "rewards", None)
    if isinstance(rewards, Rewards):
        for name in rewards.models:
            try:
                Pretrained(pretrained=name)
            except (ValueError, OSError) as error:
                raise LocatedError(str(error), "method", "rewards") from None


def check_aggregation(
    method: Method, server: AggregationConfig, upload: Codec, download: Codec
) -> None:
    """Refuse what would do nothing, or harm, to the aggregate or to the model of a device."""
    check_members(method)
    if not is_weighted_mean(method):
        server.check(method)
    if needs_lossless(method) and not getattr(download, "lossless", False):
        raise LocatedError(
            f"must be lossless for {METHODS.name_of(method)}, such as fp32, and "
            f"{CODECS.name_of(download)} is not: devices merge what they get, and must come to "
            "the weights of the server",
            "payload",
            "download",
        )
    if needs_whole_uploads(method) and getattr(upload, "relative", False):
        raise LocatedError(
            f"must encode states for {METHODS.name_of(method)}, and {CODECS.name_of(upload)} "
            "encodes changes: what is sent is no change of what was received",
            "payload",
            "upload",
        )
    if (why := no_error_feedback(method)) and getattr(upload, "feedback", False):
        raise LocatedError(
            f"must be without error feedback for {METHODS.name_of(method)} (error_feedback: "
            f"false), since what is lost does not belong to the next upload: {why}",
            "payload",
            "upload",
        )


def check_ranks(method: Method, groups: Sequence[DeviceGroup]) -> None:
    """Refuse a rank of a group where no part of the method has ranks that differ by device."""
    for number, group in enumerate(groups):
        if group.rank is not None and not any(part.by_device for part in method.parts):
            message = f"no part of {METHODS.name_of(method)} has a rank that differs by device"
            raise LocatedError(message, "devices", number, "rank")


def check_rounds(
    rounds: Rounds,
    devices: int,
    method: Method,
    backhaul: BackhaulGraph | None,
    *,
    robust: bool = False,
) -> None:
    """Refuse a round policy that does not go with the method, server or the wired network."""
    if robust and isinstance(rounds, OverTheAir):
        raise LocatedError("needs each upload, and over the air only their sum arrives", *_ROBUST)
    if isinstance(rounds, Centralised):
        for part in method.parts:
            if not (part.shared or part.known):
                name = METHODS.name_of(method)
                message = f"needs a method without private parts; {name} has {part.name!r}"
                raise LocatedError(message, "rounds", "kind")
    rounds.check(devices)
    alone = isinstance(rounds, Asynchronous) and rounds.buffer == 1
    if alone and not is_weighted_mean(method) and any(part.shared for part in method.parts):
        raise LocatedError(
            f"must be at least 2 for {METHODS.name_of(method)}: it combines the uploads of several "
            "devices, and would replace the state of all by that of one",
            "rounds",
            "buffer",
        )
    if not isinstance(rounds, Hierarchical):
        return
    if backhaul is None or not backhaul.edge_servers:
        raise LocatedError(
            "hierarchical needs edge servers: add `edge_servers` to `backhaul`", "rounds"
        )
    if robust:
        raise LocatedError("needs uploads of devices, not averages of edge servers", *_ROBUST)
    if isinstance(method, SplitModel):
        raise LocatedError(
            "must not split the network: edge servers hold no upper part; choose another", "method"
        )
    if not is_weighted_mean(method):
        raise LocatedError("must average, for edge servers do: choose another", "method")


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
    """Refuse cells that cannot work side by side, or that no link connects to the server.

    Args:
        stations: every base station.
        layout: that has placed them, if one has.
        backhaul: the wired network, if it is not one link for each cell.
        interference: whether cells on the same band interfere.
        handover: whether a scenario says how devices change cells.
    """
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

    The only cell is not asked where it is wired.

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
