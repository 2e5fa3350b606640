"""Physical units: SI constants, decibel conversions, and quantities written as text.

A quantity is written once, as ``"20 MHz"`` or ``"23 dBm"``, and is an SI float from there on.
`Unit` is the annotation that does it: ``bandwidth: Annotated[float, Unit("Hz")]``. Frozen
dataclasses of this package apply it through `channel_models.validation.Validated`; pydantic
applies it by itself when a dataclass is checked with a ``TypeAdapter``.
"""

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
from numpy.typing import ArrayLike

from channel_models.elementary import log10, power_of_ten

if TYPE_CHECKING:
    from collections.abc import Mapping

SPEED_OF_LIGHT: Final = 299_792_458.0
"""Speed of light in vacuum, m/s (exact, SI)."""

BOLTZMANN: Final = 1.380649e-23
"""Boltzmann constant, J/K (exact, SI)."""


def db_to_linear(x: ArrayLike) -> Any:
    """Ratio of two powers from decibels, ``10**(x/10)``; elementwise, a scalar stays a scalar."""
    return power_of_ten(np.asarray(x, dtype=float) / 10.0)


def linear_to_db(x: ArrayLike) -> Any:
    """Decibels from a ratio of two powers, ``10 log10 x``; zero gives ``-inf``.

    Raises ValueError where a ratio is negative or NaN.
    """
    ratio = np.asarray(x, dtype=float)
    if not np.all(ratio >= 0.0):
        raise ValueError(f"a power ratio must be at least 0, got {_first_bad(ratio)}")
    return 10.0 * log10(ratio)


def dbm_to_watt(x: ArrayLike) -> Any:
    """Power in W from dBm (decibels over one milliwatt); elementwise."""
    return db_to_linear(np.asarray(x, dtype=float) - 30.0)


def watt_to_dbm(x: ArrayLike) -> Any:
    """Power in dBm from W; zero gives ``-inf``, a negative power raises ValueError."""
    return (np.asarray(linear_to_db(x)) + 30.0)[()]


def in_hertz(value: float) -> str:
    """Frequency as a text with the prefix that suits it: a bare 20 for 20 MHz shows as 20 Hz."""
    fitting = (each for each in "TGMk" if abs(value) >= _PREFIXES[each])
    prefix = next(fitting, "")
    return f"{value / _PREFIXES[prefix]:g} {prefix}Hz"


def _first_bad(values: Any) -> float:
    flat = np.atleast_1d(values).ravel()
    return float(flat[~(flat >= 0.0)][0])


_PREFIXES: Final = {
    "f": 1e-15, "p": 1e-12, "n": 1e-9, "µ": 1e-6, "μ": 1e-6, "u": 1e-6, "m": 1e-3, "c": 1e-2,
    "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15,
}  # fmt: skip
_BINARY: Final = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}


def _scaled(base: str, prefixes: str, factor: float = 1.0) -> dict[str, float]:
    chosen = ["", *prefixes]
    return {prefix + base: _PREFIXES[prefix] * factor for prefix in chosen}


def _binary(base: str, factor: float = 1.0) -> dict[str, float]:
    return {prefix + base: scale * factor for prefix, scale in _BINARY.items()}


_SCALES: Final[dict[str, "Mapping[str, float]"]] = {
    "Hz": _scaled("Hz", "kMGT"),
    "W": _scaled("W", "pnµμumkM"),
    "s": _scaled("s", "pnµμum") | {"min": 60.0, "h": 3600.0, "d": 86400.0},
    "m": _scaled("m", "nµμumck"),
    "m/s": {"m/s": 1.0, "km/h": 1.0 / 3.6, "kmh": 1.0 / 3.6, "km/s": 1e3},
    "dB": {"dB": 1.0, "dBi": 1.0},
    "J": _scaled("J", "pnµμumkMG") | _scaled("Wh", "mkM", 3600.0),
    "bit": _scaled("bit", "kMGT") | _scaled("B", "kMGT", 8.0) | _binary("B", 8.0)
    | _scaled("byte", "kMGT", 8.0),
    "byte": _scaled("B", "kMGT") | _binary("B") | _scaled("byte", "kMGT"),
    "FLOP": _scaled("FLOP", "kMGTP"),
    "FLOP/s": _scaled("FLOP/s", "kMGTP") | _scaled("FLOPS", "kMGTP"),
    "bit/s": _scaled("bit/s", "kMGT") | _scaled("bps", "kMGT") | _scaled("B/s", "kMGT", 8.0),
    "byte/s": _scaled("B/s", "kMGT") | _binary("B/s") | _scaled("byte/s", "kMGT"),
    "rad": {"rad": 1.0, "mrad": 1e-3, "deg": math.pi / 180.0, "°": math.pi / 180.0},
    "K": {"K": 1.0},
    "K/W": {"K/W": 1.0},
    "1": {"%": 1e-2, "": 1.0},
}  # fmt: skip

_LARGEST: Final[dict[str, float]] = {
    "Hz": 1e13,  # light
    "W": 1e12,  # far beyond any transmitter
    "s": 1e10,  # 300 years
    "m": 1e9,  # beyond the Moon
    "m/s": 1.2e4,  # faster than what leaves the Earth
    "dB": 1e3,
    "K": 1e6,
    "K/W": 1e9,
    "rad": 2 * math.pi,  # more are degrees without their unit
    "J": 1e24,
    "bit": 1e18,
    "byte": 1e18,
    "bit/s": 1e18,
    "byte/s": 1e18,
    "FLOP": 1e30,
    "FLOP/s": 1e24,
}
"""Largest magnitude in SI, a slip of the pen beyond: larger ones overflow, or take for ever."""

_EXAMPLES: Final = {
    "Hz": "20 MHz", "W": "23 dBm", "s": "10 ms", "m": "400 m", "m/s": "3 km/h", "dB": "6 dB",
    "J": "20 Wh", "bit": "9.4 Mbit", "byte": "8 GB", "FLOP": "60 GFLOP", "FLOP/s": "1 TFLOP/s",
    "bit/s": "1 Gbit/s", "byte/s": "68 GB/s", "rad": "30 deg", "K": "290 K", "K/W": "5 K/W",
    "1": "25 %",
}  # fmt: skip

_QUANTITY: Final = re.compile(
    r"\s*(?P<number>[+-]?(?:\d+(?:_\d+)*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(?P<unit>\S*)\s*"
)


@dataclass(frozen=True, slots=True)
class Unit:
    """The SI unit of a float, and the bounds it must keep; used inside ``Annotated``.

    ``symbol`` is one of Hz, W, s, m, m/s, dB, J, bit, byte, FLOP, FLOP/s, bit/s, byte/s, rad, K,
    K/W and 1 (a fraction, written ``0.25`` or ``25 %``). ``minimum`` and ``maximum`` are in that
    unit; with ``exclusive`` the minimum itself is refused. Infinity is refused unless
    ``finite=False``, and so is what no radio network has (1e10 s, 1e9 m, 12 km/s, 1e12 W, ...); NaN
    always is.
    """

    symbol: str
    minimum: float | None = None
    maximum: float | None = None
    exclusive: bool = False
    finite: bool = True

    def __post_init__(self) -> None:
        if self.symbol not in _SCALES:
            raise ValueError(f"unit must be one of {', '.join(_SCALES)}, got {self.symbol!r}")

    def parse(self, value: object) -> float:
        """The value in SI: a number is taken as SI already, a text carries its unit.

        Raises ValueError for a text without a number or in another unit, and out of bounds.
        """
        quantity = self._convert(value)
        shown = value.strip() if isinstance(value, str) else self._show_bare(quantity)
        if math.isnan(quantity):
            raise ValueError(f"must be a number{self._of_unit()}, got NaN")
        if self.finite and math.isinf(quantity):
            raise ValueError(f"must be finite, got {_brief(shown)}")
        largest = _LARGEST.get(self.symbol, math.inf)
        if self.finite and abs(quantity) > largest:
            side = "most" if quantity > 0 else "least"
            bound = self._show(math.copysign(largest, quantity))
            raise ValueError(f"must be at {side} {bound}, got {_brief(shown)}")
        if self.minimum is not None:
            if self.exclusive and not quantity > self.minimum:
                raise ValueError(f"must be greater than {self._show(self.minimum)}, got {shown}")
            if quantity < self.minimum:
                raise ValueError(f"must be at least {self._show(self.minimum)}, got {shown}")
        if self.maximum is not None and quantity > self.maximum:
            raise ValueError(f"must be at most {self._show(self.maximum)}, got {shown}")
        return quantity

    def _convert(self, value: object) -> float:
        if isinstance(value, str):
            return self._from_text(value)
        if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
            raise ValueError(
                f"must be a number or a text such as '{_EXAMPLES[self.symbol]}', "
                f"got {_brief(repr(value))}"
            )
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf

    def _from_text(self, text: str) -> float:
        match = _QUANTITY.fullmatch(text)
        if match is None:
            raise ValueError(f"{_brief(text)!r} is not a quantity ({self._advice()})")
        number, unit = float(match["number"]), match["unit"]
        if unit == "" and self.symbol != "1":
            return number
        if self.symbol == "W" and unit in ("dBm", "dBW"):
            # Decimal numbers, since the last bit of the C library's power is the processor's.
            bel = min(max((number - (30.0 if unit == "dBm" else 0.0)) / 10.0, -330.0), 310.0)
            return float(Decimal(10) ** Decimal(bel))
        scale = _SCALES[self.symbol].get(unit)
        if scale is None:
            named = "a fraction" if self.symbol == "1" else f"in {self.symbol}"
            alike = [each for each in _SCALES[self.symbol] if each.lower() == unit.lower()]
            meant = " or ".join(f"{match['number']} {each}" for each in alike)
            advice = f", did you mean {meant}?" if alike else f" ({self._advice()})"
            raise ValueError(f"{_brief(text.strip())!r} is not {named}{advice}")
        # decimal: 300 ns is the float nearest to 3e-7, not 300 * 1e-9
        try:
            return float(Decimal(match["number"].replace("_", "")) * Decimal(repr(scale)))
        except ArithmeticError:
            return number

    def _example(self) -> str:
        return _EXAMPLES[self.symbol]

    def _advice(self) -> str:
        return f"write for example {self._example()}"

    def _of_unit(self) -> str:
        return "" if self.symbol == "1" else f" of {self.symbol}"

    def _show_bare(self, value: float) -> str:
        """A refused number without unit, with what it was taken for: the unit may be missing."""
        if not 0.0 < value < math.inf:
            return self._show(value)
        taken = "a fraction" if self.symbol == "1" else f"in {self.symbol}"
        return f"{self._show(value)} (a bare number is {taken}, {self._advice()})"

    def _show(self, value: float) -> str:
        if self.symbol == "Hz":
            return in_hertz(value)
        return f"{value:g}" if self.symbol == "1" else f"{value:g} {self.symbol}"

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Let pydantic parse the field with `parse`; it accepts a number or a text."""
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(
            self.parse,
            core_schema.float_schema(),
            json_schema_input_schema=core_schema.union_schema(
                [core_schema.float_schema(), core_schema.str_schema()]
            ),
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """A number in SI, or a text with a unit."""
        unit = "a fraction" if self.symbol == "1" else f"a number in {self.symbol}"
        return {
            "anyOf": [{"type": "number"}, {"type": "string"}],
            "description": f"{unit}, or a text such as '{self._example()}'",
        }


def _brief(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


Hertz = Annotated[float, Unit("Hz")]
PositiveHertz = Annotated[float, Unit("Hz", minimum=0.0, exclusive=True)]
Watt = Annotated[float, Unit("W", minimum=0.0)]
PositiveWatt = Annotated[float, Unit("W", minimum=0.0, exclusive=True)]
Seconds = Annotated[float, Unit("s", minimum=0.0)]
PositiveSeconds = Annotated[float, Unit("s", minimum=0.0, exclusive=True)]
Interval = Annotated[float, Unit("s", minimum=1e-3)]
"""Of what recurs all through a run: more often, the run would be about nothing else."""
Metres = Annotated[float, Unit("m")]
NonNegativeMetres = Annotated[float, Unit("m", minimum=0.0)]
PositiveMetres = Annotated[float, Unit("m", minimum=0.0, exclusive=True)]
MetresPerSecond = Annotated[float, Unit("m/s", minimum=0.0)]
Decibel = Annotated[float, Unit("dB")]
NonNegativeDecibel = Annotated[float, Unit("dB", minimum=0.0)]
Joule = Annotated[float, Unit("J", minimum=0.0)]
PositiveJoule = Annotated[float, Unit("J", minimum=0.0, exclusive=True)]
Bits = Annotated[float, Unit("bit", minimum=0.0)]
PositiveBits = Annotated[float, Unit("bit", minimum=0.0, exclusive=True)]
Bytes = Annotated[float, Unit("byte", minimum=0.0)]
PositiveBytes = Annotated[float, Unit("byte", minimum=0.0, exclusive=True)]
Flops = Annotated[float, Unit("FLOP", minimum=0.0)]
PositiveFlops = Annotated[float, Unit("FLOP", minimum=0.0, exclusive=True)]
FlopsPerSecond = Annotated[float, Unit("FLOP/s", minimum=0.0)]
PositiveFlopsPerSecond = Annotated[float, Unit("FLOP/s", minimum=0.0, exclusive=True)]
BitsPerSecond = Annotated[float, Unit("bit/s", minimum=0.0)]
PositiveBitsPerSecond = Annotated[float, Unit("bit/s", minimum=0.0, exclusive=True)]
BytesPerSecond = Annotated[float, Unit("byte/s", minimum=0.0)]
PositiveBytesPerSecond = Annotated[float, Unit("byte/s", minimum=0.0, exclusive=True)]
Radians = Annotated[float, Unit("rad")]
Elevation = Annotated[float, Unit("rad", minimum=-math.pi / 2, maximum=math.pi / 2)]
Kelvin = Annotated[float, Unit("K", minimum=0.0, exclusive=True)]
Fraction = Annotated[float, Unit("1", minimum=0.0, maximum=1.0)]
PositiveFraction = Annotated[float, Unit("1", minimum=0.0, maximum=1.0, exclusive=True)]
PositiveNumber = Annotated[float, Unit("1", minimum=0.0, exclusive=True)]
