"""Tables of TS 38.214 and the transport block size rule, exactly."""

import math
from fractions import Fraction
from itertools import product

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import channel_models as cm
from channel_models.link_adaptation.mcs import _SIZES

BLOCKS = [1, 10, 51, 106, 273]


@pytest.mark.parametrize(
    ("table", "mcs", "sizes"),
    [
        ("64qam", 0, [32, 368, 1864, 3848, 9984]),
        ("64qam", 9, [208, 2088, 10504, 22032, 56368]),
        ("64qam", 16, [408, 3968, 20496, 42016, 108552]),
        ("64qam", 28, [888, 8712, 44040, 92200, 237776]),
        ("256qam", 27, [1160, 11528, 59432, 122976, 319784]),
    ],
)
def test_sizes(table, mcs, sizes) -> None:
    schemes = cm.mcs_table(table)
    computed = cm.transport_block_size(
        BLOCKS, schemes.modulation_order[mcs], schemes.code_rate[mcs]
    )
    np.testing.assert_array_equal(computed, sizes)


def in_fractions(elements: int, rate: Fraction, bits: int) -> int:
    """TS 38.214 section 5.1.3.2 in rational numbers, with the sizes that the library has."""
    information = elements * rate * bits

    def step(of: Fraction, less: int) -> int:
        return 2 ** (math.floor(of).bit_length() - 1 - less)

    if information <= 3824:
        coarse = max(8, step(information, 6)) if information >= 64 else 8
        return min(int(size) for size in _SIZES if size >= coarse * (information // coarse))
    coarse = step(information - 24, 5)
    quantised = max(3840, coarse * math.floor((information - 24) / coarse + Fraction(1, 2)))
    largest = 3816 if rate <= Fraction(1, 4) else 8424
    several = rate <= Fraction(1, 4) or quantised > 8424
    blocks = math.ceil(Fraction(quantised + 24, largest)) if several else 1
    return 8 * blocks * math.ceil(Fraction(quantised + 24, 8 * blocks)) - 24


@pytest.mark.parametrize("table", ["64qam", "256qam", "low-se"])
def test_sizes_in_rational_numbers(table) -> None:
    schemes = cm.mcs_table(table)
    for mcs, prb, (symbols, marks), layers in product(
        range(len(schemes)), (1, 3, 11, 52, 133, 273), ((14, 12), (2, 6)), (1, 4)
    ):
        order, rate = int(schemes.modulation_order[mcs]), schemes.code_rate[mcs]
        elements = min(156, 12 * symbols - marks) * prb
        size = cm.transport_block_size(
            prb, order, rate, symbols=symbols, reference_elements=marks, layers=layers
        )
        assert size == in_fractions(elements, Fraction(rate), order * layers)


def test_table_lengths_and_ends() -> None:
    lengths = {"64qam": 29, "256qam": 28, "low-se": 29}
    for name, length in lengths.items():
        table = cm.mcs_table(name)
        assert len(table) == length
        # never falling, but for the steps of the modulation order (2.5703 to 2.5664 in the first)
        assert (np.diff(table.spectral_efficiency) > -0.005).all()
    assert cm.mcs_table().spectral_efficiency[[0, 28]] == pytest.approx([0.2344, 5.5547], abs=1e-4)
    assert cm.mcs_table("256qam").spectral_efficiency[27] == pytest.approx(7.4063, abs=1e-4)
    assert cm.mcs_table("low-se").spectral_efficiency[0] == pytest.approx(0.0586, abs=1e-4)


def test_cqi_efficiencies() -> None:
    # TS 38.214 Tables 5.2.2.1-2 and -3: bits of a symbol times code rate, in four decimals
    high = {4: (378, 490, 616), 6: (466, 567, 666, 772, 873)}
    for name, rates in (
        ("64qam", {2: (78, 120, 193, 308, 449, 602), 4: high[4], 6: (*high[6], 948)}),
        ("256qam", {2: (78, 193, 449), **high, 8: (711, 797, 885, 948)}),
    ):
        exact = [bits * rate / 1024 for bits, row in rates.items() for rate in row]
        np.testing.assert_allclose(cm.cqi_efficiency(name), exact, rtol=0, atol=5.001e-5)


@given(
    blocks=st.integers(1, 273),
    mcs=st.integers(0, 28),
    symbols=st.integers(2, 14),
    layers=st.integers(1, 4),
)
def test_sizes_are_whole_bytes_and_near_the_information(blocks, mcs, symbols, layers) -> None:
    table = cm.mcs_table()
    order, rate = table.modulation_order[mcs], table.code_rate[mcs]
    options = {"symbols": symbols, "layers": layers}
    size = cm.transport_block_size(blocks, order, rate, **options)
    information = cm.resource_elements(blocks, symbols) * order * rate * layers
    assert size % 8 == 0
    assert size >= 24
    if information >= 100:
        assert size == pytest.approx(information, rel=0.09)
    assert cm.transport_block_size(min(blocks + 1, 273), order, rate, **options) >= size


@given(st.integers(24, 1_000_000), st.floats(0.05, 0.95))
def test_code_blocks_hold_the_transport_block(size, rate) -> None:
    count, bits = cm.code_blocks(size, rate)
    assert bits <= 8448
    assert count * bits >= size
    # no more code blocks than needed, with the CRC of 24 bit in each
    largest = 3840 if size <= 292 or rate <= 0.25 or (size <= 3824 and rate <= 0.67) else 8448
    assert bits <= largest
    assert count == 1 or (count - 1) * (largest - 24) < size + 24


def test_code_block_examples() -> None:
    assert cm.code_blocks(292, 0.9) == (1, 308)
    assert cm.code_blocks(8424, 0.9) == (1, 8448)
    assert cm.code_blocks(8432, 0.9)[0] == 2
    assert cm.code_blocks(3840, 0.2)[0] == 2


def test_arrays_and_scalars() -> None:
    table = cm.mcs_table()
    sizes = cm.transport_block_size(np.array([[1], [51]]), table.modulation_order, table.code_rate)
    assert sizes.shape == (2, 29)
    assert isinstance(cm.transport_block_size(1, 2, 0.5), np.integer)
    assert cm.resource_elements(2, 14, 12) == 312
    assert cm.resource_elements(2, 14, 0) == 312  # 168 a block are counted as 156


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cm.transport_block_size(0, 2, 0.5), "resource_blocks must be at least 1, got 0"),
        (lambda: cm.transport_block_size(1.5, 2, 0.5), "resource_blocks must be an integer"),
        (lambda: cm.transport_block_size(1, 2, 1.5), "code_rate must be at most 1, got 1.5"),
        (lambda: cm.transport_block_size(1, 2, 0.5, symbols=1), "symbols must leave data"),
        (lambda: cm.transport_block_size(1, 2, 0.5, layers=9), "layers must be at most 4, got 9"),
        (lambda: cm.mcs_table("1024qam"), "table must be one of 64qam, 256qam, low-se"),
        (lambda: cm.cqi_efficiency("1024qam"), "table must be one of"),
        (lambda: cm.mcs_table().check_index(29), "mcs must be between 0 and 28 in 64qam, got 29"),
        (lambda: cm.mcs_table().check_index(1.0), "mcs must be an integer"),
    ],
)
def test_bad_input(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call()
