"""What an allocator may know beside the momentary channel."""

import numpy as np

import channel_models as cm
from channel_models.validation import FloatArray
from wfl_sim.radio.allocation.allocator import SenderFacts, Statistics
from wfl_sim.radio.bands.block_rates import BlockRates
from wfl_sim.radio.bands.medium import ActiveTransfers
from wfl_sim.radio.channel.rate_curve import rate_curve
from wfl_sim.radio.power.transmit_power import PowerRule


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
