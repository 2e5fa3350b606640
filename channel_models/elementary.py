"""Elementary functions with the same bits on every processor.

NumPy chooses the code of its exp, log or sine by the vector width of the processor, and the C
library uses fused multiply-add where there is one. Results differ in their last bits, and then a
scheduler that compares two devices may choose the other one. The functions here consist of single
IEEE 754 operations (+, -, x, /, square root), each an array operation that rounds once, and of
exact steps on exponents. They are within a few units of the last place.

Ranges are reduced as in Cody and Waite 1980, Software Manual for the Elementary Functions; the
remainders are Taylor series.
"""

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

LN2: Final = 0.6931471805599453
"""Natural logarithm of 2."""
LN10: Final = 2.302585092994046
"""Natural logarithm of 10."""

LN2_HIGH: Final = float.fromhex("0x1.62e42fee00000p-1")
"""The first 33 bits of ln 2: its product with an exponent is exact."""
LN2_LOW: Final = float.fromhex("0x1.a39ef35793c76p-33")
PER_LN2: Final = 1.4426950408889634
PER_LN10: Final = 0.4342944819032518
HALF_PI: Final = 1.5707963267948966
ROOT_HALF: Final = 0.7071067811865476

ATANH: Final = tuple(1.0 / n for n in range(21, 0, -2))
"""artanh(z) / z by powers of z^2, highest first, for abs(z) up to 0.172."""
_ATAN: Final = tuple((-1.0) ** (n // 2) / n for n in range(41, 0, -2))
"""arctan(z) / z by powers of z^2, highest first, for abs(z) up to 0.415."""
_FACTORIALS: Final = tuple(float(f) for f in np.cumprod(np.arange(1.0, 17.0)))
EXPM1: Final = tuple(1.0 / f for f in _FACTORIALS[13::-1])
"""(exp(r) - 1) / r by powers of r, highest first, for abs(r) up to 0.347."""
SINE: Final = tuple((-1.0) ** (n // 2) / _FACTORIALS[n - 1] for n in range(15, 0, -2))
"""sin(a) / a by powers of a^2, highest first, for abs(a) up to pi / 4."""
COSINE: Final = (*((-1.0) ** (n // 2) / _FACTORIALS[n - 1] for n in range(16, 0, -2)), 1.0)

MULTIPLES: Final = 1.5 * 2.0**19
"""Doubles of this size are multiples of 2**-33."""
_DOUBT: Final = 2.0**-44
"""More than the error of any processor's logarithm of up to 40 bit."""


def _series(coefficients: tuple[float, ...], x: Any) -> Any:
    """Return the polynomial of `x` by Horner's rule, highest power first."""
    total = x * coefficients[0] + coefficients[1]
    for coefficient in coefficients[2:]:
        total *= x
        total += coefficient
    return total


def exp(x: ArrayLike) -> Any:
    """``e**x``, elementwise; a scalar stays a scalar."""
    if isinstance(x, float) and -700.0 < x < 700.0:
        # The same operations on single numbers, which are much faster outside arrays.
        x = float(x)
        whole = float(round(x * PER_LN2))
        rest = (x - whole * LN2_HIGH) - whole * LN2_LOW
        return math.ldexp(1.0 + rest * _series(EXPM1, rest), int(whole))
    times, less_one = _exp_parts(x)
    return ((1.0 + less_one) * _power_of_two(times) * _power_of_two(times, rest=True))[()]


def expm1(x: ArrayLike) -> Any:
    """``e**x - 1``, accurate near zero; elementwise."""
    times, less_one = _exp_parts(x)
    first, second = _power_of_two(times), _power_of_two(times, rest=True)
    return (less_one * first * second + (first * second - 1.0))[()]


def _exp_parts(x: ArrayLike) -> tuple[Any, Any]:
    """Return k and ``exp(r) - 1`` where ``x = k ln 2 + r``."""
    bounded = np.minimum(np.maximum(np.asarray(x, dtype=float), -746.0), 710.0)
    times = np.rint(bounded * PER_LN2)
    rest = (bounded - times * LN2_HIGH) - times * LN2_LOW
    return times, rest * _series(EXPM1, rest)


def _power_of_two(times: Any, *, rest: bool = False) -> Any:
    """Return 2 to the half of a whole number, or to the `rest`, which both are regular doubles."""
    half = np.floor(0.5 * times)
    exponent = times - half if rest else half
    # A double of this size has the whole number 1023 + exponent in its last bits.
    return ((exponent + (1023.0 + 2.0**52)).view(np.int64) << 52).view(float)


def rounded(x: ArrayLike) -> Any:
    """Round to 20 bits (5e-7), so that results of two processors are one number.

    For what an iteration leaves unlike in its last digits: about one value in 10**8 is so near to
    the middle of two numbers of 20 bits that they may still differ.
    """
    values = np.asarray(x, dtype=float)
    # Veltkamp's splitting, see Dekker 1971, A floating-point technique for extending precision.
    large = values * (2.0**33 + 1.0)
    return large - (large - values)


def power_of_ten(x: ArrayLike) -> Any:
    """``10**x``, elementwise."""
    return exp(np.asarray(x, dtype=float) * LN10)


def log(x: ArrayLike) -> Any:
    """Natural logarithm, elementwise: ``-inf`` at zero and NaN below it."""
    values = np.asarray(x, dtype=float)
    regular = (values > 0.0) & (values < np.inf)
    if regular.all():
        return _regular_log(values)[()]
    limit = np.where(values == 0.0, -np.inf, np.where(values > 0.0, values, np.nan))
    return np.where(regular, _regular_log(np.where(regular, values, 1.0)), limit)[()]


def _regular_log(values: NDArray[np.float64]) -> Any:
    fraction, exponent = np.frexp(values)
    below = fraction < ROOT_HALF
    fraction, exponent = fraction * (below + 1.0), exponent - below
    z = (fraction - 1.0) / (fraction + 1.0)
    return exponent * LN2_HIGH + (2.0 * z * _series(ATANH, z * z) + exponent * LN2_LOW)


def power(base: ArrayLike, exponent: ArrayLike) -> Any:
    """``base**exponent`` of a positive base, elementwise; the error grows with the result's log."""
    return exp(np.asarray(exponent, dtype=float) * log(base))


def cubed(x: Any) -> Any:
    """``x**3``, elementwise."""
    return x * x * x


def log10(x: ArrayLike) -> Any:
    """Decimal logarithm, elementwise."""
    return log(x) * PER_LN10


def log2(x: ArrayLike) -> Any:
    """Binary logarithm, elementwise."""
    return log(x) * PER_LN2


def log1p(x: ArrayLike) -> Any:
    """``log(1 + x)``, accurate near zero; elementwise."""
    values = np.asarray(x, dtype=float)
    total = 1.0 + values
    with np.errstate(invalid="ignore", divide="ignore"):
        lost = (values - (total - 1.0)) / total
        return (log(total) + np.where(np.isfinite(lost), lost, 0.0))[()]


def capacity(sinr: NDArray[Any]) -> NDArray[Any]:
    """Return ``log2(1 + sinr)`` bit in the precision of `sinr`, a double as a multiple of 2**-33.

    The fast logarithm of the processor is rounded so far that its last digits do not count. Where a
    double is too near to the middle of two multiples to tell, `log1p` decides. In single precision,
    about one value in 10**8 may differ in its last bit on another processor.

    Args:
        sinr: finite and not negative.
    """
    values = np.log1p(sinr, dtype=float)
    values *= PER_LN2
    if sinr.dtype == np.float32:
        return np.asarray(values, dtype=np.float32)
    return _multiples(values, MULTIPLES, _DOUBT, lambda some: log1p(sinr[some]) * PER_LN2)


def decay(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """``e**-x`` as a multiple of 2**-36, of numbers (n,) that are not negative.

    Faster than `exp`: the processor's function is rounded as in `capacity`.
    """
    return _multiples(np.exp(-x), 1.5 * 2.0**16, 2.0**-50, lambda some: exp(-x[some]))


def decibels(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """``10 log10(x)``, ``-inf`` at zero, as a multiple of 2**-30; rounded as in `capacity`."""
    with np.errstate(divide="ignore"):
        fast = 10.0 * np.log10(x)
    return _multiples(fast, 1.5 * 2.0**22, 2.0**-41, lambda some: 10.0 * log10(x[some]))


def _multiples(
    values: NDArray[np.float64],
    magic: float,
    doubt: float,
    exact: Callable[[NDArray[np.bool_]], Any],
) -> NDArray[np.float64]:
    """Round to multiples of the distance between doubles about `magic`, in place of `values`.

    Those nearer than `doubt` to the middle of two multiples are made anew by `exact`.
    """
    values -= doubt
    lower = np.asarray(values + magic)
    values += 2.0 * doubt
    values += magic
    doubtful = lower != values
    if doubtful.any():
        lower[doubtful] = exact(doubtful) + magic
    lower -= magic
    return lower


def cosine_and_sine(turns: ArrayLike, *, single: bool = False) -> tuple[Any, Any]:
    """Return cosine and sine of ``2 pi turns``, elementwise.

    With `single` they are in single precision. `turns` are reduced in double precision in any case.
    """
    values = np.asarray(turns, dtype=float)
    quarters = np.rint(4.0 * values)
    angle = (values - 0.25 * quarters) * (4.0 * HALF_PI)
    quadrant = quarters - 4.0 * np.floor(0.25 * quarters)
    if single:
        angle, quadrant = angle.astype(np.float32), quadrant.astype(np.float32)
    square = angle * angle
    cosine = _series(COSINE[4:] if single else COSINE, square)
    sine = _series(SINE[3:] if single else SINE, square)
    sine *= angle
    # Of 0 to 3 quarters the cosine is 1, 0, -1, 0 and the sine 0, 1, 0, -1.
    across, up = np.abs(quadrant - 2.0) - 1.0, 1.0 - np.abs(quadrant - 1.0)
    return cosine * across - sine * up, cosine * up + sine * across


def arctan2(y: ArrayLike, x: ArrayLike) -> Any:
    """Angle of the point (x, y) in rad, from -pi to pi; elementwise."""
    rise, run = np.broadcast_arrays(np.asarray(y, dtype=float), np.asarray(x, dtype=float))
    across, up = np.abs(run), np.abs(rise)
    larger = np.maximum(across, up)
    ratio = np.minimum(across, up) / np.where(larger > 0.0, larger, 1.0)
    # arctan(r) = pi / 4 + arctan((r - 1) / (r + 1))
    far = ratio > 0.41421356237309503
    z = np.where(far, (ratio - 1.0) / (ratio + 1.0), ratio)
    angle = z * _series(_ATAN, z * z) + np.where(far, 0.5 * HALF_PI, 0.0)
    angle = np.where(up > across, HALF_PI - angle, angle)
    angle = np.where(run < 0.0, 2.0 * HALF_PI - angle, angle)
    return np.copysign(angle, rise)[()]


def hypot(x: ArrayLike, y: ArrayLike) -> Any:
    """``sqrt(x^2 + y^2)``, elementwise, for squares that neither overflow nor vanish."""
    across, up = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    return np.sqrt(across * across + up * up)[()]
