"""What is told of links: to an allocator beside the momentary channel, and to the run's record."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import channel_models as cm
from channel_models.elementary import log10
from channel_models.validation import FloatArray
from wfl_sim.radio.allocation.allocator import SenderFacts, Statistics
from wfl_sim.radio.bands.block_rates import BlockRates, ChannelState, Learned
from wfl_sim.radio.bands.medium import ActiveTransfers, LinkSamples
from wfl_sim.radio.channel.rate_curve import rate_curve
from wfl_sim.radio.power.transmit_power import PowerRule, on_blocks


def watts_of(traffic: ActiveTransfers, power: PowerRule) -> FloatArray:
    """(m,) W that each link may use on an uplink; on a downlink those of the cell."""
    watts = power.total(traffic.links)
    return watts if traffic.level is None else watts * traffic.level


def statistics_of(
    traffic: ActiveTransfers,
    strength: FloatArray,
    gain: FloatArray,
    rates: BlockRates,
    senders: SenderFacts,
    fading: cm.Fading,
) -> Statistics:
    """Return what is known of transfers; of several receivers, that of the first.

    Args:
        traffic: n transfers over m links.
        strength: (m,) mean SINR of a link on a block for each W.
        gain: (m,) mean gains.
        rates: rate map and power rule.
        senders: what is known of devices.
        fading: the law over which rates are averaged.
    """
    first = traffic.first
    devices, power = traffic.links[first], rates.power
    strength, watts = strength[first], watts_of(traffic, power)[first]
    unknown, spreads = np.full(len(first), np.nan), power.spreads
    most = power.most(devices) if spreads else power.per_block(devices, np.ones(len(first)))
    return Statistics(
        curve=rate_curve(rates.rate, fading),
        device=devices,
        mean_gain=gain[first],
        power=watts,
        reach=watts * strength * rates.usable if spreads else np.full(len(first), np.inf),
        most_snr=most * strength,
        share=unknown if traffic.share is None else traffic.share,
        **senders(devices, watts),
    )


def link_samples(
    rates: BlockRates,
    traffic: ActiveTransfers,
    shares: FloatArray,
    level: FloatArray,
    present: ChannelState,
    known: ChannelState,
    rate: FloatArray,
    place: Mapping[str, str] | None,
) -> LinkSamples:
    """Return what gives the number of each link, and its values for a `RadioSample`.

    The power is that of now: commands and movements change what a rule says.

    Args:
        rates: Rate map and power rule.
        traffic: The n transfers.
        shares: Shares of blocks, (n, blocks).
        level: Part of its power that each uses, (n,), or of each block, (n, blocks).
        present: The channel of the m links.
        known: The channel as the sender knows it.
        rate: bit/s of each transfer, (n,), which may be found later.
        place: Values of every sample: cell and direction.
    """
    receivers = np.diff(np.append(traffic.first, len(traffic.links)))
    owner = np.repeat(np.arange(len(traffic.first)), receivers)
    shares = shares[owner]
    power = on_blocks(rates.power, traffic.links, shares.sum(axis=1), level[owner])
    return partial(_samples, rates, traffic, owner, shares, power, present, known, rate, place)


def _samples(
    rates: BlockRates,
    traffic: ActiveTransfers,
    owner: NDArray[np.intp],
    shares: FloatArray,
    power: FloatArray,
    present: ChannelState,
    known: ChannelState,
    rate: FloatArray,
    place: Mapping[str, str] | None,
) -> list[tuple[int, dict[str, Any]]]:
    """Return number and values of each link, at a power in W on a block, (m,) or (blocks, m)."""
    held = shares.sum(axis=1)
    sinr, seen = present.sinr(power).T, known.sinr(power).T
    link, block = np.nonzero(shares)
    first = np.flatnonzero(np.diff(link, prepend=-1))
    modulation = None if known.modulation is None else known.modulation[link[first]]
    learned = known.learned and Learned(known.learned.offset[link[first]], known.learned.blocks)
    entries = seen[link, block], sinr[link, block], shares[link, block]
    schemes = rates.schemes(*entries, first, modulation, learned)
    found = []
    for number, device in enumerate(traffic.links.tolist()):
        mine = np.flatnonzero(shares[number])
        facts: dict[str, Any] = {"rate": float(rate[owner[number]]), "held": float(held[number])}
        facts |= {**(place or {}), "sinr_db": None, "mcs": None, "first_error": None}
        facts["blocks"] = tuple(mine.tolist())
        facts["block_sinr_db"] = tuple((10 * log10(sinr[number, mine])).tolist())
        if mine.size:
            mean = (shares[number] * sinr[number]).sum() / held[number]
            facts["sinr_db"] = float(10 * log10(mean))
            if schemes is not None:
                entry = int(np.searchsorted(link[first], number))
                facts["mcs"], facts["first_error"] = (each[entry].item() for each in schemes)
        found.append((device, facts))
    return found
