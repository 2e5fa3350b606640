"""Cells that are not of NR: the channel of an access point of Wi-Fi, and wires of clients."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from channel_models.elementary import log10
from channel_models.validation import FloatArray
from wfl_sim.radio.bands.band_division import BandDivision
from wfl_sim.radio.bands.medium import ActiveTransfers, LinkSamples, RatePlan
from wfl_sim.radio.wifi import Wifi


@dataclass(frozen=True, kw_only=True)
class WifiMedium:
    """The channel of an access point: links of devices upwards, then the same downwards."""

    wifi: Wifi
    width: float
    """Hz."""
    uplink: BandDivision
    downlink: BandDivision
    """Fading, gains and powers of each direction."""
    devices: int

    def plan(self, traffic: ActiveTransfers, now: float, steps: int) -> RatePlan:
        """Let stations contend, one fading sample after the other."""
        channel = self.uplink.channel
        start = channel.index(now)
        steps = min(steps, channel.most_steps(len(traffic.links)))
        down = traffic.links >= self.devices
        links = traffic.links % self.devices
        sent, gain = np.empty((2, len(links)))
        received = np.empty((steps, len(links)))
        for mine, band in ((~down, self.uplink), (down, self.downlink)):
            which = links[mine]
            sent[mine] = band.power.total(which)
            gain[mine] = band.channel.mean_gain[which]
            if which.size:
                received[:, mine] = band.channel.fading(which, start, steps).mean(axis=1)
        if traffic.level is not None:
            receivers = np.diff(np.append(traffic.first, len(links)))
            sent *= np.repeat(traffic.level, receivers)
        received *= sent * gain
        scheme = np.minimum.reduceat(self.wifi.scheme(received, self.width), traffic.first, axis=1)
        first = traffic.first
        rate, busy = np.zeros((2, steps, len(first)))
        for step in range(steps):
            rate[step], busy[step] = self._share(scheme[step], down[first])
        noise = np.where(down[first], self.downlink.block_noise, self.uplink.block_noise)
        noise = noise * self.uplink.blocks
        with np.errstate(divide="ignore"):
            snr_db = 10 * log10(np.minimum.reduceat(received, first, axis=1) / noise)
        return RatePlan(
            until=channel.step * np.arange(start + 1, start + 1 + steps, dtype=float),
            rate=rate,
            average_rate=rate,
            time_constant=np.inf,
            duty=1.0,
            power=busy * sent[first],
            sinr_db=snr_db,
            samples=self._samples(links[first], down[first], rate, snr_db, scheme),
        )

    def _share(
        self, scheme: NDArray[np.intp], down: NDArray[np.bool_]
    ) -> tuple[FloatArray, FloatArray]:
        """Return bit/s of each transfer, and its part of the time on the air."""
        rate, busy = np.zeros((2, len(scheme)))
        heard = scheme >= 0
        up, served = np.flatnonzero(heard & ~down), np.flatnonzero(heard & down)
        if not up.size + served.size:
            return rate, busy
        bits, seconds = self.wifi.air(np.maximum(scheme, 0), self.width)
        stations = seconds[up]
        if served.size:
            # The access point is one station, and serves its transfers in turn.
            stations = np.append(stations, seconds[served].mean())
        spent, tries = self.wifi.cycle(stations)
        for mine, turn in ((up, 1.0), (served, 1.0 / max(served.size, 1))):
            rate[mine] = bits[mine] * turn / (len(stations) * spent)
            busy[mine] = tries * seconds[mine] * turn / spent
        return rate, busy

    def _samples(
        self,
        links: NDArray[np.intp],
        down: NDArray[np.bool_],
        rate: FloatArray,
        snr_db: FloatArray,
        scheme: NDArray[np.intp],
    ) -> list[LinkSamples]:
        if self.uplink.recorded is None:
            return []

        def of(step: int) -> LinkSamples:
            def facts() -> list[tuple[int, dict[str, Any]]]:
                rows = zip(links, down, rate[step], snr_db[step], scheme[step], strict=True)
                return [
                    (
                        int(link),
                        {
                            "cell": self.uplink.place[0],
                            "direction": "downlink" if downwards else "uplink",
                            "rate": float(carried),
                            "sinr_db": float(snr) if mcs >= 0 else None,
                            "mcs": int(mcs) if mcs >= 0 else None,
                            "first_error": None,
                            "held": 0.0,
                            "blocks": (),
                            "block_sinr_db": (),
                        },
                    )
                    for link, downwards, carried, snr, mcs in rows
                ]

            return facts

        return [of(step) for step in range(len(rate))]


@dataclass(frozen=True)
class WiredClients:
    """Devices that each have a wire of their own, in both directions."""

    capacity: float
    """bit/s."""

    def plan(self, traffic: ActiveTransfers, now: float, steps: int) -> RatePlan:
        """Give each transfer its capacity."""
        rate = np.full((1, len(traffic.first)), self.capacity)
        none = np.zeros_like(rate)
        return RatePlan(
            until=np.array([np.inf]),
            rate=rate,
            average_rate=rate,
            time_constant=np.inf,
            duty=1.0,
            power=none,
            sinr_db=none * np.nan,
            samples=[list],
        )
