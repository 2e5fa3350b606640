"""Modulation and coding schemes, and channel quality indicators, of 3GPP TS 38.214."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from channel_models.validation import FloatArray

TableName = Literal["64qam", "256qam", "low-se"]


@dataclass(frozen=True, eq=False)
class McsTable:
    """Schemes by index: bits a symbol ``modulation_order`` Q_m and ``code_rate`` R, both (n,)."""

    name: str
    modulation_order: NDArray[np.int64]
    code_rate: FloatArray

    def __len__(self) -> int:
        return int(self.code_rate.size)

    @property
    def spectral_efficiency(self) -> FloatArray:
        """``Q_m R`` bit/s/Hz, shape (n,)."""
        return np.asarray(self.modulation_order * self.code_rate, dtype=float)

    def check_index(self, index: ArrayLike) -> NDArray[np.int64]:
        """Indices as an integer array; ValueError when out of range."""
        array = np.asarray(index)
        if not np.issubdtype(array.dtype, np.integer):
            raise ValueError(f"mcs must be an integer, got {index!r}")
        if (array < 0).any() or (array >= len(self)).any():
            bad = array[(array < 0) | (array >= len(self))].flat[0]
            raise ValueError(f"mcs must be between 0 and {len(self) - 1} in {self.name}, got {bad}")
        return array.astype(np.int64)


_64QAM: Final[dict[int, tuple[float, ...]]] = {
    2: (120, 157, 193, 251, 308, 379, 449, 526, 602, 679),
    4: (340, 378, 434, 490, 553, 616, 658),
    6: (438, 466, 517, 567, 616, 666, 719, 772, 822, 873, 910, 948),
}
_256QAM: Final = {
    2: (120, 193, 308, 449, 602),
    4: (378, 434, 490, 553, 616, 658),
    6: (466, 517, 567, 616, 666, 719, 772, 822, 873),
    8: (682.5, 711, 754, 797, 841, 885, 916.5, 948),
}
_LOW_SE: Final[dict[int, tuple[float, ...]]] = {
    2: (30, 40, 50, 64, 78, 99, 120, 157, 193, 251, 308, 379, 449, 526, 602),
    4: (340, 378, 434, 490, 553, 616),
    6: (438, 466, 517, 567, 616, 666, 719, 772),
}
_MCS: Final[dict[str, dict[int, tuple[float, ...]]]] = {
    "64qam": _64QAM,
    "256qam": _256QAM,
    "low-se": _LOW_SE,
}
_CQI: Final[dict[str, tuple[float, ...]]] = {
    "64qam": (0.1523, 0.2344, 0.3770, 0.6016, 0.8770, 1.1758, 1.4766, 1.9141, 2.4063, 2.7305,
              3.3223, 3.9023, 4.5234, 5.1152, 5.5547),
    "256qam": (0.1523, 0.3770, 0.8770, 1.4766, 1.9141, 2.4063, 2.7305, 3.3223, 3.9023, 4.5234,
               5.1152, 5.5547, 6.2266, 6.9141, 7.4063),
}  # fmt: skip


def mcs_table(name: TableName = "64qam") -> McsTable:
    """The MCS table for PDSCH (and PUSCH without transform precoding).

    "64qam": TS 38.214 Table 5.1.3.1-1, indices 0 to 28; "256qam": Table 5.1.3.1-2, 0 to 27;
    "low-se": Table 5.1.3.1-3, 0 to 28. Raises ValueError for another name.
    """
    if name not in _MCS:
        raise ValueError(f"table must be one of {', '.join(_MCS)}, got {name!r}")
    orders = [order for order, rates in _MCS[name].items() for _ in rates]
    rates = [rate / 1024.0 for rates in _MCS[name].values() for rate in rates]
    return McsTable(name, np.array(orders, dtype=np.int64), np.array(rates))


def cqi_efficiency(name: Literal["64qam", "256qam"] = "64qam") -> FloatArray:
    """Spectral efficiencies of CQI 1 to 15, bit/s/Hz, shape (15,).

    TS 38.214 Table 5.2.2.1-2 ("64qam") and Table 5.2.2.1-3 ("256qam"). ValueError for another name.
    """
    if name not in _CQI:
        raise ValueError(f"table must be one of {', '.join(_CQI)}, got {name!r}")
    return np.array(_CQI[name])
