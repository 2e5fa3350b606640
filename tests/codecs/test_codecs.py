import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load, save

from wfl_sim.codecs import BFloat16, Float16, Float32, Int4, Int8, RandomMask, TopK
from wfl_sim.codecs.codec import CODECS, round_trip, upload_of

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


def made(kind):
    """Return a codec, with the options that it cannot do without."""
    return CODECS.find(kind)(**({"share": 0.3} if kind in ("top-k", "random-mask") else {}))


@pytest.mark.parametrize("kind", sorted(CODECS.kinds()))
@given(state=states.filter(is_name))
def test_announced_bits_are_the_bytes_made(kind, state):
    codec = made(kind)
    shapes = {name: array.shape for name, array in state.items()}
    assert codec.bits(shapes) == 8 * len(codec.encode(state))


@pytest.mark.parametrize("kind", sorted(CODECS.kinds()))
@given(state=states.filter(is_name))
def test_names_shapes_and_dtypes_come_back(kind, state):
    codec = made(kind)
    back = codec.decode(codec.encode(state))
    assert {n: (a.shape, a.dtype) for n, a in back.items()} == {
        n: (a.shape, a.dtype) for n, a in state.items()
    }


@given(states.filter(is_name))
def test_dense_payloads_are_the_bytes_of_safetensors(state):
    assert Float32().encode(state) == save(state)
    halves = {n: np.asarray(a.clip(-65504, 65504), np.float16) for n, a in state.items()}
    assert Float16().encode(state) == save(halves)


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


@given(states.filter(is_name))
def test_bf16_errs_by_its_rounding_at_most(state):
    back = BFloat16().decode(BFloat16().encode(state))
    for name, array in state.items():
        assert (np.abs(back[name] - array) <= 2.0**-8 * np.abs(array) + 1e-38).all()


def test_bf16_rounds_to_even_and_saturates():
    given_, expected = [1.00390625, 1.01171875, -1e39, 3.4e38], [1.0, 1.015625, -np.inf, np.inf]
    with np.errstate(over="ignore"):
        values = np.float32(given_)
    back = BFloat16().decode(BFloat16().encode({"x": values}))["x"]
    assert back[:2].tolist() == expected[:2]
    assert np.isfinite(back[3])


@pytest.mark.parametrize(
    "codec", [Float32(), Float16(), BFloat16(), TopK(share=0.1), Int8(), Int4()], ids=repr
)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_arrives_as_such(codec, bad):
    """Else a server would go on with the rest, or with the largest number of the type."""
    x = np.arange(20, dtype=np.float32)
    x[7] = bad
    with np.errstate(invalid="ignore"):
        back = round_trip(codec, {"x": x}, "upload")["x"]
    assert not np.isfinite(back[7])
    if not isinstance(codec, Int8 | Int4):  # there it spoils its block
        assert back[7] == bad or np.isnan(bad)
        assert np.isfinite(np.delete(back, 7)).all()


def test_a_codec_remembers_nothing_of_an_upload_that_no_server_uses():
    codec, start = TopK(share=0.5), {"x": np.zeros(2, np.float32)}
    bits = codec.bits({"x": (2,)})
    _, lost = upload_of(codec, {"x": np.float32([3, 1])}, start, {}, bits)
    _, still = upload_of(codec, {"x": np.float32([np.nan, 1])}, start, lost, bits)
    assert [each["error-feedback/x"].tolist() for each in (lost, still)] == [[0, 1]] * 2


@pytest.mark.parametrize(("codec", "most"), [(Int8, 127), (Int4, 7)])
@given(state=states.filter(is_name), block=st.integers(1, 9))
def test_integers_err_by_half_a_step_of_their_block(codec, most, state, block):
    chosen = codec(block=block)
    back = chosen.decode(chosen.encode(state))
    for name, array in state.items():
        flat, found = array.ravel(), back[name].ravel()
        for i in range(0, flat.size, block):
            largest = np.abs(flat[i : i + block]).max()
            error = np.abs(found[i : i + block] - flat[i : i + block]).max()
            assert error <= largest / (2 * most) * (1 + 1e-5) + 1e-37


def test_int4_reaches_both_ends_of_its_range():
    x = np.float32([-7, -3, 0, 1, 7])
    assert (Int4().decode(Int4().encode({"x": x}))["x"] == x).all()


@given(states.filter(is_name), st.floats(0.01, 1))
def test_top_k_keeps_the_largest_and_contracts(state, share):
    codec = TopK(share=share)
    back = codec.decode(codec.encode(state))
    before = np.concatenate([a.ravel() for _, a in sorted(state.items())] or [np.empty(0)])
    after = np.concatenate([a.ravel() for _, a in sorted(back.items())] or [np.empty(0)])
    kept = int(np.ceil(share * before.size))
    sent = after == before
    assert sent.sum() >= kept
    assert (after[~sent] == 0).all()
    if (~sent).any() and kept:
        assert np.abs(before[~sent]).max() <= np.abs(before[sent]).max()
    energy = float(np.square(before, dtype=float).sum())
    rest = float(np.square(before - after, dtype=float).sum())
    assert rest <= (1 - kept / max(before.size, 1)) * energy * (1 + 1e-9) + 1e-30


@pytest.mark.parametrize("percent", range(1, 101))
def test_a_share_of_a_hundred_values_is_as_many(percent):
    for codec in (TopK(share=percent / 100), RandomMask(share=percent / 100)):
        x = {"x": np.arange(1, 101, dtype=np.float32)}
        assert np.count_nonzero(round_trip(codec, x, "upload")["x"]) == percent


def test_a_share_is_rounded_up_and_leaves_one_at_least():
    shapes = {"x": (33,)}
    kept = [TopK(share=share).bits(shapes) for share in (1e-12, 1 / 33, 1.01 / 33, 0.1)]
    assert kept[0] == kept[1] < kept[2] < kept[3]


def test_top_k_of_many_values_takes_wide_indices():
    x = np.zeros(70_000, np.float32)
    x[[3, 69_999]] = 5, -7
    codec = TopK(share=2 / 70_000)
    assert (codec.decode(codec.encode({"x": x}))["x"] == x).all()
    wide, narrow = codec.bits({"x": (70_000,)}), codec.bits({"x": (60_000,)})
    assert wide - narrow >= 2 * 16 - 8 * 8


def test_a_random_mask_contracts_on_average_and_is_unbiased_if_asked():
    rng = np.random.default_rng(0)
    biased, fair = RandomMask(share=0.25), RandomMask(share=0.25, unbiased=True)
    rests, means = [], []
    x = rng.normal(size=40).astype(np.float32)
    for step in range(4000):
        # The mask follows from the content: a tiny change in one value draws another.
        x[0] = np.float32(step * 1e-6)
        sent = biased.decode(biased.encode({"x": x}))["x"]
        assert ((sent == x) | (sent == 0)).all()
        rests.append(float(np.square(x - sent).sum() / np.square(x).sum()))
        means.append(fair.decode(fair.encode({"x": x}))["x"])
    assert np.mean(rests) == pytest.approx(0.75, abs=0.01)
    spread = np.abs(x).max() * np.sqrt(3 / 4000)
    assert np.abs(np.mean(means, axis=0) - x).max() < 5 * spread


@pytest.mark.parametrize("kind", sorted(set(CODECS.kinds()) - {"bf16"}))
def test_a_payload_is_a_safetensors_file(kind):
    state = {"a": np.float32([[1, -2], [3, 4]]), "b": np.float32([0.5])}
    assert load(made(kind).encode(state))


def test_fewer_bits_in_the_expected_order():
    shapes = {f"layer.{i}": (64, 64) for i in range(8)}
    codecs = [Float32(), BFloat16(), Int8(), Int4(), TopK(share=0.01), RandomMask(share=0.01)]
    bits = [codec.bits(shapes) for codec in codecs]
    assert bits == sorted(bits, reverse=True)
    assert bits[2] / (8 * 64 * 64) == pytest.approx(8.5, rel=0.02)
    assert bits[3] / (8 * 64 * 64) == pytest.approx(4.5, rel=0.03)


@pytest.mark.parametrize(
    ("codec", "options", "message"),
    [
        (Int8, {"block": 0}, "must be at least 1, got 0"),
        (Int4, {"error_feedback": True}, "needs `updates: true`"),
        (TopK, {"share": 0.0}, "must be greater than 0, got 0"),
        (RandomMask, {"share": 0.5, "unbiased": True, "error_feedback": True}, "cannot be with"),
    ],
)
def test_impossible_codecs_are_refused(codec, options, message):
    with pytest.raises(ValueError, match=message):
        codec(**options)
