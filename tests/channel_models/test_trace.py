import numpy as np
import pytest

import channel_models as cm


@pytest.fixture
def powers() -> np.ndarray:
    return np.random.default_rng(0).exponential(size=(200, 3))


def test_replay_of_an_array(tmp_path, powers, streams) -> None:
    path = tmp_path / "gains.npy"
    np.save(path, powers)
    model = cm.Trace(path=str(path), interval="10 ms", normalise=False, shuffle=False)
    process = model.realise(streams(4), np.zeros(4))
    replayed = process.power_grid(0, 200, 10e-3, [0.0, 1e6])
    for link in range(4):
        np.testing.assert_allclose(replayed[link], powers[:, [link % 3]] @ np.ones((1, 2)))
    # holds until the next sample, and loops
    assert process.power(0.0149, [0.0])[0, 0] == pytest.approx(powers[1, 0])
    assert process.power(2.005, [0.0])[0, 0] == pytest.approx(powers[0, 0])
    assert process.power(-0.005, [0.0])[0, 0] == pytest.approx(powers[-1, 0])
    assert model.law.mean == pytest.approx(powers.mean())


def test_links_start_apart_and_apart_from_each_other(tmp_path, powers, streams) -> None:
    path = tmp_path / "gains.npy"
    np.save(path, powers)
    model = cm.Trace(path=str(path), interval=10e-3)
    few, more = (model.realise(streams(n), np.zeros(n)).taps([0.0, 0.5]) for n in (3, 4))
    np.testing.assert_array_equal(few, more[:3])
    assert len(np.unique(np.abs(few[:, 0]))) == 3
    gains, _ = model.read()
    np.testing.assert_allclose((np.abs(gains) ** 2).mean(axis=0), 1.0)


def test_complex_and_decibel_recordings(tmp_path, streams) -> None:
    complex_path, db_path = tmp_path / "c.npy", tmp_path / "d.npy"
    gains = np.array([1 + 1j, 2.0, 0.5j])
    np.save(complex_path, gains)
    np.save(db_path, 10 * np.log10(np.abs(gains) ** 2))
    kinds = [
        cm.Trace(path=str(complex_path), interval=1.0, shuffle=False, normalise=False),
        cm.Trace(path=str(db_path), interval=1.0, shuffle=False, normalise=False, scale="db"),
    ]
    first, second = (kind.realise(streams(1), [0.0]).power([0, 1, 2], [0.0]) for kind in kinds)
    np.testing.assert_allclose(first, second)


def test_csv(tmp_path, streams) -> None:
    path = tmp_path / "gains.csv"
    path.write_text("time,a,b\n0.0,1.0,3.0\n0.5,2.0,3.0\n1.0,3.0,3.0\n")
    model = cm.Trace(path=str(path), shuffle=False, normalise=False)
    power = model.realise(streams(2), np.zeros(2)).power([0.2, 0.7, 1.2], [0.0])[..., 0]
    np.testing.assert_allclose(power, [[1, 2, 3], [3, 3, 3]])


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("a.txt", "", {}, "path must end in .npy or .csv"),
        ("a.npy", None, {}, "interval must be given"),
        ("a.csv", "0,1\n1,2\n2,4\n", {}, "must be a header, with time in s, got '0' first"),
        ("a.csv", "1e-3,1\n2e-3,2\n3e-3,4\n", {}, "must be a header, with time in s, got '1e-3'"),
        ("a.csv", "time (ms),a\n0,1\n1,2\n", {}, "a header, with time in s, got 'time .ms.' first"),
        ("a.csv", "time,a\n0,1\n1,2\n3,4\n", {}, "time must rise in regular steps"),
        ("a.csv", "time,a\n0,1\n", {}, "needs a time column"),
        ("a.csv", "time,a\n0,x\n1,2\n", {}, "could not convert"),
        ("a.csv", "time,a\n0,1\n1,nan\n", {}, "gains must be finite"),
        ("a.csv", "time,a\n0,1\n1,-2\n", {}, "power gains must be at least 0, got -2"),
        ("a.csv", "time,a\n0,0\n1,0\n", {}, "without power cannot be normalised"),
        ("a.csv", "time,a\n0,1\n1,2\n", {"interval": 2.0}, "interval must be 1 s as in the file"),
    ],
)
def test_bad_traces(tmp_path, name, content, options, message, streams) -> None:
    path = tmp_path / name
    if content:
        path.write_text(content)
    with pytest.raises(ValueError, match=message):
        cm.Trace(path=str(path), **options).realise(streams(1), [0.0])


def test_wrong_shape(tmp_path, streams) -> None:
    path = tmp_path / "cube.npy"
    np.save(path, np.ones((2, 2, 2)))
    with pytest.raises(ValueError, match=r"gains must have shape \(samples, recordings\)"):
        cm.Trace(path=str(path), interval=1.0).realise(streams(1), [0.0])
