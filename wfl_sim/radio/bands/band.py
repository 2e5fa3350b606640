"""Bands of a cell, built from its description and the gains of its links."""

import math
from collections.abc import Sequence
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

import channel_models as cm
from channel_models.validation import FloatArray
from wfl_sim.radio.allocation.allocator import SenderFacts, unknown_senders
from wfl_sim.radio.allocation.channel_unaware import CHANNEL_UNAWARE
from wfl_sim.radio.allocation.makespan import Outlook
from wfl_sim.radio.bands.block_groups import BlockLimit, Slice
from wfl_sim.radio.bands.ofdma import OfdmaBand
from wfl_sim.radio.cell import CellConfig, Direction
from wfl_sim.radio.channel.lazy_fading import KEPT_LINKS, EstimatedFading, GridFading, LazyFading
from wfl_sim.radio.channel.propagation import TransportRate
from wfl_sim.radio.channel.rate_curve import rate_curve
from wfl_sim.radio.channel.sampled_channel import BLOCK_MEMORY, SampledChannel
from wfl_sim.radio.power.transmit_power import DevicePower, PowerRule
from wfl_sim.randomness import stream

_LONGEST_STEP = 0.1
"""s: slow channels are sampled at least so often, so that fair allocators keep adapting."""


def build_band(
    direction: Direction,
    cell: CellConfig,
    name: str,
    *,
    seed: int,
    gains: FloatArray,
    speeds: FloatArray,
    power: PowerRule,
    sight: NDArray[np.bool_] | None = None,
    ahead: Executor | None = None,
    recorded: bool = False,
    senders: SenderFacts = unknown_senders,
    slices: Sequence[Slice] = (),
    cells: int = 1,
) -> OfdmaBand:
    """Return one direction of a cell's carrier.

    The fading is sampled at the midpoints of steps. A step is 0.1 / f_D of the fastest device,
    or what the fading model says. It keeps the error of completion times below 0.1 % rms with
    Shannon's formula; it is larger with `mcs`, whose rates have steps.

    Args:
        direction: uplink or downlink.
        cell: the description.
        name: of the cell, in the names of random streams.
        seed: of the run.
        gains: (links,) linear large-scale gains.
        speeds: (links,) m/s.
        power: the rule by which blocks get their watts.
        sight: (links,) whether each has line of sight; none has unless given.
        ahead: threads that make samples of the fading ahead.
        recorded: whether plans hold what each link has.
        senders: what allocators may know of devices.
        slices: links with blocks of their own.
        cells: of the network, which share the memory for fading.
    """
    side = cell.uplink if direction == "uplink" else cell.downlink
    doppler = cm.doppler_shift(speeds, cell.carrier)
    # A channel is reciprocal: on one band both directions meet the same fading.
    path = direction if cell.tdd is None and cell.wifi is None else "tdd"
    model = cell.channel.fading
    step = sampling_step(model, float(doppler.max()))
    width = cell.block_bandwidth
    offsets = np.asarray((np.arange(cell.blocks) - (cell.blocks - 1) / 2) * width, dtype=float)
    limit = None
    if isinstance(power, DevicePower) and cell.block_snr:
        limit = BlockLimit(cell.block_snr / power.reduced, power.largest)

    fading = LazyFading(
        cell.fadings,
        lambda link: stream(seed, "fading", name, link, path),
        doppler,
        sight,
        kept=KEPT_LINKS // cells,
    )

    def errors(link: int) -> np.random.Generator:
        return stream(seed, "csi", name, link, direction)

    # Whoever asks for nothing of the channel is spared a second evaluation of it.
    changes = not isinstance(model, cm.Static) and (
        doppler.any() or hasattr(model, "sampling_step")
    )
    asks = not isinstance(side.allocator, CHANNEL_UNAWARE) or isinstance(side.rate, TransportRate)
    known: GridFading | None = None
    if side.csi_error:
        known = EstimatedFading(fading.delayed(side.csi_delay), side.csi_error, errors, len(gains))
    elif side.csi_delay and changes and (asks or limit is not None):
        known = fading.delayed(side.csi_delay)
    memory = BLOCK_MEMORY // cells
    return OfdmaBand(
        channel=SampledChannel(gains, fading, offsets, step, ahead, memory),
        known=None if known is None else SampledChannel(gains, known, offsets, step, ahead, memory),
        allocator=side.allocator,
        rate=side.rate,
        modulations=cell.uplink.modulations if direction == "uplink" else (),
        power=power,
        noise_density=cell.noise(direction) / width,
        blocks=cell.blocks,
        block_bandwidth=width,
        symbol_rate=cell.symbol_rate(direction),
        averaging=side.averaging,
        subband=side.subband or cell.blocks,
        limit=limit,
        duty=cell.duty(direction),
        fading=cell.fadings[0],
        beam=cell.beam_gain,
        place=(name, direction),
        senders=senders,
        slices=slices,
        recorded={"cell": name, "direction": direction} if recorded else None,
    )


def sampling_step(fading: cm.Fading, doppler: float) -> float:
    """Return the step in s at which fading is sampled, given the largest Doppler shift in Hz."""
    own = getattr(fading, "sampling_step", None)
    if own is not None:
        return float(own / math.ceil(own / _LONGEST_STEP))
    return min(0.1 / doppler, _LONGEST_STEP) if doppler else _LONGEST_STEP


def uplink_outlook(
    cell: CellConfig, gains: FloatArray, watts: FloatArray
) -> tuple[Outlook, float, float]:
    """Return rates over bandwidth of devices, Hz of the band and of a block that carry data.

    Rates are averaged over fading; other cells are left out.

    Args:
        cell: the description.
        gains: (n,) linear large-scale gains.
        watts: (n,) W that each device can radiate.
    """
    usable, strength = cell.symbol_rate("uplink"), gains / cell.noise("uplink")
    least = usable if cell.ideal_blocks is None else 0.0
    reach, most = watts * strength * usable, cell.power_density(gains) * strength
    curve = rate_curve(cell.uplink.rate, cell.fadings[0])
    return Outlook(curve, reach, np.maximum(least, reach / most)), usable * cell.blocks, least


def expected_rate(cell: CellConfig, direction: Direction, gain: float, power: float) -> float:
    """Return bit/s at the mean gain of a link.

    A device spreads its power over as many resource blocks as its headroom allows, as far as power
    control lets it.

    Args:
        cell: the description.
        direction: uplink or downlink.
        gain: linear large-scale gain.
        power: W of the device; on the downlink the cell's own power counts.
    """
    if cell.wired is not None:
        return cell.wired
    if cell.wifi is not None:
        watts = power if direction == "uplink" else cell.downlink.power
        return cell.wifi.alone(watts * gain, cell.bandwidth)
    if direction == "downlink":
        held, cases = cell.blocks, [(cell.downlink.rate, cell.downlink.power / cell.blocks)]
    else:
        held, most = cell.held_blocks(gain, power), cell.power_density(gain)
        alike = cell.available(power) / held
        cases = [(each.rate, min(each.level * alike, most)) for each in cell.uplink.modulations]
        cases = cases or [(cell.uplink.rate, min(alike, most))]
    snr = gain / cell.noise(direction)
    efficiency = max(float(rate.spectral_efficiency(watts * snr)) for rate, watts in cases)
    return efficiency * held * cell.symbol_rate(direction)
