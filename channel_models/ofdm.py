"""NR numerology and resource grid: subcarrier spacings, slots, resource blocks."""

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from channel_models.units import SPEED_OF_LIGHT
from channel_models.validation import FloatArray, check_array, check_positive_integer

SUBCARRIERS_PER_BLOCK: Final = 12
SYMBOLS_PER_SLOT: Final = 14

_SPACINGS: Final = (15e3, 30e3, 60e3, 120e3, 240e3, 480e3, 960e3)

_FR1_BLOCKS: Final = {
    15e3: {5: 25, 10: 52, 15: 79, 20: 106, 25: 133, 30: 160, 35: 188, 40: 216, 45: 242, 50: 270},
    30e3: {5: 11, 10: 24, 15: 38, 20: 51, 25: 65, 30: 78, 35: 92, 40: 106, 45: 119, 50: 133,
           60: 162, 70: 189, 80: 217, 90: 245, 100: 273},
    60e3: {10: 11, 15: 18, 20: 24, 25: 31, 30: 38, 35: 44, 40: 51, 45: 58, 50: 65, 60: 79, 70: 93,
           80: 107, 90: 121, 100: 135},
}  # fmt: skip
_FR2_BLOCKS: Final = {
    60e3: {50: 66, 100: 132, 200: 264},
    120e3: {50: 32, 100: 66, 200: 132, 400: 264},
}


def numerology(subcarrier_spacing: float) -> int:
    """``mu`` of the spacing ``15 kHz 2^mu`` (TS 38.211 Table 4.2-1); ValueError if none."""
    for mu, spacing in enumerate(_SPACINGS):
        if subcarrier_spacing == spacing:
            return mu
    allowed = ", ".join(f"{s / 1e3:g}" for s in _SPACINGS)
    raise ValueError(
        f"subcarrier_spacing must be one of {allowed} kHz, got {subcarrier_spacing / 1e3:g} kHz"
    )


def slot_duration(subcarrier_spacing: float) -> float:
    """Slot length in s, ``1 ms / 2^mu`` (TS 38.211 Table 4.3.2-1)."""
    return float(1e-3 / 2 ** numerology(subcarrier_spacing))


def symbol_duration(subcarrier_spacing: float) -> float:
    """Mean length of an OFDM symbol with its cyclic prefix, s: a slot over 14."""
    return slot_duration(subcarrier_spacing) / SYMBOLS_PER_SLOT


def resource_block_bandwidth(subcarrier_spacing: float) -> float:
    """Bandwidth of a resource block in Hz: 12 subcarriers."""
    numerology(subcarrier_spacing)
    return SUBCARRIERS_PER_BLOCK * float(subcarrier_spacing)


def resource_blocks(bandwidth: float, subcarrier_spacing: float, carrier: float = 3.5e9) -> int:
    """Number of resource blocks N_RB of a channel bandwidth.

    TS 38.101-1 Table 5.3.2-1 (FR1, up to 7.125 GHz) and TS 38.101-2 Table 5.3.2-1 (FR2-1, 24.25 to
    52.6 GHz). Raises ValueError listing the bandwidths or spacings that are allowed.
    """
    carrier = float(check_array("carrier", carrier, minimum=0.0, exclusive=True, unit="Hz"))
    band = float(check_array("bandwidth", bandwidth, minimum=0.0, exclusive=True, unit="Hz"))
    if carrier <= 7.125e9:
        name, tables = "FR1", _FR1_BLOCKS
    elif 24.25e9 <= carrier <= 52.6e9:
        name, tables = "FR2", _FR2_BLOCKS
    else:
        raise ValueError(
            "carrier must be at most 7.125 GHz (FR1) or between 24.25 and 52.6 GHz (FR2), "
            f"got {carrier / 1e9:g} GHz"
        )
    if subcarrier_spacing not in tables:
        allowed = ", ".join(f"{s / 1e3:g}" for s in tables)
        raise ValueError(
            f"subcarrier_spacing must be one of {allowed} kHz in {name}, "
            f"got {subcarrier_spacing / 1e3:g} kHz"
        )
    blocks = tables[subcarrier_spacing].get(band / 1e6)  # type: ignore[call-overload]
    if blocks is None:
        allowed = ", ".join(map(str, tables[subcarrier_spacing]))
        raise ValueError(
            f"bandwidth must be one of {allowed} MHz at {subcarrier_spacing / 1e3:g} kHz in "
            f"{name}, got {band / 1e6:g} MHz"
        )
    return int(blocks)


def resource_block_offsets(blocks: int, subcarrier_spacing: float) -> FloatArray:
    """Centre of every resource block relative to the carrier, Hz, shape (blocks,)."""
    count = check_positive_integer("blocks", blocks)
    width = resource_block_bandwidth(subcarrier_spacing)
    return np.asarray((np.arange(count) - (count - 1) / 2.0) * width, dtype=float)


def doppler_shift(speed: ArrayLike, carrier: ArrayLike) -> Any:
    """Maximum Doppler shift ``v f / c`` in Hz of a speed in m/s at a carrier in Hz."""
    velocity = check_array("speed", speed, minimum=0.0, unit="m/s")
    frequency = check_array("carrier", carrier, minimum=0.0, exclusive=True, unit="Hz")
    return (velocity * frequency / SPEED_OF_LIGHT)[()]
