"""Links: the distributions of SINR and rate over all transfers."""

from collections.abc import Iterator, Sequence
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from wfl_sim.results.figures.legends import add_legend
from wfl_sim.results.figures.look import Drawing, saved
from wfl_sim.results.figures.style import halos, line_handles, line_styles, logarithmic
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import by_label
from wfl_sim.results.totals import transfers

LINKS_HEADER: Final = ("label", "activity", "quantity", "value", "share")
_QUANTITIES: Final = {
    "mean_sinr_db": ("mean SINR of a transfer (dB)", 1.0),
    "mean_rate": ("mean rate of a transfer (Mbit/s)", 1e-6),
}


@saved
def links(runs: Sequence[Run]) -> Iterator[Drawing]:
    """Draw the distribution functions of SINR and rate, separately for uploads and downloads.

    Transfers of all seeds of a label are pooled with equal weights. The parts of a transfer before
    and after a handover count separately. Labels that send nothing over the air are not named.

    Named `links`; none if nothing was sent over the air.
    """
    labels = by_label(runs)
    activities = [
        activity
        for activity in ("upload", "download")
        if transfers(runs, activity, "mean_rate").size
    ]
    if not activities:
        return
    rows: list[tuple[object, ...]] = []
    figure = Figure(figsize=(9.6, 0.9 + 2.9 * len(activities)))
    panels = figure.subplots(len(activities), 2, squeeze=False)
    styles = line_styles(labels)
    known: set[str] = set()
    cases = [(activity, quantity) for activity in activities for quantity in _QUANTITIES]
    for axes, (activity, quantity) in zip(panels.flat, cases, strict=True):
        title, factor = _QUANTITIES[quantity]
        pooled = {name: transfers(of, activity, quantity) for name, of in labels.items()}
        sent = {label: found for label, found in pooled.items() if found.size}
        known |= set(sent)
        extra = halos([(found, found) for found in sent.values()])
        for (label, found), wider in zip(sent.items(), extra, strict=True):
            share = (np.arange(found.size) + 1) / found.size
            width = mpl.rcParams["lines.linewidth"] * (1 + wider)
            style = {**styles[label], "marker": "", "lw": width}
            x, y = np.append(found[0], found) * factor, np.append(0, share)
            axes.step(x, y, where="post", **style)
            pairs = zip(found.tolist(), share.tolist(), strict=True)
            rows += [(label, activity, quantity, *pair) for pair in pairs]
        axes.set_xlabel(title)
        axes.set_ylabel(f"share of {activity}s below")
        axes.set_ylim(0, 1)
        if quantity == "mean_rate":
            logarithmic(axes, "x", axes.dataLim.minposx, axes.dataLim.x1)
    if len(labels) > 1:
        shown = {label: style for label, style in styles.items() if label in known}
        add_legend(figure, line_handles(shown, marker=""), width=115)
    yield Drawing("links", figure, LINKS_HEADER, rows)
