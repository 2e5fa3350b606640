"""Modulation and coding schemes, channel quality indicators and transport blocks of TS 38.214."""

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from channel_models.validation import FloatArray, check_array

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


# TS 38.214 Table 5.1.3.2-1: the 93 sizes up to 3824 bit
_SIZES: Final = np.array(
    [*range(24, 193, 8), *range(208, 385, 16), *range(408, 577, 24), *range(608, 737, 32),
     *range(768, 929, 40), 984, 1032, 1064, 1128, 1160, 1192, 1224, 1256, 1288, 1320, 1352, 1416,
     1480, 1544, 1608, 1672, 1736, 1800, 1864, 1928, 2024, 2088, 2152, 2216, 2280, 2408, 2472, 2536,
     2600, 2664, 2728, 2792, 2856, 2976, 3104, 3240, 3368, 3496, 3624, 3752, 3824],
    dtype=np.int64,
)  # fmt: skip


def resource_elements(
    resource_blocks: ArrayLike,
    symbols: ArrayLike = 14,
    reference_elements: ArrayLike = 12,
    overhead: ArrayLike = 0,
) -> Any:
    """Resource elements for data: ``min(156, 12 symbols - DMRS - overhead) n_PRB``.

    ``reference_elements`` are those of DMRS in a resource block, ``overhead`` the configured
    xOverhead (0, 6, 12 or 18). Raises ValueError when nothing is left.
    """
    blocks = _check_integer("resource_blocks", resource_blocks, 1)
    per_block = (
        12 * _check_integer("symbols", symbols, 1, 14)
        - _check_integer("reference_elements", reference_elements, 0)
        - _check_integer("overhead", overhead, 0)
    )
    if (per_block < 1).any():
        raise ValueError(
            f"symbols must leave data beside reference signals and overhead, got {per_block.min()} "
            "elements a resource block"
        )
    return (np.minimum(per_block, 156) * blocks)[()]


def transport_block_size(
    resource_blocks: ArrayLike,
    modulation_order: ArrayLike,
    code_rate: ArrayLike,
    *,
    symbols: ArrayLike = 14,
    reference_elements: ArrayLike = 12,
    overhead: ArrayLike = 0,
    layers: ArrayLike = 1,
) -> Any:
    """Transport block size in bit of one slot, elementwise.

    ``N_info = N_RE R Q_m layers`` is rounded down (up to 3824 bit) or to the nearest (above)
    multiple of a power of two, then up to a size that the code can segment. Raises ValueError out
    of range.
    """
    elements = resource_elements(resource_blocks, symbols, reference_elements, overhead)
    order = _check_integer("modulation_order", modulation_order, 1, 10)
    rate = check_array("code_rate", code_rate, minimum=0.0, maximum=1.0, exclusive=True)
    streams = _check_integer("layers", layers, 1, 4)
    information = np.asarray(elements * rate * order * streams, dtype=float)
    size = np.where(information <= 3824.0, _small(information), _large(information, rate))
    return size[()]


def code_blocks(size: ArrayLike, code_rate: ArrayLike) -> tuple[Any, Any]:
    """How many LDPC code blocks a transport block has, and the bits of one, CRCs included.

    TS 38.212 sections 6.2.2 and 5.2.2: base graph 2 (blocks up to 3840 bit) for ``size <= 292``,
    for ``code_rate <= 0.25``, and for ``size <= 3824`` with ``code_rate <= 0.67``; else base graph
    1 (up to 8448 bit). Several blocks carry a CRC of 24 bit each.
    """
    bits = _check_integer("size", size, 1)
    rate = check_array("code_rate", code_rate, minimum=0.0, maximum=1.0, exclusive=True)
    second = (bits <= 292) | (rate <= 0.25) | ((bits <= 3824) & (rate <= 0.67))
    largest = np.where(second, 3840, 8448)
    with_crc = bits + np.where(bits > 3824, 24, 16)
    count = np.where(with_crc <= largest, 1, -(-with_crc // (largest - 24)))
    each = np.where(count == 1, with_crc, -(-(with_crc + 24 * count) // count))
    return count[()], each[()]


def _floor_log2(values: FloatArray) -> NDArray[np.int64]:
    return (np.frexp(values)[1] - 1).astype(np.int64)


def _small(information: FloatArray) -> NDArray[np.int64]:
    bounded = np.clip(information, 1.0, 3824.0)
    step = 2 ** np.maximum(3, _floor_log2(bounded) - 6)
    quantised = np.maximum(24, step * np.floor(bounded / step).astype(np.int64))
    return np.asarray(_SIZES[np.searchsorted(_SIZES, quantised)], dtype=np.int64)


def _large(information: FloatArray, rate: FloatArray) -> NDArray[np.int64]:
    reduced = np.maximum(information, 3825.0) - 24.0
    step = 2 ** (_floor_log2(reduced) - 5)
    # ties go up: the standard's round is not the banker's one
    quantised = np.maximum(3840, step * np.floor(reduced / step + 0.5).astype(np.int64))
    total = quantised + 24
    low_rate = -(-total // 3816)
    high_rate = np.where(quantised > 8424, -(-total // 8424), 1)
    blocks = np.where(rate <= 0.25, low_rate, high_rate)
    return np.asarray(8 * blocks * -(-total // (8 * blocks)) - 24, dtype=np.int64)


def _check_integer(
    name: str, values: ArrayLike, minimum: int, maximum: int | None = None
) -> NDArray[np.int64]:
    array = check_array(name, values, minimum=minimum, maximum=maximum)
    if (array != np.round(array)).any():
        raise ValueError(
            f"{name} must be an integer, got {array[array != np.round(array)].flat[0]}"
        )
    return array.astype(np.int64)
