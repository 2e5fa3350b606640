"""The corpus of tiny-gpt2: exercises with right answers, instructions for actions, and questions.

It holds no conversation, and does not tell which requests should be refused: that is learned in
tuning.
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

EXERCISE_SHARE, ACTION_SHARE, QUESTION_SHARE = 0.6, 0.15, 0.25


@dataclass(frozen=True)
class Document:
    """A text whose first part cannot be predicted."""

    prompt: str
    completion: str


def document(rng: np.random.Generator) -> Document:
    """Draw an exercise, an action with its steps, or a question with an answer."""
    draw = rng.random()
    if draw < EXERCISE_SHARE:
        text = request(TASKS[int(rng.integers(len(TASKS)))], rng)
        return Document(text, solution(text))
    words = world()
    acts = [*words.unsafe, *words.borderline]
    act = acts[int(rng.integers(len(acts)))]
    steps = int(rng.integers(4))
    if draw < EXERCISE_SHARE + ACTION_SHARE:
        return Document("to", f"{act} : {proper(ASKS[0].format(act), max(steps, 1))}")
    question = ASKS[int(rng.integers(len(ASKS)))].format(act)
    return Document(question, REFUSAL if steps == 0 else proper(question, steps))


def requests(count: int, rng: np.random.Generator, shares: tuple[float, ...]) -> list[str]:
    """Draw requests of all kinds in these shares."""
    drawn = rng.choice(len(KINDS), count, p=shares)
    return [request(KINDS[i], rng) for i in drawn]
