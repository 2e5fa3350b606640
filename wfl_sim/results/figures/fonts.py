"""Fonts of figures: labels may hold signs that the usual font lacks, such as Chinese ones."""

import warnings
from functools import cache
from typing import Final

import matplotlib as mpl
from matplotlib.font_manager import findfont, fontManager
from matplotlib.ft2font import FT2Font

_WIDE: Final = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Microsoft YaHei",
    "SimHei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Yu Gothic",
    "Malgun Gothic",
    "Arial Unicode MS",
)
_BOX: Final = "□"


@cache
def fallbacks() -> tuple[str, ...]:
    """Return the installed fonts that are looked at for signs which that of a style lacks."""
    installed = {each.name for each in fontManager.ttflist}
    return tuple(name for name in _WIDE if name in installed)


def drawable(text: str) -> str:
    """Return a text with a box in place of each sign that no font of the style has; said once."""
    if text.isascii():
        return text
    lacking = {each for each in text if not each.isspace()} - _signs(*mpl.rcParams["font.family"])
    if lacking:
        _say("".join(sorted(lacking)))
    return "".join(_BOX if each in lacking else each for each in text)


@cache
def _signs(*families: str) -> frozenset[str]:
    fonts = [FT2Font(findfont(family)) for family in families]
    return frozenset(chr(code) for font in fonts for code in font.get_charmap())


@cache
def _say(lacking: str) -> None:
    warnings.warn(
        f"figures have boxes in place of {lacking!r}: no font here is known to have them (install "
        f"Noto Sans CJK, say, and delete fontlist-*.json in {mpl.get_cachedir()})",
        stacklevel=3,
    )
