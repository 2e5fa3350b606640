import dataclasses

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import channel_models as cm
from channel_models.units import PositiveHertz, Seconds, Unit
from channel_models.validation import Validated


@pytest.mark.parametrize(
    ("symbol", "text", "value"),
    [
        ("Hz", "20 MHz", 20e6),
        ("Hz", "3.5GHz", 3.5e9),
        ("Hz", " 15 kHz ", 15e3),
        ("W", "23 dBm", 0.19952623149688797),
        ("W", "-3 dBW", 0.5011872336272722),
        ("W", "5 W", 5.0),
        ("s", "10 ms", 0.01),
        ("s", "300 ns", 300e-9),
        ("s", "2 min", 120.0),
        ("m/s", "3 km/h", 3 / 3.6),
        ("m", "400 m", 400.0),
        ("m", "1.7 km", 1700.0),
        ("dB", "6 dB", 6.0),
        ("J", "20 Wh", 72e3),
        ("bit", "9.4 Mbit", 9.4e6),
        ("bit", "1 MB", 8e6),
        ("FLOP", "60 GFLOP", 60e9),
        ("FLOP/s", "1 TFLOP/s", 1e12),
        ("byte", "8 GB", 8e9),
        ("byte", "1 GiB", 2.0**30),
        ("byte/s", "68 GB/s", 68e9),
        ("bit/s", "1 Gbit/s", 1e9),
        ("rad", "30 deg", np.pi / 6),
        ("1", "25 %", 0.25),
        ("1", "0.25", 0.25),
        ("Hz", "2e7", 2e7),
        ("Hz", "1_000 Hz", 1e3),
    ],
)
def test_parse(symbol: str, text: str, value: float) -> None:
    assert Unit(symbol).parse(text) == pytest.approx(value, rel=1e-15)


def test_decimal_texts_give_the_nearest_float() -> None:
    assert Unit("s").parse("300 ns") == 300e-9
    assert Unit("s").parse("0.1 ms") == 0.1e-3


@pytest.mark.parametrize(
    ("unit", "value", "message"),
    [
        (Unit("Hz"), "20 dBm", r"'20 dBm' is not in Hz \(write for example 20 MHz\)"),
        (Unit("Hz"), "20 mhz", "'20 mhz' is not in Hz, did you mean 20 MHz?"),
        (Unit("W"), "2 Mw", "is not in W, did you mean 2 mW or 2 MW?"),
        (Unit("Hz", minimum=1e6), 3.5, r"at least 1 MHz, got 3.5 Hz \(a bare number is in Hz, wri"),
        (Unit("1", maximum=1), 50, r"at most 1, got 50 \(a bare number is a fraction, write for"),
        (Unit("Hz"), "1__0 Hz", "'1__0 Hz' is not a quantity"),
        (Unit("Hz"), "fast", r"'fast' is not a quantity \(write for example 20 MHz\)"),
        (Unit("Hz", minimum=0, exclusive=True), "-20 MHz", "greater than 0 Hz, got -20 MHz"),
        (Unit("s", minimum=0), -1, "at least 0 s, got -1 s"),
        (Unit("1", maximum=1), "150 %", "at most 1, got 150 %"),
        (Unit("Hz"), float("nan"), "must be a number of Hz, got NaN"),
        (Unit("Hz"), float("inf"), "must be finite"),
        (Unit("Hz"), True, "must be a number or a text"),
        (Unit("Hz"), None, "must be a number or a text"),
        (Unit("1"), "3 dB", "is not a fraction"),
    ],
)
def test_refusals_name_value_and_rule(unit: Unit, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        unit.parse(value)


def test_unknown_unit() -> None:
    with pytest.raises(ValueError, match="unit must be one of"):
        Unit("furlong")


@given(st.floats(-200, 200))
def test_decibels_invert(x: float) -> None:
    assert cm.linear_to_db(cm.db_to_linear(x)) == pytest.approx(x, abs=1e-9)
    assert cm.watt_to_dbm(cm.dbm_to_watt(x)) == pytest.approx(x, abs=1e-9)


def test_decibels_of_zero_and_negative() -> None:
    assert cm.linear_to_db(0.0) == -np.inf
    with pytest.raises(ValueError, match=r"at least 0, got -1\.0"):
        cm.linear_to_db([1.0, -1.0])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Carrier(Validated):
    bandwidth: PositiveHertz = 20e6
    period: Seconds | None = None


def test_dataclass_fields_are_read_once() -> None:
    carrier = Carrier(bandwidth="5 MHz", period="1 ms")  # type: ignore[arg-type]
    assert (carrier.bandwidth, carrier.period) == (5e6, 1e-3)
    with pytest.raises(ValueError, match="bandwidth must be greater than 0 Hz, got -1 Hz"):
        Carrier(bandwidth=-1.0)


def test_pydantic_reads_the_same_annotations() -> None:
    pydantic = pytest.importorskip("pydantic")
    adapter = pydantic.TypeAdapter(cm.Rayleigh)
    assert adapter.validate_python({"delay_spread": "100 ns"}).delay_spread == 100e-9
    assert adapter.validate_python({"delay_spread": 1e-7}).delay_spread == 1e-7
    with pytest.raises(pydantic.ValidationError, match="is not in s"):
        adapter.validate_python({"delay_spread": "100 MHz"})
    schema = adapter.json_schema()["properties"]["delay_spread"]
    assert schema["anyOf"] == [{"type": "number"}, {"type": "string"}]


@pytest.mark.parametrize(
    ("symbol", "largest"),
    {
        "Hz": 1e13,
        "W": 1e12,
        "s": 1e10,
        "m": 1e9,
        "m/s": 1.2e4,
        "dB": 1e3,
        "K": 1e6,
        "K/W": 1e9,
        "rad": 2 * np.pi,
        "J": 1e24,
        "bit": 1e18,
        "byte": 1e18,
        "bit/s": 1e18,
        "byte/s": 1e18,
        "FLOP": 1e30,
        "FLOP/s": 1e24,
    }.items(),
)
def test_a_quantity_has_a_largest_magnitude(symbol: str, largest: float) -> None:
    unit = Unit(symbol)
    assert unit.parse(largest) == largest
    assert unit.parse(-largest) == -largest
    with pytest.raises(ValueError, match=f"must be at most .*{symbol}, got "):
        unit.parse(largest * 1.001)
    with pytest.raises(ValueError, match=f"must be at least -.*{symbol}, got "):
        unit.parse(-largest * 1.001)
    assert Unit(symbol, finite=False).parse(np.inf) == np.inf
