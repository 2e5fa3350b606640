"""Rows of text and label from a file or a hub, dealt out to devices."""

import difflib
from collections.abc import Iterable, Sequence

import numpy as np

from wfl_sim.learning.data.examples import Examples, Shards
from wfl_sim.learning.data.partition import Partition
from wfl_sim.learning.data.sharding import shards
from wfl_sim.randomness import stream

Row = tuple[str, str]


def deal(
    rows: Sequence[Row],
    source: str,
    *,
    partition: Partition,
    test_fraction: float,
    concept_shift: float,
    limit: int | None,
    devices: int,
    seed: int,
) -> Shards:
    """Turn `rows` of (text, label) into shards.

    Classes are the labels that occur, in numerical order when all are integers and in alphabetical
    order otherwise. With a `limit`, that many rows are drawn at random from the seed.

    Raises ValueError when there are fewer than two classes or too few rows.
    """
    if limit is not None and limit < len(rows):
        drawn = stream(seed, "data", "limit").permutation(len(rows))[:limit]
        rows = [rows[i] for i in np.sort(drawn)]
    names = _ordered({label for _, label in rows})
    if len(names) < 2:
        found = f"only {names[0]!r}" if names else "no rows"
        raise ValueError(f"{source}: the label must take at least 2 values, found {found}")
    index = {name: i for i, name in enumerate(names)}
    examples = Examples(
        tuple(text for text, _ in rows), np.array([index[label] for _, label in rows])
    )
    parts = partition.split(examples.labels, devices, stream(seed, "data", "partition"))
    return shards(
        [examples.subset(part) for part in parts],
        names,
        test_fraction=test_fraction,
        concept_shift=concept_shift,
        seed=seed,
    )


def text_columns(text: str | tuple[str, ...]) -> tuple[str, ...]:
    """The columns whose words make the text, in order."""
    return (text,) if isinstance(text, str) else tuple(text)


def check_column(column: str, columns: Iterable[str], source: str) -> None:
    """Raise ValueError, with the nearest name, when `column` is not among `columns`."""
    known = list(columns)
    if column in known:
        return
    near = difflib.get_close_matches(column, known, n=1)
    hint = f", did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{source}: no column {column!r}{hint} (columns: {', '.join(known)})")


def check_table(text: str | tuple[str, ...], limit: int | None) -> None:
    """Raise ValueError for a table without text columns or with an impossible limit."""
    if not text_columns(text):
        raise ValueError("text must name at least one column, got none")
    if limit is not None and limit < 2:
        raise ValueError(f"limit must be at least 2 rows, got {limit}")


def _ordered(labels: set[str]) -> tuple[str, ...]:
    try:
        return tuple(sorted(labels, key=int))
    except ValueError:
        return tuple(sorted(labels))
