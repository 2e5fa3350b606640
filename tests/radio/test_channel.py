"""The sampled channel is the pure function of time, whoever asks for it and when."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

import channel_models as cm
from wfl_sim.radio.channel import sampled_channel
from wfl_sim.radio.channel.lazy_fading import LazyFading
from wfl_sim.radio.channel.sampled_channel import SampledChannel
from wfl_sim.randomness import stream

OFFSETS = np.linspace(-9e6, 9e6, 11)
STEP = 0.01


def make(links, gains=None):
    model = cm.Rayleigh(profile="tdl-c", delay_spread=300e-9)
    streams = [stream(3, "fading", "cell-0", i, "uplink") for i in range(links)]
    process = model.realise(streams, np.full(links, 9.7))
    return SampledChannel(
        np.ones(links) if gains is None else gains, process, OFFSETS, STEP
    ), process


def test_samples_are_the_power_at_midpoints():
    channel, process = make(3)
    for k in (-1, 0, 5, 63, 64, 255, 256):
        expected = process.power((k + 0.5) * STEP, OFFSETS)
        gain = channel.gain(np.arange(3), k, 1)[0].T
        assert gain == pytest.approx(expected, abs=1e-5)


def test_order_of_questions_does_not_matter_to_the_bit():
    forward, _ = make(4)
    backward, _ = make(4)
    links = np.arange(4)
    times = [0, 1, 63, 64, 255, 256, 1500]
    ahead = {k: forward.gain(links, k, 1)[0].T for k in times}
    for k in reversed(times):
        for link in (2, 0, 3, 1):
            assert (backward.gain(np.array([link]), k, 1)[0, :, 0] == ahead[k][link]).all()


def test_one_device_more_leaves_the_other_gains_unchanged_to_the_bit():
    few, _ = make(3)
    more, _ = make(4)
    for k in (0, 17, 64, 300):
        assert (few.gain(np.arange(3), k, 1) == more.gain(np.arange(4), k, 1)[..., :3]).all()


def test_a_run_of_samples_is_the_samples_one_by_one():
    channel, _ = make(3)
    links = np.array([2, 0])
    run = channel.gain(links, 250, 12)
    assert run.shape == (12, len(OFFSETS), 2)
    assert (run == [channel.gain(links, k, 1)[0] for k in range(250, 262)]).all()


def test_samples_made_ahead_are_the_same_to_the_bit(monkeypatch):
    monkeypatch.setattr(sampled_channel, "_WORTH_A_THREAD", 1)
    links = 60
    alone, process = make(links)
    made = []

    class Noted:
        def power_grid(self, first, *rest):
            made.append((threading.current_thread().name, first // cm.GRID_BLOCK))
            return process.power_grid(first, *rest)

    few, all_of_them = np.arange(7, 20), np.arange(links)
    with ThreadPoolExecutor(1, "ahead") as threads:
        ahead = SampledChannel(np.ones(links), Noted(), OFFSETS, STEP, threads)
        # Within a block, into the next one, with others, long after, and back.
        for who, first, count in (
            (few, 0, 80),
            (few, 200, 100),
            (all_of_them, 400, 100),
            (few, 520, 5),
            (all_of_them, 3000, 1),
            (few, 500, 30),
        ):
            assert (ahead.fading(who, first, count) == alone.fading(who, first, count)).all()
            threads.submit(int).result()  # it has done what it was given
    assert {block for name, block in made if name.startswith("ahead")} >= {1, 2}


def test_who_needs_a_block_helps_the_thread_that_makes_it():
    links, made = np.arange(300), set()
    alone, process = make(len(links))
    both = threading.Barrier(2, timeout=60)

    class Shared:
        def power_grid(self, *grid):
            if (name := threading.current_thread().name) not in made:
                made.add(name)
                both.wait()
            return process.power_grid(*grid)

    with ThreadPoolExecutor(1, "ahead") as threads:
        channel = SampledChannel(np.ones(len(links)), Shared(), OFFSETS, STEP, threads)
        assert (channel.fading(links, 0, 80) == alone.fading(links, 0, 80)).all()
    assert len(made) == 2


@dataclass(frozen=True)
class OneAtATime:
    """A law of a user, whose process keeps what it computes in one place."""

    def realise(self, streams, doppler):
        process = cm.Rayleigh(profile="tdl-c", delay_spread=300e-9).realise(streams, doppler)
        return SimpleNamespace(power_grid=partial(self._grid, process, threading.Lock()))

    def _grid(self, process, free, *grid):
        assert free.acquire(blocking=False), "called by two threads at once"
        try:
            return process.power_grid(*grid)
        finally:
            free.release()


def test_fading_of_a_user_is_asked_by_one_thread_at_a_time():
    links = np.arange(300)
    fading = LazyFading(OneAtATime(), partial(stream, 3), np.full(300, 9.7))
    with ThreadPoolExecutor(1) as threads:
        channel = SampledChannel(np.ones(300), fading, OFFSETS, STEP, threads)
        for first in range(0, 2000, 100):
            channel.fading(links, first, 100)


def test_what_goes_wrong_ahead_is_raised_when_it_is_needed(monkeypatch):
    monkeypatch.setattr(sampled_channel, "_WORTH_A_THREAD", 1)

    class Broken:
        def power_grid(self, first, count, step, offsets, links):
            if first:
                raise FloatingPointError("no sample")
            return np.ones((len(links), count, len(offsets)), dtype=np.float32)

    with ThreadPoolExecutor(1) as threads:
        channel = SampledChannel(np.ones(2), Broken(), OFFSETS, STEP, threads)
        assert channel.fading(np.arange(2), 0, 200).shape == (200, len(OFFSETS), 2)
        with pytest.raises(FloatingPointError, match="no sample"):
            channel.fading(np.arange(2), 256, 1)


def test_large_scale_gains_scale_the_samples():
    plain, _ = make(2)
    scaled, _ = make(2, np.array([1e-9, 1e-12]))
    assert scaled.gain(np.arange(2), 7, 1) == pytest.approx(
        plain.gain(np.arange(2), 7, 1) * np.array([1e-9, 1e-12])
    )


def test_index_is_the_cell_that_holds_the_time():
    channel, _ = make(1)
    for k in (0, 1, 2, 3, 7, 1_000_003):
        assert channel.index(k * STEP) == k
        assert channel.index((k + 0.999) * STEP) == k


def test_a_link_is_the_same_whenever_and_with_whomever_it_is_drawn():
    model = cm.Rayleigh(profile="tdl-c", delay_spread=300e-9)
    doppler = np.full(6, 9.7)

    def streams(link):
        return stream(3, "fading", link)

    at_once = model.realise([streams(link) for link in range(6)], doppler)
    later = LazyFading(model, streams, doppler)
    for links in ([4], [1, 4, 0], [5, 2, 3, 1]):
        power = later.power_grid(250, 12, STEP, OFFSETS, np.array(links))
        assert (power == at_once.power_grid(250, 12, STEP, OFFSETS, links)).all()
    assert "6 of 6 links drawn" in repr(later)


@pytest.mark.parametrize("wish", ["never", "always"])
def test_blocks_are_as_short_as_the_links_are_many(monkeypatch, wish):
    monkeypatch.setenv("WFL_SIM_COMPILED", wish)
    model, doppler = cm.Rayleigh(profile="tdl-c"), np.full(40, 9.7)
    fading = LazyFading(model, lambda link: stream(3, "fading", link), doppler)
    whole = model.realise([stream(3, "fading", link) for link in range(40)], doppler)
    channel = SampledChannel(np.ones(40), fading, OFFSETS, STEP, memory=2**16)
    cells = []
    asked = [(0, np.arange(4)), (9, np.arange(40)), (40, [7, 3]), (300, [1]), (500, np.arange(9))]
    for first, links in [*asked, (900, [2]), (1300, [2])]:
        expected = whole.power_grid(first, 70, STEP, OFFSETS, links).transpose(1, 2, 0)
        assert (channel.fading(np.array(links), first, 70) == expected).all()
        cells.append([block._values.shape[0] for block in channel._samples.values()][-1])
    # They become longer when what many links had is over.
    assert cells == [256, 64, 64, 64, 64, 64, 256]


def test_few_links_between_many_do_not_cost_them_their_samples():
    process, made = make(40)[1], []

    class Noted:
        def power_grid(self, first, count, step, offsets, links):
            made.append(len(links))
            return process.power_grid(first, count, step, offsets, links)

    channel = SampledChannel(np.ones(40), Noted(), OFFSETS, STEP, memory=2**16)
    for first in range(0, 60, 10):
        channel.fading(np.arange(5, 40), first, 4)
        channel.fading(np.arange(2), first, 4)
    assert sum(made) == 37


def test_the_fading_of_many_is_forgotten_when_nobody_is_on_the_air():
    model, doppler = cm.Rayleigh(profile="tdl-c"), np.full(300, 9.7)
    fading = LazyFading(model, lambda link: stream(3, "fading", link), doppler)
    channel = SampledChannel(np.ones(300), fading, OFFSETS[:2], STEP)
    few = channel.fading(np.arange(10), 0, 16).copy()
    channel.forget()
    assert channel._samples
    channel.fading(np.arange(300), 0, 16)
    channel.forget()
    assert not channel._samples
    assert all(process._rotations.within.nbytes == 0 for process in fading._processes)
    assert (channel.fading(np.arange(10), 0, 16) == few).all()


@pytest.mark.parametrize("wish", ["never", "always"])
def test_links_that_come_in_several_lots(monkeypatch, wish):
    monkeypatch.setenv("WFL_SIM_COMPILED", wish)

    def streams(link):
        return stream(3, "fading", link)

    model, doppler = cm.Rayleigh(profile="tdl-c"), np.full(40, 9.7)
    whole = model.realise([streams(link) for link in range(40)], doppler)
    channel = SampledChannel(np.ones(40), LazyFading(model, streams, doppler), OFFSETS, STEP)
    for first, links in ((0, [3, 1]), (8, np.arange(16)), (300, np.arange(5, 40)), (310, [0, 39])):
        expected = whole.power_grid(first, 20, STEP, OFFSETS, links).transpose(1, 2, 0)
        assert (channel.fading(np.array(links), first, 20) == expected).all()


def test_fading_off_the_air_is_forgotten_and_comes_back_the_same():
    def streams(link):
        return stream(3, "fading", link)

    fading = LazyFading(cm.Rayleigh(profile="tdl-c"), streams, np.full(6, 9.7))
    late, many, one = fading.delayed(0.004), np.arange(5), np.array([5])
    before = fading.power_grid(0, 64, STEP, OFFSETS, many)
    known = late.power_grid(0, 64, STEP, OFFSETS, many)
    kept = fading._processes[0]._rotations
    assert kept.within.nbytes > 5 * 64e3
    fading.power_grid(1024, 64, STEP, OFFSETS, one)
    assert kept.within.nbytes > 5 * 64e3
    fading.power_grid(1088, 64, STEP, OFFSETS, one)
    assert kept.within.nbytes == 0
    assert (fading.power_grid(0, 64, STEP, OFFSETS, many) == before).all()
    assert (late.power_grid(0, 64, STEP, OFFSETS, many) == known).all()


def test_nothing_is_kept_of_more_links_than_the_memory_is_for():
    def fading(kept):
        model = cm.Rayleigh(profile="tdl-c")
        return LazyFading(model, lambda link: stream(3, "fading", link), np.full(6, 9.7), kept=kept)

    keeps, forgets = fading(6), fading(3)
    for first in (0, 64):
        for links in ([0, 1], [2, 3], [1, 4, 5]):
            expected = keeps.power_grid(first, 64, STEP, OFFSETS, np.array(links))
            assert (forgets.power_grid(first, 64, STEP, OFFSETS, np.array(links)) == expected).all()
            held = sum(each._rotations.within.nbytes for each in forgets._processes)
            assert held <= 3 * 2 * 24 * 16 * 32 * 4
    assert sum(each._rotations.within.nbytes for each in keeps._processes) == 6 * 2 * 24 * 16 * 128


def test_a_delayed_view_is_the_fading_of_before():
    model, doppler = cm.Rayleigh(profile="tdl-c"), np.full(3, 9.7)
    fading = LazyFading(model, lambda link: stream(3, "fading", link), doppler)
    late = fading.delayed(STEP)
    links = np.arange(3)
    now = fading.power_grid(100, 32, STEP, OFFSETS, links)
    np.testing.assert_allclose(
        late.power_grid(101, 32, STEP, OFFSETS, links), now, rtol=1e-3, atol=1e-5
    )


def test_blocks_of_a_wide_band_are_short():
    offsets = cm.resource_block_offsets(273, 30e3)
    process = cm.Rayleigh(profile="tdl-c").realise(
        [np.random.default_rng(i) for i in range(8)], np.full(8, 9.7)
    )
    channel = SampledChannel(np.ones(8), process, offsets, STEP)
    whole = process.power_grid(0, 200, STEP, offsets).transpose(1, 2, 0)
    for first in range(0, 192, 32):
        assert (channel.fading(np.arange(8), first, 33) == whole[first : first + 33]).all()
    blocks = [*channel._samples.values(), *channel._free_blocks]
    assert sum(block._values.nbytes for block in blocks) / 16 < 0.15e6
