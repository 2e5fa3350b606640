"""Radio samples: who holds which resource blocks when, and the SINR on the blocks of one link."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from channel_models.validation import FloatArray
from wfl_sim.results.figures.legends import add_legend
from wfl_sim.results.figures.look import Drawing, saved
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import lowest_seeds
from wfl_sim.results.tables import file_name, natural_key

MOST_NAMED: Final = 7
"""Devices with a colour, as many as the style has."""
OTHERS: Final = "#CCCCCC"
MOST_SAMPLES: Final = 400
"""Moments that are shown, from the first on."""


@saved
def blocks(runs: Sequence[Run]) -> Iterator[Drawing]:
    """Draw which device holds which resource block over time, for the lowest seed of each label.

    It is the uplink of the cell with the most samples, from its first sample on. A divided block
    has the colour of the last of its devices. Of more than 7 devices the 7 with the most blocks
    have a colour, and all others are grey.

    Named `blocks-<label>`; none without samples of the radio.
    """
    for label, run in _sampled(runs).items():
        rows, cell = _busiest(run, "cell")
        holders = list(zip(rows["device"].tolist(), rows["blocks"], strict=True))
        counts: Counter[str] = Counter()
        for device, held in holders:
            counts[device] += len(held)
        known = [device for device, _ in counts.most_common(MOST_NAMED)]
        names = sorted(known, key=natural_key)
        rank = {device: number for number, device in enumerate(names)}
        values = [
            np.full(len(held), float(rank.get(device, MOST_NAMED))) for device, held in holders
        ]
        times, picture = _picture(rows, values)
        if len(counts) > MOST_NAMED:
            names.append(f"{len(counts) - MOST_NAMED} more")
        colours = [*mpl.rcParams["axes.prop_cycle"].by_key()["color"], OTHERS][: len(names)]
        figure = Figure(figsize=(9.6, 4.2))
        axes = figure.subplots()
        norm = BoundaryNorm(np.arange(len(names) + 1) - 0.5, len(names))
        _show(axes, times, picture, ListedColormap(colours), norm)
        figure.suptitle(f"{label}, seed {run.seed}: uplink of {cell}")
        handles = [Patch(color=c, label=name) for c, name in zip(colours, names, strict=True)]
        add_legend(figure, handles, width=115)
        name = file_name("blocks", label)
        yield Drawing(name, figure, ("time", "device", "block"), _rows(rows))


@saved
def spectrogram(runs: Sequence[Run]) -> Iterator[Drawing]:
    """Draw the SINR on the blocks of one link over time, for the lowest seed of each label.

    It is the uplink of the device with the most samples; blocks that it does not hold are white.

    Named `spectrogram-<label>`; none without samples of the radio.
    """
    for label, run in _sampled(runs).items():
        rows, device = _busiest(run, "device")
        times, picture = _picture(rows, list(rows["block_sinr_db"]))
        figure = Figure(figsize=(9.6, 4.2))
        axes = figure.subplots()
        low, high = np.nanpercentile(picture, (2, 98))
        image = _show(axes, times, picture, mpl.colormaps["cividis"], Normalize(low, high))
        figure.colorbar(image, ax=axes, label="SINR on a block (dB)", extend="both")
        figure.suptitle(f"{label}, seed {run.seed}: uplink of {device}")
        name, header = file_name("spectrogram", label), ("time", "device", "block", "sinr_db")
        yield Drawing(name, figure, header, _rows(rows, "block_sinr_db"))


def _sampled(runs: Sequence[Run]) -> dict[str, Run]:
    return {
        label: run
        for label, run in lowest_seeds(runs).items()
        if (run.radio_arrays["direction"] == "uplink").any()
    }


def _busiest(run: Run, column: str) -> tuple[dict[str, NDArray[Any]], str]:
    """Return the first samples of the uplink of the cell, or device, with the most of them."""
    samples = run.radio_arrays
    up = (samples["direction"] == "uplink") & (samples["held"] > 0)
    names, counts = np.unique(samples[column][up], return_counts=True)
    name = str(names[counts.argmax()])
    mine = np.flatnonzero(up & (samples[column] == name))
    times = np.unique(samples["time"][mine])
    mine = mine[samples["time"][mine] <= times[:MOST_SAMPLES][-1]]
    return {key: values[mine] for key, values in samples.items()}, name


def _picture(
    rows: dict[str, NDArray[Any]], values: Sequence[NDArray[Any]]
) -> tuple[FloatArray, FloatArray]:
    """Return times in s at even distances, and (blocks, times) values; NaN where there are none."""
    known = np.unique(rows["time"])
    step = float(np.diff(known).min()) if len(known) > 1 else 1.0
    place = np.round((rows["time"] - known[0]) / step).astype(int)
    place, kept = np.minimum(place, MOST_SAMPLES), place < MOST_SAMPLES
    size = max(max(each, default=0) for each in rows["blocks"]) + 1
    picture = np.full((size, int(place[kept].max()) + 1), np.nan)
    for number in np.flatnonzero(kept).tolist():
        picture[np.asarray(rows["blocks"][number], int), place[number]] = values[number]
    return known[0] + step * np.arange(picture.shape[1] + 1), picture


def _show(
    axes: Axes, times: FloatArray, picture: FloatArray, colours: Colormap, norm: Normalize
) -> AxesImage:
    image = axes.imshow(
        picture,
        extent=(times[0], times[-1], -0.5, len(picture) - 0.5),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap=colours,
        norm=norm,
    )
    axes.grid(visible=False)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("simulated time (s)")
    axes.set_ylabel("resource block")
    return image


def _rows(rows: dict[str, NDArray[Any]], values: str = "") -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for number, held in enumerate(rows["blocks"]):
        row = rows["time"][number], rows["device"][number]
        more = [()] * len(held) if not values else [(float(v),) for v in rows[values][number]]
        found += [(*row, int(block), *each) for block, each in zip(held, more, strict=True)]
    return found
