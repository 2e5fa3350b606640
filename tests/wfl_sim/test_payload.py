import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wfl_sim.payload import Float16, Float32
from wfl_sim.protocols import CODECS

arrays = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=0, max_dims=3, max_side=5),
    elements=st.floats(-1e5, 1e5, width=32),
)
states = st.dictionaries(st.text(min_size=1, max_size=20), arrays, max_size=5)


def is_name(state):
    """safetensors keeps `__metadata__` to itself, and JSON cannot hold lone surrogates."""
    return all(
        name != "__metadata__" and name.encode("utf-8", "ignore").decode() == name for name in state
    )


@pytest.mark.parametrize("kind", sorted(CODECS.kinds()))
@given(state=states.filter(is_name))
def test_announced_bits_are_the_bytes_made(kind, state):
    codec = CODECS.find(kind)()
    shapes = {name: array.shape for name, array in state.items()}
    assert codec.bits(shapes) == 8 * len(codec.encode(state))


@pytest.mark.parametrize("kind", sorted(CODECS.kinds()))
@given(state=states.filter(is_name))
def test_names_shapes_and_dtypes_come_back(kind, state):
    codec = CODECS.find(kind)()
    back = codec.decode(codec.encode(state))
    assert {n: (a.shape, a.dtype) for n, a in back.items()} == {
        n: (a.shape, a.dtype) for n, a in state.items()
    }


@given(states.filter(is_name))
def test_fp32_is_lossless(state):
    back = Float32().decode(Float32().encode(state))
    assert all((back[name] == array).all() for name, array in state.items())


@given(states.filter(is_name))
def test_fp16_errs_by_its_rounding_at_most(state):
    back = Float16().decode(Float16().encode(state))
    for name, array in state.items():
        inside = np.abs(array) <= 65504
        error = np.abs(back[name] - array)[inside]
        bound = np.maximum(2.0**-11 * np.abs(array[inside]), 2.0**-25)
        assert (error <= bound).all()
        assert np.isfinite(back[name]).all()
