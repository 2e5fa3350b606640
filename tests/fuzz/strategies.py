"""Hypothesis strategies of scenario texts: any, and those of networks that are meant to run."""

from hypothesis import strategies as st

from tests.fuzz.networks import document
from tests.fuzz.procedures import extended
from tests.fuzz.texts import changed, written
from tests.fuzz.trainings import training


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Draw a text that once was a scenario, and settings of a command line."""
    return changed(draw(st.randoms(use_true_random=False)))


@st.composite
def networks(draw: st.DrawFn) -> str:
    """Draw the text of a scenario that is meant to run."""
    rng = draw(st.randoms(use_true_random=False))
    made = document(rng)
    return written(extended(made, rng) if rng.random() < 0.5 else made)


@st.composite
def trainings(draw: st.DrawFn) -> str:
    """Draw the text of a scenario that is meant to train."""
    return training(draw(st.randoms(use_true_random=False)))
