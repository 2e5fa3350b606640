"""Transport block sizes, exactly as 3GPP TS 38.214 section 5.1.3.2, and their code blocks."""

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from channel_models.validation import FloatArray, check_array

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
