"""Sphinx: ``make docs`` builds the pages of this folder into docs/_build."""

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert

from wfl_sim import __version__

project = "wfl_sim"
author = "wfl_sim maintainers"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "none"
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "wfl_sim"
html_show_copyright = False
html_math_renderer = "mathml"


def setup(app: Any) -> None:
    """Set formulas as MathML while the pages are built: browsers show it without a network."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))


def _inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def _block(translator: Any, node: nodes.math_block) -> None:
    translator.body.append(f"<div class='math'>{convert(node.astext(), display='block')}</div>")
    raise nodes.SkipNode
