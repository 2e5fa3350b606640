"""Sphinx: ``make docs`` builds the pages of this folder into docs/_build."""

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
