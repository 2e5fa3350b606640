"""Figures for a paper: one panel each, at its width, with names, fonts and files as asked for."""

import io
import re
import warnings

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from wfl_sim.results.figures import draw_all, fonts
from wfl_sim.results.figures.breakdown import BarText
from wfl_sim.results.figures.convergence import draw_mean
from wfl_sim.results.figures.legends import HANDLE, add_legend, fewest_rows, legend_rows
from wfl_sim.results.figures.look import SCREEN, WIDTHS, Drawing, Look, saved
from wfl_sim.results.figures.style import (
    add_share,
    halos,
    line_handles,
    line_styles,
    logarithmic,
    set_rows,
)
from wfl_sim.results.statistics import Curve
from wfl_sim.results.tables import file_name


def figure_of(look, folder):
    """Save a figure of two panels with a shared vertical axis and a legend."""
    with look():
        figure = Figure(figsize=(9.6, 6.8))
        panels = figure.subplots(1, 2, sharey=True)
        styles = line_styles(["alpha", "beta_2", "gamma"])
        for number, axes in enumerate(panels.flat):
            for style in styles.values():
                axes.plot([0, 1, 2], np.arange(3) * (1 + number), **style)
            axes.set_xlabel(f"cost {number} (s)")
            axes.text(1, 1, "tiny", fontsize=3)
        panels[0].set_ylabel("accuracy")
        figure.suptitle("a title")
        add_legend(figure, line_handles({f"{k} (seeds: 3)": v for k, v in styles.items()}), 115)
        return look.save(figure, folder, "two", ("a",), [(1,)])


def texts_of(svg):
    return re.findall("<text[^>]*>(.*?)</text>", svg.read_text("utf-8"))


def test_on_the_screen_panels_stay_together(tmp_path):
    paths = figure_of(Look(), tmp_path)
    assert [path.name for path in paths] == ["two.png", "two.svg", "two.csv"]
    assert {"a title", "cost 1 (s)", "alpha (seeds: 3)"} <= set(texts_of(paths[1]))


@pytest.mark.parametrize("style", ["ieee", "acm", "slide"])
def test_each_panel_has_the_width_of_the_column(style, tmp_path):
    paths = figure_of(Look(style=style, formats=("png", "svg")), tmp_path)
    assert [path.name for path in paths if path.suffix == ".svg"] == [
        f"two-{number + 1}-cost-{number}-s.svg" for number in range(2)
    ]
    assert paths[-1].name == "two.csv"
    for number in range(2):
        png, svg = paths[2 * number : 2 * number + 2]
        with Image.open(png) as image:
            assert image.width / image.info["dpi"][0] == pytest.approx(WIDTHS[style], rel=0.01)
        texts = texts_of(svg)
        assert {f"cost {number} (s)", "accuracy", "alpha", "beta_2"} <= set(texts)
        assert not {"a title", "alpha (seeds: 3)", f"cost {(number + 1) % 2} (s)"} & set(texts)
        sizes = re.findall(r"([\d.]+)px", svg.read_text("utf-8"))
        least, most = {"slide": (14, 18)}.get(style, (7, 8))
        assert least <= min(map(float, sizes)) <= max(map(float, sizes)) <= most


def test_width_names_and_formats_are_as_asked_for(tmp_path):
    look = Look(
        style="ieee",
        width=2.0,
        formats=("pdf", "png", "svg"),
        names={"accuracy": "macro-F1", "alpha": "α (ours)", "beta": "no"},
    )
    paths = figure_of(look, tmp_path)
    with Image.open(paths[1]) as image:
        assert image.width / image.info["dpi"][0] == pytest.approx(2.0, rel=0.01)
    assert {"macro-F1", "α (ours)", "beta_2"} <= set(texts_of(paths[2]))
    content = paths[0].read_bytes()
    assert b"/Type3" not in content
    assert b"/CIDFontType2" in content or b"/TrueType" in content


def test_panels_that_share_a_colour_bar_have_one_each(tmp_path):
    with (look := Look(style="ieee", formats=("svg",)))():
        figure = Figure(figsize=(9, 6))
        for number, axes in enumerate(figure.subplots(2, 2).flat):
            image = axes.imshow(np.eye(3) * (number + 1), vmin=0, vmax=4)
            axes.set_title(f"panel of {number}")
        figure.colorbar(image, ax=list(figure.axes), label="seconds", extend="max")
        *pages, _ = look.save(figure, tmp_path, "map", ("a",), [])
    assert [page.name for page in pages] == [f"map-{n + 1}-panel-of-{n}.svg" for n in range(4)]
    assert all(texts_of(page).count("seconds") == 1 for page in pages)


def test_a_panel_alone_has_its_own_legend_and_the_names_that_it_shared(tmp_path):
    with (look := Look(style="ieee", formats=("svg",)))():
        figure = Figure(figsize=(9, 6))
        above, below = figure.subplots(2, 1, sharex=True)
        above.plot([0, 1], label="one of the devices in this group")
        above.plot([1, 0], label="one of the devices in that group")
        above.legend(title="battery of", ncols=2)
        below.set_xlabel("simulated time (s)")
        *pages, _ = look.save(figure, tmp_path, "two", ("a",), [])
    first, second = map(texts_of, pages)
    assert "battery of one of the devices in that group" in first
    assert "simulated time (s)" in first
    assert not any("battery" in text for text in second)


def test_names_are_found_where_texts_are_wrapped(tmp_path):
    label, seen = "an allocator that is proportional-fair to each of the devices", []
    names = {label: "PF", "not there": "no"}
    with (look := Look(style="ieee", formats=("svg",), names=names, on_name=seen.append))():
        figure = Figure(figsize=(9, 6))
        figure.subplots().plot([0, 1])
        add_legend(figure, line_handles(line_styles([label, "a", "b", "c"])), 170)
        svg = look.save(figure, tmp_path, "one", ("a",), [])[0]
    assert "PF" in texts_of(svg)
    assert not any("allocator" in text for text in texts_of(svg))
    assert set(seen) == {label}


def test_a_long_entry_of_a_legend_leaves_room_beside_the_others():
    labels = ["one", "two", "three", "four", "the interval of the mean, which may be cut"]
    handles = line_handles(line_styles(labels))
    count = fewest_rows(handles, 60)
    wrapped = [str(handle.get_label()) for handle in handles]
    assert [text.replace("\n", " ") for text in wrapped] == labels
    assert count > 1
    assert legend_rows(handles, count) < len(labels)
    widest = [max(max(map(len, text.split("\n"))) for text in column) + HANDLE
              for column in np.array_split(np.array(wrapped, object), count)]  # fmt: skip
    assert sum(widest) <= 60


def test_many_names_of_rows_make_a_panel_higher(tmp_path):
    with (look := Look(style="ieee", formats=("png",)))():
        for rows in (3, 41):
            figure = Figure(figsize=(9, 9))
            figure.subplots().set_yticks(range(rows), [f"device-{n}" for n in range(rows)])
            path = look.save(figure, tmp_path, f"rows-{rows}", ("a",), [])[0]
    with Image.open(path) as image:
        dpi = image.info["dpi"][1]
        assert image.height / dpi > 41 * 7 * 1.2 / 72


def test_long_titles_stay_in_their_figure(tmp_path):
    with SCREEN():
        figure = Figure(figsize=(7, 3))
        panels = figure.subplots(1, 2)
        figure.suptitle("WORDS of a long title " * 9)
        panels[0].set_title("words of a panel " * 9)
        SCREEN.save(figure, tmp_path, "long", ("a",), [])
    for title in (figure._suptitle, panels[0].title):
        box = title.get_window_extent(FigureCanvasAgg(figure).get_renderer())
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1


def test_title_and_legend_of_a_narrow_screen_figure_stay_in_it(tmp_path):
    with (look := Look(width=4.5, formats=("png",)))():
        figure = Figure(figsize=(12.2, 2.2))
        figure.subplots(1, 3)
        add_legend(figure, line_handles(line_styles([f"label {n}" for n in range(9)])), 170)
        figure.suptitle("A title that is as long as the wide figure that it was written for is")
        look.save(figure, tmp_path, "narrow", ("a",), [])
    page = figure.bbox
    (legend,) = figure.legends
    for artist in (legend, figure._suptitle):
        box = artist.get_window_extent(FigureCanvasAgg(figure).get_renderer())
        assert page.x0 <= box.x0 < box.x1 <= page.x1
    assert figure.get_size_inches()[0] == 4.5
    assert all(axes.get_window_extent().height > 20 for axes in figure.axes)


def test_legends_of_panels_that_are_too_narrow_for_them_join_that_below(tmp_path):
    with (look := Look(width=4.0, formats=("svg",)))():
        figure = Figure(figsize=(9.6, 4.6))
        left, right = figure.subplots(1, 2)
        left.plot([1], "o", label="compute (3)")
        left.plot([2], "s", label="upload (4)")
        left.legend(title="dropped while", ncols=2)
        right.plot([1], "o", label="b")
        right.legend()
        right.set_ylabel("share of all uploads and downloads below")
        look.save(figure, tmp_path, "panels", ("a",), [])
    assert left.get_legend() is None
    assert right.get_legend() is not None
    (below,) = figure.legends
    named = {text.get_text() for text in below.get_texts()}
    assert named == {"dropped while compute (3)", "dropped while upload (4)"}
    assert "\n" in right.get_ylabel()


@pytest.mark.parametrize("look", [Look(), Look(width=4.0), Look(style="ieee")])
def test_a_label_that_is_wider_than_the_page_is_wrapped(look, tmp_path):
    seen = []

    class Watched(Look):
        def _finish(self, figure):
            figure.draw_without_rendering()
            seen.append(figure)

    look = Watched(style=look.style, width=look.width, formats=("svg",))
    with look():
        figure = Figure(figsize=(9.6, 4.6))
        axes = figure.subplots()
        axes.set_xlabel("mean of what all devices together have sent over the air (Mbit)")
        add_legend(figure, line_handles(line_styles(["a long label " * 15, "b"])), 110)
        look.save(figure, tmp_path, "long", ("a",), [])
    (drawn,) = seen
    page, (legend,) = drawn.bbox, drawn.legends
    box = legend.get_window_extent()
    assert page.x0 <= box.x0 < box.x1 <= page.x1
    assert drawn.axes[0].get_window_extent().height > 60


def test_names_that_are_replaced_are_heard_of(tmp_path):
    heard = []
    look = Look(formats=("svg",), names={"alpha": "a", "nowhere": "n"}, on_name=heard.append)
    figure_of(look, tmp_path)
    assert set(heard) == {"alpha"}


def test_shares_stand_in_bars_that_have_room_for_them():
    figure = Figure(figsize=(4, 2), dpi=100)
    axes = figure.subplots()
    wide, narrow = axes.barh([0, 1], [10, 1])
    axes.add_artist(BarText(wide, "wide", fontsize=8))
    axes.add_artist(BarText(narrow, "narrow", fontsize=8))
    figure.savefig(page := io.StringIO(), format="svg")
    assert "wide" in page.getvalue()
    assert "narrow" not in page.getvalue()


def test_names_of_rows_are_replaced_too(tmp_path):
    look = Look(style="acm", formats=("svg",), names={"PFTT": "ours"})
    with look():
        figure = Figure()
        set_rows(figure.subplots(), ["PFTT\n(3 seeds)", "FedIT\n(1 seed)"])
        svg, _ = look.save(figure, tmp_path, "rows", ("a",), [])
    assert {"ours", "FedIT"} <= set(texts_of(svg))


def test_panels_that_share_rows_keep_their_names(tmp_path):
    with (look := Look(formats=("svg",)))():
        figure = Figure()
        for axes in figure.subplots(1, 3, sharey=True):
            set_rows(axes, ["PFTT", "FedIT"])
        svg, _ = look.save(figure, tmp_path, "rows", ("a",), [])
    assert {"PFTT", "FedIT"} <= set(texts_of(svg))


def test_a_logarithmic_axis_of_one_value_is_no_warning():
    axes = Figure().subplots()
    axes.plot([3.0], [1.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        logarithmic(axes, "x", 3.0, 3.0)


def test_the_settings_of_the_caller_come_back():
    before = dict(mpl.rcParams)
    with Look(style="slide")():
        assert mpl.rcParams["font.size"] == 16
        assert not mpl.rcParams["text.parse_math"]
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"style": "nature"}, "style must be one of screen, ieee, acm, slide, got 'nature'"),
        ({"formats": ("gif",)}, "formats must be some of png, svg, pdf, got gif"),
        ({"formats": ()}, "got none"),
        ({"width": 0.1}, "width must be 1 to 40 inches, got 0.1"),
    ],
)
def test_what_no_paper_has_is_refused(wrong, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        Look(**wrong)


def test_unknown_figures_are_refused_with_those_that_are_known(tmp_path):
    with pytest.raises(ValueError, match="no figure 'heat'; there are: convergence, alignment"):
        draw_all([], tmp_path, only=["heat"])


def test_of_equal_lines_the_earlier_are_wider():
    x, other = np.arange(3.0), np.array([0.0, 1.0, 3.0])
    assert halos([(x, x), (x, other), (x, x), (x, x)]) == [2.0, 0.0, 1.0, 0.0]
    assert halos([(x, x)] * 5) == [2.0, 1.5, 1.0, 0.5, 0.0]


def test_intervals_are_bars_where_they_are_asked_for():
    x = np.arange(100.0)
    one = Curve("a", (), x, np.sqrt(x), np.ones(100), ())
    for bars, collections in ((False, 1), (True, 1), (None, 0)):
        axes = Figure().subplots()
        draw_mean(axes, one, {"color": "k"}, 1.0, 0.1, bars=bars)
        assert len(axes.collections) == collections
        if bars:
            segments = axes.collections[0].get_segments()
            assert len(segments) == 8
            low, high = segments[-1][:, 1]
            assert (low + high) / 2 == pytest.approx(np.sqrt(99.0))
            assert high - low == pytest.approx(2.0)


def test_signs_that_no_font_has_are_boxes_and_said_once():
    fonts._say.cache_clear()
    with mpl.rc_context({"font.family": "DejaVu Sans"}):
        assert fonts.drawable("naïve → σ\n(2 seeds)") == "naïve → σ\n(2 seeds)"
        with pytest.warns(UserWarning, match="boxes in place of '型模'"):
            assert fonts.drawable("a 模型") == "a □□"
        assert fonts.drawable("b 模型") == "b □□"


def test_labels_that_are_alike_in_file_names_have_a_figure_each(tmp_path):
    labels = ("power=10 dBm", "power 10 dBm", "Power=10 dBm")

    @saved
    def draw(runs):
        for label in labels:
            yield Drawing(file_name("coverage", label), Figure(), ("label",), [(label,)])

    paths = [path for path in draw([], tmp_path) if path.suffix == ".csv"]
    assert [path.stem for path in paths] == [
        *("coverage-power-10-dbm", "coverage-power-10-dbm-2", "coverage-power-10-dbm-3")
    ]
    assert [path.read_text().splitlines()[1] for path in paths] == [*labels]


def test_shares_beside_means_at_one_place_stand_below_one_another():
    with Look()():
        axes = Figure(figsize=(4, 3)).subplots()
        axes.set(xlim=(0, 1), ylim=(0, 1))
        for place in ((0.4, 0.5), (0.41, 0.5), (0.4, 0.52), (0.9, 0.5), (0.41, 0.5)):
            add_share(axes, 2, 3, place, "black")
        add_share(axes, 3, 3, (0.4, 0.5), "black")
        axes.figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 5
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
