"""Power, interference and rates of held blocks, compiled by numba: see `compiled_plan`."""

import numpy as np
from numpy.typing import NDArray

from channel_models.kernels import capacity, compiled
from channel_models.link_adaptation.kernels import Schemes, in_pairs, total_of, transported
from channel_models.validation import FloatArray
from wfl_sim.radio.bands.interference import Heard


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


Held = tuple[bool, NDArray[np.intp], FloatArray, int, int]
"""Whether units of a cell are shared; the holder of each unit; shares (units, all transfers);
blocks of a unit; the first transfer of the cell. Without sharing the holders count."""


@compiled
def power(
    held: Held,
    limits: tuple[FloatArray, FloatArray],
    least_blocks: float,
    total: FloatArray,
    watts: FloatArray,
    sent: FloatArray,
    heard: bool,
) -> None:
    """Write how many blocks each transfer holds (n,), its W on each, and if it is `heard` what it
    sends (n, blocks)."""
    shared, holders, share, size, first = held
    count, blocks = sent.shape
    total[:] = 0.0
    for block in range(blocks):
        if shared:
            for i in range(count):
                total[i] += share[block // size, first + i]
        else:
            total[holders[block // size]] += 1.0
    for i in range(count):
        spread = max(total[i], least_blocks)
        most = min(limits[0][first + i] / spread, limits[1][first + i])
        watts[i] = most if total[i] else 0.0
    if heard:
        sent[:] = 0.0
        for block in range(blocks):
            if shared:
                for i in range(count):
                    sent[i, block] = share[block // size, first + i] * watts[i]
            else:
                i = holders[block // size]
                sent[i, block] = watts[i]


@compiled
def shannon_rates(
    held: Held,
    fading: NDArray[np.float32],
    scale: FloatArray,
    shannon: tuple[float, float, float, float],
    rate: FloatArray,
    sinr: FloatArray,
) -> None:
    """Write rates in units of the bandwidth, and sums of the linear SINR over blocks.

    The SINR is fading (blocks, all transfers) times scale, (blocks, n) or (1, n).
    """
    shared, holders, share, size, first = held
    rate[:] = 0.0
    sinr[:] = 0.0
    for block in range(len(fading)):
        row = scale[block if len(scale) > 1 else 0]
        if shared:
            for i in range(len(rate)):
                part = share[block // size, first + i]
                if part > 0.0:
                    ratio = fading[block, first + i] * row[i]
                    rate[i] += part * _efficiency(ratio, shannon)
                    sinr[i] += part * ratio
        else:
            i = holders[block // size]
            ratio = fading[block, first + i] * row[i]
            rate[i] += _efficiency(ratio, shannon)
            sinr[i] += ratio


@compiled
def mcs_rates(
    held: Held,
    known: NDArray[np.float32],
    present: NDArray[np.float32],
    supposed: FloatArray,
    scale: FloatArray,
    schemes: Schemes,
    rate: FloatArray,
    sinr: FloatArray,
) -> None:
    """Write what `shannon_rates` writes, of one transport block for each transfer.

    Its MCS is chosen at a SINR of known fading times what is `supposed`, (n,).
    """
    shared, holders, share, size, first = held
    count, blocks = len(rate), len(present)
    entries = np.zeros(count, dtype=np.intp)
    seen, true, weight = np.empty((3, count, blocks))
    sinr[:] = 0.0
    for block in range(blocks):
        unit, row = block // size, scale[block if len(scale) > 1 else 0]
        begin, end = (0, count) if shared else (holders[unit], holders[unit] + 1)
        for i in range(begin, end):
            part = share[unit, first + i] if shared else 1.0
            if part > 0.0:
                place = entries[i]
                seen[i, place] = known[block, first + i] * supposed[i]
                true[i, place] = present[block, first + i] * row[i]
                weight[i, place] = part
                sinr[i] += part * true[i, place]
                entries[i] += 1
    for i in range(count):
        mine = entries[i]
        rate[i] = 0.0
        if mine:
            parts = weight[i, :mine]
            total = total_of(parts)
            rate[i] = transported(seen[i, :mine], true[i, :mine], parts, total, schemes) * total


@compiled
def _efficiency(sinr: float, shannon: tuple[float, float, float, float]) -> float:
    """Return bit/s/Hz, see `ShannonForm`."""
    margin, attenuation, cap, floor = shannon
    return 0.0 if sinr < floor else min(attenuation * capacity(sinr * margin), cap)
