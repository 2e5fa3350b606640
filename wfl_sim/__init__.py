"""wfl_sim: how fast, at what energy and how well wireless devices fine-tune a model together."""

__version__ = "0.1.0"
