"""What coupled cells hear of one another, compiled by numba: see `compiled_plan`."""

import numpy as np
from numpy.typing import NDArray

from channel_models.kernels import compiled
from channel_models.link_adaptation.kernels import in_pairs
from channel_models.validation import FloatArray
from wfl_sim.radio.bands.interference_tables import Heard


@compiled
def hear(
    heard: Heard, cell: int, step: int, sent: FloatArray, watts: FloatArray, here: slice
) -> FloatArray:
    """Return the mean SINR (blocks, n of a cell) of its transfers.

    Args:
        heard: of all cells.
        cell: the one that is asked for.
        step: number of the step.
        sent: (n, blocks) W of all transfers.
        watts: (n,) W of each on a block that it holds.
        here: the transfers of the cell.
    """
    blocks, mine, gain = sent.shape[1], watts[here], heard.gain[here]
    scale, received = np.empty((blocks, len(mine))), np.empty(len(mine))
    for block in range(blocks):
        if heard.uplink:
            received[:] = _of_senders(heard, cell, sent[:, block], heard.fading[step, block])
        else:
            _of_cells(heard, cell, here.start, heard.fading[step, block], received)
        for i in range(len(mine)):
            scale[block, i] = mine[i] * (gain[i] / (heard.noise[cell] + received[i]))
    return scale


@compiled
def _of_senders(heard: Heard, cell: int, sent: FloatArray, fading: NDArray[np.float32]) -> float:
    """Return the W on a block that a cell receives of others' devices."""
    first, last = heard.ends[cell], heard.ends[cell + 1]
    mean, total, strong = heard.mean[cell], 0.0, 0.0
    for i in range(len(sent)):
        total += sent[i] * mean[i]
    if first == last:
        return total
    faded = np.empty(last - first)
    for k in range(first, last):
        sender = heard.which[k]
        power = sent[sender] * mean[sender]
        strong += power
        faded[k - first] = power * fading[heard.columns[cell] + k - first]
    return max(total - strong, 0.0) + float(in_pairs(faded))


@compiled
def _of_cells(
    heard: Heard, cell: int, first: int, fading: NDArray[np.float32], received: FloatArray
) -> None:
    """Write the W (n of the cell,) on a block that its devices receive of other cells."""
    followed, last = heard.ends[cell], heard.ends[cell + 1]
    column = heard.columns[cell]
    received[:] = 0.0
    for other in range(len(heard.noise)):
        if other == cell:
            continue
        fades = followed < last and heard.which[followed] == other
        for i in range(len(received)):
            power = heard.mean[other, first + i]
            received[i] += power * fading[column + i] if fades else power
        if fades:
            followed += 1
            column += len(received)
