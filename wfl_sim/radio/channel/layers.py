"""Spatial layers: ports of a base station that combine what they receive, and the rank rule."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import ArrayLike, NDArray

import channel_models as cm
from channel_models.validation import FloatArray
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.registry import From
from wfl_sim.radio.channel.propagation import RATES, TransportRate


@dataclass(frozen=True, kw_only=True)
class Layers:
    """Another rate map, on the best number of layers, from the SINR at one port.

    With L layers, each at 1/L of the power, zero forcing over N independent ports leaves each a
    mean SINR of ``(N - L + 1) / L`` times that of one port; one layer is maximum ratio combining
    (Winters, Salz, Gitlin 1994, IEEE Transactions on Communications 42, section III). The rank that
    carries the most is taken, one for all blocks of a transfer, on the channel that is known. The
    fading is that of one port: what combining takes off its depth is left out, and so is
    correlation.
    """

    ports: Annotated[int, Ge(1), Le(256)] = 4
    """Ports of the base station, in both directions."""
    layers: Annotated[int, Ge(1), Le(4)] = 2
    """Most layers: the ports of a device (TS 38.214: at most 4 on the uplink)."""
    map: Annotated[cm.RateMap, From(RATES)] = field(default_factory=cm.ShannonGap)
    """Rate of one layer."""

    def __post_init__(self) -> None:
        if self.layers > self.ports:
            raise LocatedError(f"must be at most the {self.ports} ports", "layers")
        if isinstance(self.map, Layers):
            raise LocatedError("must be the rate of one layer, not of layers", "map")
        if getattr(self.map, "outer_loop", None) is not None:
            raise LocatedError("is not known to layers", "map", "outer_loop")

    def spectral_efficiency(self, sinr: ArrayLike) -> Any:
        """bit/s/Hz at a linear SINR of one port, with the best number of layers."""
        each = np.asarray(sinr)
        found = [
            layers * self.map.spectral_efficiency(each * scale) for layers, scale in self._ranks
        ]
        return np.maximum.reduce(found)[()]

    def transport_efficiency(
        self, known: FloatArray, sinr: FloatArray, weight: FloatArray, first: NDArray[np.intp]
    ) -> FloatArray:
        """bit/s/Hz (n,) of the rank that promises the most on `known`; see `TransportRate`."""
        if self.layers == 1 and sinr is not known:
            return self._carried(known * self.ports, sinr * self.ports, weight, first)
        layers, scales = (np.array(each) for each in zip(*self._ranks, strict=True))
        seen = (known * scales[:, None]).ravel()
        begins = (first + len(known) * np.arange(len(layers))[:, None]).ravel()
        promised = self._carried(seen, seen, np.tile(weight, len(layers)), begins)
        found = layers[:, None] * promised.reshape(len(layers), -1)
        if sinr is known:
            return np.asarray(found.max(axis=0))
        best = found.argmax(axis=0)
        scale = np.repeat(scales[best], np.diff(np.append(first, len(known))))
        return np.asarray(layers[best] * self._carried(known * scale, sinr * scale, weight, first))

    @property
    def _ranks(self) -> list[tuple[int, float]]:
        """Numbers of layers, and the SINR of a layer for each of one port."""
        return [(n, (self.ports - n + 1) / n) for n in range(1, self.layers + 1)]

    @cached_property
    def _transport(self) -> TransportRate | None:
        return self.map if isinstance(self.map, TransportRate) else None

    def _carried(
        self, known: FloatArray, sinr: FloatArray, weight: FloatArray, first: NDArray[np.intp]
    ) -> FloatArray:
        if self._transport is not None:
            return self._transport.transport_efficiency(known, sinr, weight, first)
        rates = weight * self.map.spectral_efficiency(sinr)
        return np.asarray(np.add.reduceat(rates, first) / np.add.reduceat(weight, first))
