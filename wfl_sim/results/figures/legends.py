"""Legends of all figures: what they name, and as many columns as fit."""

from collections.abc import Sequence
from textwrap import fill
from typing import Final

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from wfl_sim.results.figures.style import share_of_figure

HANDLE: Final = 9
"""Characters that the line or patch of a legend entry takes."""
_ROOM: Final = 0.8
"""Share of a panel's width that its axes leave."""
LINE: Final = 0.21
"""Inches of a line of a legend."""


def add_legend(figure: Figure, handles: Sequence[Artist], width: int) -> None:
    """Put a legend below a figure that is `width` characters wide; longer entries are wrapped."""
    wrap_labels(handles, width)
    count = columns(handles, width)
    figure.legend(handles=list(handles), loc="outside lower center", ncols=count)


def legend_height(handles: Sequence[Artist], width: int) -> float:
    """Return the inches that a legend below a figure takes beyond its first two rows."""
    wrap_labels(handles, width)
    return LINE * max(legend_rows(handles, columns(handles, width)) - 2, 0)


def legend_rows(handles: Sequence[Artist], count: int) -> int:
    """Return the lines of text that a legend of so many columns has, wrapped ones included."""
    lines = [1 + str(handle.get_label()).count("\n") for handle in handles]
    return max(int(sum(column)) for column in np.array_split(lines, count))


def wrap_labels(handles: Sequence[Artist], width: int) -> None:
    """Wrap the labels of a legend that are wider than `width` characters."""
    for handle in handles:
        handle.set_label(fill(str(handle.get_label()), max(width - HANDLE, 2 * HANDLE)))


def columns(handles: Sequence[Artist], width: int) -> int:
    """Return how many columns of a legend fit side by side into `width` characters."""
    lengths = [max(map(len, str(h.get_label()).split("\n"))) + HANDLE for h in handles]
    fitting = (
        count
        for count in range(len(lengths), 1, -1)
        if sum(max(column) for column in np.array_split(lengths, count)) <= width
    )
    return next(fitting, 1)


def entries(legend: Legend) -> list[Artist]:
    """Return what a legend names, its title before each name, if it has one."""
    handles = [handle for handle in legend.legend_handles if handle is not None]
    for handle in handles if (title := legend.get_title().get_text()) else ():
        handle.set_label(f"{title} {handle.get_label()}")
    return handles


def taken_legends(figure: Figure, width: int) -> list[Artist]:
    """Take the legends of a figure away that is `width` characters wide; return what they name.

    So are those of panels that are narrower than all they name side by side.
    """
    legends = figure.legends[:]
    for axes in figure.axes:
        if own := axes.get_legend():
            needed = sum(len(text.get_text()) + HANDLE for text in own.get_texts())
            legends += [own] if needed > _ROOM * width * share_of_figure(axes)[0] else []
    named = {str(each.get_label()): each for one in legends for each in entries(one)}
    for legend in legends:
        legend.remove()
    return [*named.values()]


def fewest_rows(handles: Sequence[Artist], width: int) -> int:
    """Wrap the labels of a legend so that it is low; return its number of columns.

    One long label, on a line of its own, would leave all others one below the other.
    """
    texts = [str(handle.get_label()) for handle in handles]
    longest = max((len(word) for text in texts for word in text.split()), default=0)
    found = dict[int, tuple[int, int]]()
    for room in range(max(longest, 2 * HANDLE), max(width - HANDLE, longest, 2 * HANDLE) + 1):
        wrap_labels(handles, room + HANDLE)
        fitting = columns(handles, width)
        found[room] = legend_rows(handles, fitting), fitting
        for handle, text in zip(handles, texts, strict=True):
            handle.set_label(text)
    widest = min(reversed(found), key=lambda room: found[room])
    wrap_labels(handles, widest + HANDLE)
    return found[widest][1]
