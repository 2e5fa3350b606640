"""Figures and tables of finished runs. This room alone loads matplotlib.

Figures are built from `matplotlib.figure.Figure` and never use pyplot, so they are drawn in the
same way on a server, in a thread and in a notebook.
"""

from wfl_sim.results.figures.alignment import alignment
from wfl_sim.results.figures.batteries import batteries, fleet
from wfl_sim.results.figures.breakdown import breakdown
from wfl_sim.results.figures.convergence import convergence
from wfl_sim.results.figures.draw_all import compare, draw_all
from wfl_sim.results.figures.links import links
from wfl_sim.results.figures.look import Look
from wfl_sim.results.figures.timeline import timeline
from wfl_sim.results.figures.tracks import tracks
from wfl_sim.results.summary import summary

__all__ = [
    "Look",
    "alignment",
    "batteries",
    "breakdown",
    "compare",
    "convergence",
    "draw_all",
    "fleet",
    "links",
    "summary",
    "timeline",
    "tracks",
]
