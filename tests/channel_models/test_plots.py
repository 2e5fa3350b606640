"""Pictures of models show the numbers of the models."""

import numpy as np
import pytest

import channel_models as cm


def line(axes):
    return axes.lines[-1].get_xdata(), axes.lines[-1].get_ydata()


def test_a_path_loss_over_distance():
    x, y = line(cm.FreeSpace().plot(distance=[10.0, 1000.0], frequency=2e9))
    assert y[1] - y[0] == pytest.approx(40.0, abs=0.2)  # two decades of distance
    mixed = cm.UMa()
    x, y = line(mixed.plot())
    chance = mixed.los_probability(x)
    parts = [mixed.loss_db(x, 3.5e9, los=np.full(x.shape, los)) for los in (True, False)]
    assert y == pytest.approx(chance * parts[0] + (1 - chance) * parts[1])


def test_a_law_is_drawn_as_its_distribution():
    law = cm.Rayleigh().law
    x, y = line(law.plot())
    assert law.cdf(cm.db_to_linear(x)) == pytest.approx(y)
    x, y = line(cm.LogNormal(sigma=6.0).law.plot())
    assert np.interp(0.5, y, x) == pytest.approx(0.0, abs=0.05)


def test_rates_on_the_same_axes():
    axes = cm.Shannon().plot(label="Shannon", color="k")
    same = cm.ShannonGap(gap=3.0).plot(axes, snr_db=[0.0, 10.0])
    assert same is axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["Shannon", "ShannonGap"]
    assert line(axes)[1] == pytest.approx(np.log2(1 + 10 ** (np.array([0.0, 1.0]) - 0.3)))


def test_fading_over_time():
    process = cm.Rayleigh().realise([np.random.default_rng(k) for k in (1, 2)], [10.0, 10.0])
    axes = process.plot(links=[0, 1], time=np.linspace(0, 1, 50))
    assert len(axes.lines) == 2
    power = process.power(np.linspace(0, 1, 50), [0.0], links=[1])[0, :, 0]
    assert line(axes)[1] == pytest.approx(cm.linear_to_db(power))
