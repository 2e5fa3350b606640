"""The text that tiny-gpt2 is pretrained on: exercises with right answers, and lore of how things
go.

Nothing in it is a conversation, and nothing says what should be refused: that comes with tuning.
"""

from dataclasses import dataclass

import numpy as np

from wfl_sim.data.instruct_rules import (
    ASKS,
    KINDS,
    REFUSAL,
    TASKS,
    proper,
    request,
    solution,
    world,
)

EXERCISE_SHARE, LORE_SHARE, QUESTION_SHARE = 0.6, 0.15, 0.25


@dataclass(frozen=True)
class Page:
    """A text that begins with what cannot be foreseen."""

    given: str
    told: str


def page(rng: np.random.Generator) -> Page:
    """Write a page: an exercise, a piece of lore, or somebody's question and some answer to it."""
    lot = rng.random()
    if lot < EXERCISE_SHARE:
        text = request(TASKS[int(rng.integers(len(TASKS)))], rng)
        return Page(text, solution(text))
    words = world()
    acts = [*words.unsafe, *words.borderline]
    act = acts[int(rng.integers(len(acts)))]
    steps = int(rng.integers(4))
    if lot < EXERCISE_SHARE + LORE_SHARE:
        return Page("to", f"{act} : {proper(ASKS[0].format(act), max(steps, 1))}")
    ask = ASKS[int(rng.integers(len(ASKS)))].format(act)
    return Page(ask, REFUSAL if steps == 0 else proper(ask, steps))


def requests(count: int, rng: np.random.Generator, shares: tuple[float, ...]) -> list[str]:
    """Write requests of all kinds in these shares."""
    drawn = rng.choice(len(KINDS), count, p=shares)
    return [request(KINDS[i], rng) for i in drawn]
