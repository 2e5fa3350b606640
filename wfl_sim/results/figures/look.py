"""The look of figures, on a screen, in a paper or on a slide, and how they are saved."""

import logging
import pickle
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import wraps
from importlib.resources import as_file, files
from io import BytesIO
from pathlib import Path
from textwrap import fill
from typing import Any, Final, Literal, NamedTuple, Protocol, get_args

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator

from wfl_sim.results.figures.fonts import drawable, fallbacks
from wfl_sim.results.figures.legends import (
    LINE,
    entries,
    fewest_rows,
    legend_rows,
    taken_legends,
)
from wfl_sim.results.figures.style import share_of_figure, take_names
from wfl_sim.results.run import Run
from wfl_sim.results.tables import apart, cut, file_name, write_csv, write_whole

Style = Literal["screen", "ieee", "acm", "slide"]
Format = Literal["png", "svg", "pdf"]

WIDTHS: Final[dict[Style, float]] = {"ieee": 3.5, "acm": 3.33, "slide": 10.0}
"""Widths in inches: a column of IEEEtran, one of acmart (sigconf), a slide of 10 by 5.6."""
_LETTERS: Final = 9.3
"""Characters of a title to an inch."""
_SIZES: Final[dict[Style, tuple[float, float]]] = {
    "ieee": (7.0, 8.0),
    "acm": (7.0, 8.0),
    "slide": (14.0, 18.0),
}
"""Least and largest size of text, in points."""
_SEEDS: Final = re.compile(r"[ \n]\((seeds: \d+|\d+ seeds?)\)$")
_METADATA: Final[dict[str, dict[str, str | None]]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": "wfl_sim"},
    "pdf": {"CreationDate": None, "Creator": "wfl_sim", "Producer": None},
}


class Drawing(NamedTuple):
    """A figure and its numbers."""

    name: str
    """File name without suffix."""
    figure: Figure
    header: Sequence[str]
    rows: Iterable[Sequence[object]]
    """Of the CSV."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """How figures are drawn and saved.

    In all styles but `screen` every panel is a figure of its own, without titles and numbers of
    seeds, which stand in a caption.

    Raises:
        ValueError: An unknown style or format, or a width that no page has.
    """

    style: Style = "screen"
    width: float | None = None
    """Inches of a figure, or of a panel; that of the style unless given."""
    formats: tuple[Format, ...] = ("png", "svg")
    error_bars: bool = False
    """Whether intervals along a curve are bars at some points, not a band."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What to write in place of names of labels, axes and metrics."""
    on_name: Callable[[str], object] = field(default=lambda _: None, repr=False, compare=False)
    """Called with those of `names` that stand in a figure."""

    def __post_init__(self) -> None:
        if self.style not in (known := get_args(Style)):
            raise ValueError(f"style must be one of {', '.join(known)}, got {self.style!r}")
        if not self.formats or not set(self.formats) <= set(known := get_args(Format)):
            got = ", ".join(self.formats) or "none"
            raise ValueError(f"formats must be some of {', '.join(known)}, got {got}")
        if self.width is not None and not 1.0 <= self.width <= 40.0:
            raise ValueError(f"width must be 1 to 40 inches, got {self.width:g}")

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Draw and save in this look; the caller's settings come back afterwards."""
        folder = files("wfl_sim.results.figures")
        with ExitStack() as stack:
            names = ["style", *([self.style] if self.style != "screen" else [])]
            paths = [stack.enter_context(as_file(folder / f"{each}.mplstyle")) for each in names]
            stack.enter_context(mpl.rc_context())
            for path in paths:
                mpl.rcParams.update(mpl.rc_params_from_file(path, use_default_template=False))
            mpl.rcParams["font.family"] = [*mpl.rcParams["font.family"], *fallbacks()]
            # A font for some signs need not have every weight.
            fonts = logging.getLogger("matplotlib.font_manager")
            stack.callback(fonts.setLevel, fonts.level)
            fonts.setLevel(logging.ERROR)
            yield

    def save(
        self,
        figure: Figure,
        folder: Path | str,
        name: str,
        header: Sequence[str],
        rows: Iterable[Sequence[object]],
    ) -> list[Path]:
        """Write `<name>` in each format and `<name>.csv` into a folder; return the paths.

        Panels of their own add their number and what tells them apart to the name: title, or axis.
        The folder is made if it does not exist. Equal figures give equal files: no date is written,
        and the identifiers in the SVG have a fixed salt.
        """
        folder, paths = Path(folder), list[Path]()
        for ending, drawn in self._figures(figure):
            self._finish(drawn)
            for kind in self.formats:
                path = folder / f"{cut(name, 100) if ending else name}{ending}.{kind}"
                drawn.savefig(content := BytesIO(), format=kind, metadata=_METADATA[kind])
                drawn.set_layout_engine("none")  # every format has the places of the first
                paths.append(write_whole(path, content.getvalue()))
        return [*paths, write_csv(folder / f"{name}.csv", header, rows)]

    def _figures(self, figure: Figure) -> Iterator[tuple[str, Figure]]:
        if self.style == "screen":
            if self.width is not None:
                self._fit(figure, self.width)
            yield "", figure
            return
        panels = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
        content = pickle.dumps(figure)
        one = len({axes.get_xlabel() for axes in panels}) == 1
        for number, axes in enumerate(panels):
            unlike = axes.get_ylabel() if one else axes.get_xlabel()
            what = axes.get_title() or unlike or axes.get_xlabel() or axes.get_ylabel()
            named = cut(file_name(number + 1, what), 60)
            yield f"-{named}" if panels[1:] else "", self._alone(pickle.loads(content), number)

    def _fit(self, figure: Figure, width: float) -> None:
        """Give a figure this width, its legend as many columns as fit, and the rows they take.

        Legends of panels that are too narrow for them join it. Texts do not shrink with it, so a
        low figure keeps its height, and rows of panels keep what their axes take.
        """
        wide, high = figure.get_size_inches()
        rows = [each.get_gridspec().nrows for a in figure.axes if (each := a.get_subplotspec())]
        high = max(high * width / wide, min(high, 2.5))
        high += max(0.5 * max(rows, default=1) * (1 - width / wide), 0.0)
        if handles := taken_legends(figure, int(12 * width)):
            count = fewest_rows(handles, int(10 * width))
            figure.legend(handles=handles, loc="outside lower center", ncols=count)
            high += LINE * legend_rows(handles, count)
        for axes in figure.axes:
            across, up = share_of_figure(axes)
            axes.set_xlabel(fill(axes.get_xlabel(), max(int(12 * width * across) - 4, 8)))
            axes.set_ylabel(fill(axes.get_ylabel(), max(int(12 * high * up) - 8, 12)))
        figure.set_size_inches(width, high)

    def _alone(self, figure: Figure, number: int) -> Figure:
        """Return a figure with one of its panels alone, as wide as the look says."""
        width = self.width or WIDTHS[self.style]
        panels = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
        kept = panels[number]
        share = share_of_figure(kept)
        high, wide = figure.get_size_inches()[::-1]
        ratio = float(np.clip(high * share[1] / (wide * share[0]), 0.56, 1.3))
        take_names(kept, panels)
        bars: list[Any] = [each for each in figure.axes if each not in panels]
        bar = next((each for each in bars if kept in each._colorbar_info["parents"]), None)
        for each in bars:
            each._colorbar.remove()
        for axes in panels:
            if axes is not kept:
                axes.remove()
        kept.set_subplotspec(GridSpec(1, 1, figure=figure)[0])
        if bar is not None:  # panels may share one: each gets its own
            label, extend = bar.get_ylabel(), bar._colorbar.extend
            figure.colorbar(bar._colorbar.mappable, ax=kept, label=label, extend=extend)
        kept.tick_params(labelleft=True, labelbottom=True)
        kept.set_title("")
        figure.suptitle("")
        legends = figure.legends[:]
        figure.legends.clear()
        if own := kept.get_legend():
            own.remove()
            legends.append(own)
        rows = 0
        for legend in legends:
            rows += self._legend(figure, entries(legend), width)
        size = _SIZES[self.style][0] / 72
        named = isinstance(kept.yaxis.get_major_locator(), FixedLocator)
        names = 1.25 * size * len(kept.get_yticks()) if named else 0.0
        figure.set_size_inches(width, max(width * ratio, names) + 1.55 * size * rows)
        return figure

    def _legend(self, figure: Figure, handles: Sequence[Artist], width: float) -> int:
        """Put a legend above a panel, in as many columns as fit; return its rows."""
        letters = int(width * 72 / (0.53 * _SIZES[self.style][1]))
        for handle in handles:
            handle.set_label(_SEEDS.sub("", str(handle.get_label())))
        count = fewest_rows(handles, letters)
        figure.legend(handles=list(handles), loc="outside upper center", ncols=count)
        return legend_rows(handles, count)

    def _finish(self, figure: Figure) -> None:
        """Write names as asked for, and bring the size of all texts into the range of the style."""
        low, high = _SIZES.get(self.style, (0.0, np.inf))
        letters = _LETTERS * figure.get_size_inches()[0]
        # matplotlib's own wrapping takes what is between two signs of a dollar for a formula.
        figure.suptitle(fill(figure.get_suptitle(), int(letters)))
        for axes in figure.axes:
            share = share_of_figure(axes)[0]
            axes.title.set_text(fill(axes.get_title(), max(int(letters * share), 8)))
            for axis in (axes.xaxis, axes.yaxis):
                texts = [self._named(each.get_text()) for each in axis.get_ticklabels()]
                # Panels that share an axis share its names: those without any would take them all.
                if isinstance(axis.get_major_locator(), FixedLocator) and any(texts):
                    axis.set_ticks(axis.get_majorticklocs().tolist(), texts)
        for text in figure.findobj(Text):
            text.set_text(self._named(text.get_text()))
            text.set_fontsize(float(np.clip(text.get_fontsize(), low, high)))

    def _named(self, text: str) -> str:
        if self.style != "screen":
            text = _SEEDS.sub("", text)
        if not self.names:
            return drawable(text)
        # Texts have been wrapped, at spaces and hyphens.
        wrapped = {
            re.escape(name).replace(r"\ ", r"\s").replace(r"\-", r"\-\n?"): name
            for name in sorted(self.names, key=len, reverse=True)
        }
        parts = "|".join(f"({pattern})" for pattern in wrapped)
        known = list(wrapped.values())

        def renamed(match: re.Match[str]) -> str:
            name = known[(match.lastindex or 1) - 1]
            self.on_name(name)
            return self.names[name]

        return drawable(re.sub(rf"(?<!\w)(?:{parts})(?!\w)", renamed, text))


SCREEN: Final = Look()
"""PNG and SVG with all panels together."""


class Draw(Protocol):
    """Draws figures of runs that have the numbers for them, and returns the paths of the files."""

    def __call__(
        self,
        runs: Sequence[Run],
        folder: Path | str,
        *more: Any,
        look: Look = SCREEN,
        **options: Any,
    ) -> list[Path]:
        """Draw them into a folder."""


def saved(draw: Callable[..., Iterator[Drawing]]) -> Draw:
    """Let a function that yields drawings of runs save them into a folder, in the look of choice.

    The function is called with the runs, and all arguments that follow the folder.
    """

    # Without its annotations: what it returns and takes is other than what `drawn` does.
    @wraps(draw, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
    def drawn(
        runs: Sequence[Run], folder: Path | str, *more: Any, look: Look = SCREEN, **options: Any
    ) -> list[Path]:
        paths, taken = list[Path](), set[str]()
        with look():
            for each in draw(runs, *more, **options):
                name = apart(each.name, taken)
                paths += look.save(each.figure, folder, name, each.header, each.rows)
        return paths

    del drawn.__wrapped__  # whose signature has neither folder nor look
    return drawn
