"""Rates on resource blocks: from the blocks that transfers hold to SINR, bit/s and watts."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

import channel_models as cm
from channel_models.link_adaptation.compiled_rates import compiled_efficiency
from channel_models.validation import FloatArray
from wfl_sim.radio.bands.medium import ActiveTransfers
from wfl_sim.radio.channel.propagation import TransportRate
from wfl_sim.radio.power.power_control import Modulation
from wfl_sim.radio.power.transmit_power import PowerRule, on_blocks, per_held_block

Rates = tuple[FloatArray, FloatArray, FloatArray]
"""Rate in bit/s, radiated power in W and mean linear SINR of n transfers."""


@dataclass(slots=True)
class Learned:
    """What an outer loop has learned of n transfers that have one link each."""

    offset: FloatArray
    """(n,) dB by which they back off."""
    blocks: float = 0.0
    """Transport blocks of the present grid cell."""


@dataclass(frozen=True, slots=True)
class ChannelState:
    """The channel of m links in one grid cell, true or estimated."""

    fading: NDArray[np.float32]
    """(blocks, m) power gains of mean one; of several grid cells, (steps, blocks, m)."""
    strength: FloatArray
    """(m,), (blocks, m) or (steps, blocks, m): mean SINR of a link on a block for each W."""
    learned: Learned | None = None
    """How far its links back off from it, where an outer loop has learned that."""
    modulation: NDArray[np.intp] | None = None
    """(m,) index of the modulation of each link, where that sets their power."""

    def sinr(self, power: FloatArray) -> FloatArray:
        """(blocks, m) where the links send with `power` (m,) in W on a block."""
        return np.asarray(self.fading * (power * self.strength))


@dataclass(frozen=True, kw_only=True)
class BlockRates:
    """The rate map and the power rule of one direction of a cell, applied to resource blocks."""

    rate: cm.RateMap
    power: PowerRule
    blocks: int
    usable: float
    """Symbols/s of data on one resource block, on average over time."""
    modulations: tuple[Modulation, ...] = ()
    """Modulations that differ in power; empty where all have the same."""

    def even_split(
        self,
        traffic: ActiveTransfers,
        fading: NDArray[np.float32],
        strength: FloatArray,
        most: FloatArray | None = None,
    ) -> FloatArray:
        """bit/s/Hz (steps, blocks, n) on (steps, blocks, m) fading, if all transfers held alike.

        `strength` (m,) or (blocks, m) is the mean SINR of a link on a block for each W; no link
        holds more than `most` (m,) blocks.
        """
        if self._parts:
            given = np.ones(len(traffic.first)) if traffic.level is None else traffic.level
            levels = [np.minimum(given, each.level) for each in self.modulations]
            cases = zip(self._parts, levels, strict=True)
            found = [
                part.even_split(replace(traffic, level=level), fading, strength, most)
                for part, level in cases
            ]
            return np.asarray(np.maximum.reduce(found))
        links = traffic.links
        held = np.full(len(links), self.blocks / traffic.transmissions)
        if most is not None:
            held = np.minimum(held, most)
        level = 1.0 if traffic.level is None else traffic.level
        scale = (self.power.per_block(links, held, level) * strength).astype(np.float32)
        efficiency = None if scale.ndim > 1 else compiled_efficiency(self.rate, fading, scale)
        if efficiency is None:
            efficiency = self.rate.spectral_efficiency(fading * scale)
        return worst(traffic, efficiency)

    def of_holders(
        self,
        links: NDArray[np.intp],
        holders: NDArray[np.intp],
        present: ChannelState,
        known: ChannelState,
    ) -> Rates:
        """Return the rates of whole blocks, each held by one of the links.

        The fast path for unicast: `holders` (blocks,) says which; the strengths are (m,).
        """
        count, blocks = len(links), self._every_block
        held = np.bincount(holders, minlength=count).astype(float)
        power = per_held_block(self.power, links, held)
        sinr = present.fading[blocks, holders] * (power * present.strength).take(holders)
        if self._transport is None:
            efficiency = self.rate.spectral_efficiency(sinr)
            rate = np.asarray(np.bincount(holders, efficiency, count), dtype=float)
        else:
            seen = known.fading[blocks, holders] * (power * known.strength).take(holders)
            order = np.argsort(holders, kind="stable")
            rate = self._transported(
                holders[order], seen[order], sinr[order], np.ones(self.blocks), count, known.learned
            )
        mean = np.bincount(holders, sinr, count) / np.maximum(held, 1)
        return np.asarray(rate * self.usable), power * held, mean

    def choose(
        self, traffic: ActiveTransfers, shares: FloatArray, level: FloatArray, known: ChannelState
    ) -> tuple[FloatArray, NDArray[np.intp]]:
        """Return the modulations (n,) that carry the most on the known channel, and their levels.

        Shares (n, blocks) and levels, (n,) or (n, blocks), are those of single links; a modulation
        bounds the power on all blocks together.
        """
        used = level if level.ndim == 1 else (level * shares).sum(axis=1)
        least = np.maximum(used, 1e-300)
        scales = np.array([np.minimum(1.0, each.level / least) for each in self.modulations])
        if level.ndim == 2:
            scales = scales[:, :, None]
        carried = [
            part.of_shares(traffic, shares, level * scale, known, known)[0]
            for part, scale in zip(self._parts, scales, strict=True)
        ]
        best = np.argmax(carried, axis=0)
        return level * scales[best, np.arange(len(best))], best

    def of_shares(
        self,
        traffic: ActiveTransfers,
        shares: FloatArray,
        level: FloatArray,
        present: ChannelState,
        known: ChannelState,
    ) -> Rates:
        """Return the rates of shares of blocks (n, blocks), at levels (n,) or (n, blocks).

        Of several grid cells, rates and SINR are (steps, n); not for rates of transport blocks.
        """
        if known.modulation is not None:
            state = replace(known, modulation=None)
            found = [
                part.of_shares(traffic, np.where(mine, shares, 0.0), level, present, state)
                for part, mine in zip(self._parts, self._of_each(known.modulation), strict=True)
                if mine.any()
            ]
            rate, watts, heard = (np.sum(each, axis=0) for each in zip(*found, strict=True))
            return rate, watts, heard
        if not traffic.unicast:
            receivers = np.diff(np.append(traffic.first, len(traffic.links)))
            shares = np.repeat(shares, receivers, axis=0)
            level = np.repeat(level, receivers, axis=0)
        # Blocks first, as in compiled loops.
        share = np.ascontiguousarray(shares.T)
        held = in_order(share)
        power = on_blocks(self.power, traffic.links, held, level)
        sinr = present.sinr(power)
        if self._transport is None:
            rate = in_order(share * self.rate.spectral_efficiency(sinr))
        else:
            link, block = np.nonzero(shares)
            true = sinr[block, link]
            rate = self._transported(
                link,
                true if known is present else known.sinr(power)[block, link],
                true,
                shares[link, block],
                len(held),
                known.learned,
            )
        received = in_order(share * sinr)
        sent = power * held if power.ndim == 1 else in_order(power * share)
        radiated = sent[traffic.first]
        if traffic.together is not None:
            sizes = np.diff(np.append(traffic.together, len(radiated)))
            radiated = radiated / np.repeat(sizes, sizes)
        return (
            worst(traffic, rate * self.usable),
            radiated,
            worst(traffic, received / np.where(held > 0, held, 1.0)),
        )

    def schemes(
        self,
        known: FloatArray,
        sinr: FloatArray,
        share: FloatArray,
        first: NDArray[np.intp],
        modulation: NDArray[np.intp] | None = None,
        learned: Learned | None = None,
    ) -> tuple[NDArray[np.intp], FloatArray] | None:
        """MCS and first-transmission errors of entries, as `McsRate.first_errors`; or None.

        `modulation` and `learned` are those of the entries' links, as in `ChannelState`.
        """
        if modulation is not None:
            mine, each, begin = self._parts, [known, sinr, share], np.zeros(1, dtype=np.intp)
            pairs = [
                mine[modulation[i]].schemes(
                    *(a[one] for a in each),
                    begin,
                    learned=learned and Learned(learned.offset[i : i + 1], learned.blocks),
                )
                for i, one in enumerate(map(slice, first, np.append(first[1:], len(sinr))))
            ]
            if any(pair is None for pair in pairs) or not pairs:
                return None
            chosen, errors = zip(*pairs, strict=True)
            return np.concatenate(chosen), np.concatenate(errors)
        if learned is not None and len(first):
            rate: Any = self.rate
            found = rate.learned(known, sinr, share, first, learned.offset, learned.blocks)
            return found.mcs, found.errors
        found = getattr(self.rate, "first_errors", None)
        return None if found is None or not len(first) else found(known, sinr, share, first)

    def _transported(
        self,
        link: NDArray[np.intp],
        known: FloatArray,
        sinr: FloatArray,
        share: FloatArray,
        count: int,
        learned: Learned | None,
    ) -> FloatArray:
        """bit/s/Hz times blocks (count,) of entries sorted by link: one MCS for each link."""
        rate = np.zeros(count)
        if self._transport is not None and len(link):
            first = np.flatnonzero(np.diff(link, prepend=-1))
            if learned is None:
                efficiency = self._transport.transport_efficiency(known, sinr, share, first)
            else:
                mine = link[first]
                found = self._transport.learned(  # type: ignore[attr-defined]
                    known, sinr, share, first, learned.offset[mine], learned.blocks
                )
                efficiency, learned.offset[mine] = found.efficiency, found.offset_db
            rate[link[first]] = efficiency * np.add.reduceat(share, first)
        return rate

    @cached_property
    def _parts(self) -> tuple["BlockRates", ...]:
        """Rates with at most each modulation."""
        return tuple(replace(self, rate=each.rate, modulations=()) for each in self.modulations)

    def _of_each(self, modulation: NDArray[np.intp]) -> list[NDArray[np.bool_]]:
        """(m, 1) by modulation: which links have it."""
        return [(modulation == number)[:, None] for number in range(len(self.modulations))]

    @cached_property
    def _transport(self) -> TransportRate | None:
        return self.rate if isinstance(self.rate, TransportRate) else None

    @cached_property
    def _every_block(self) -> NDArray[np.intp]:
        return np.arange(self.blocks)


def in_order(values: FloatArray) -> FloatArray:
    """Sum (..., k, n) over k in its order; NumPy's sum of one column has another."""
    if values.shape[-1] == 1:
        return np.asarray(values.cumsum(axis=-2)[..., -1, :])
    return np.asarray(values.sum(axis=-2))


def worst(traffic: ActiveTransfers, values: NDArray[Any]) -> FloatArray:
    """Return the least over the links of each transfer, along the last axis."""
    if traffic.unicast:
        return values
    return np.asarray(np.minimum.reduceat(values, traffic.first, axis=-1))
