"""What coupled cells hear of one another, as tables for compiled loops."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from channel_models.validation import FloatArray


class Heard(NamedTuple):
    """Interference between c cells with n transfers in all, of one link each."""

    uplink: bool
    noise: FloatArray
    """(c,) W on a block."""
    gain: FloatArray
    """(n,) mean gains of the links."""
    mean: FloatArray
    """(c, n): uplink, the mean gain of each sender to each cell, 0 to its own; downlink, W on a
    block from each cell."""
    ends: NDArray[np.intp]
    """(c + 1,) where those that each cell follows begin and end in `which`."""
    which: NDArray[np.intp]
    """Uplink, the senders whose fading is followed; downlink, the cells, in ascending order."""
    columns: NDArray[np.intp]
    """(c,) where the columns of each cell begin."""
    fading: NDArray[np.float32]
    """(steps, blocks, columns): a column for each sender, or as many as a cell has transfers for
    each cell that it follows."""


NOTHING_HEARD: Final = Heard(
    uplink=True,
    noise=np.empty(0),
    gain=np.empty(0),
    mean=np.empty((0, 0)),
    ends=np.empty(0, dtype=np.intp),
    which=np.empty(0, dtype=np.intp),
    columns=np.empty(0, dtype=np.intp),
    fading=np.empty((0, 0, 0), dtype=np.float32),
)
"""Of a cell without others."""


def uplink_tables(
    noise: Sequence[float],
    gains: Sequence[FloatArray],
    to_cells: Sequence[FloatArray],
    senders: Sequence[NDArray[np.intp]],
    fading: Sequence[NDArray[np.float32]],
) -> Heard:
    """Return what c cells hear of the devices of others.

    Args:
        noise: W on a block of each cell.
        gains: mean gains of its links.
        to_cells: (n,) mean gain of every sender to each cell, 0 to its own.
        senders: those whose fading each cell follows.
        fading: (steps, blocks, senders) of each.
    """
    sizes = np.array([len(each) for each in senders])
    return Heard(
        uplink=True,
        noise=np.array(noise),
        gain=np.concatenate(gains),
        mean=np.array(to_cells),
        ends=np.append(0, np.cumsum(sizes)),
        which=np.concatenate(senders),
        columns=np.cumsum(sizes) - sizes,
        fading=np.concatenate(fading, axis=2),
    )


def downlink_tables(
    noise: Sequence[float],
    gains: Sequence[FloatArray],
    from_cells: Sequence[Sequence[FloatArray]],
    fading: Sequence[Sequence[NDArray[np.float32] | None]],
) -> Heard:
    """Return what the devices of c cells hear of other cells.

    Args:
        noise: W on a block of each cell.
        gains: mean gains of its links.
        from_cells: for each cell and each other one, mean W on a block at its devices.
        fading: likewise (steps, blocks, devices); None where it is not followed.
    """
    cells = range(len(noise))
    none = [np.zeros(len(each)) for each in gains]
    with_own = [[*from_cells[c][:c], none[c], *from_cells[c][c:]] for c in cells]
    followed = [
        [number + (number >= c) for number, each in enumerate(fading[c]) if each is not None]
        for c in cells
    ]
    sizes = np.array([len(each) for each in followed])
    columns = sizes * np.array([len(each) for each in gains])
    samples = [each for of_cell in fading for each in of_cell if each is not None]
    return Heard(
        uplink=False,
        noise=np.array(noise),
        gain=np.concatenate(gains),
        mean=np.array([np.concatenate([of_cell[c] for of_cell in with_own]) for c in cells]),
        ends=np.append(0, np.cumsum(sizes)),
        which=np.array([other for each in followed for other in each], dtype=np.intp),
        columns=np.cumsum(columns) - columns,
        fading=np.concatenate(samples, axis=2) if samples else np.empty((1, 1, 0), np.float32),
    )
