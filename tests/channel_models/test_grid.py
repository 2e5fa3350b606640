"""The fast path alone: accuracy at far times, reuse, odd frequency grids, memory of steps."""

import numpy as np
import pytest

import channel_models as cm


def test_accuracy_hours_into_a_run(streams, check_amplitudes) -> None:
    process = cm.Rayleigh(profile="tdl-c").realise(streams(4), np.full(4, 400.0))
    offsets = cm.resource_block_offsets(51, 30e3)
    first, step = 7_200_000, 0.25e-3 * 4
    midpoints = (np.arange(first, first + 256) + 0.5) * step
    grid = process.power_grid(first, 256, step, offsets)
    check_amplitudes(grid, process.power(midpoints, offsets))


def test_changing_the_step_and_back(streams) -> None:
    process = cm.Rayleigh().realise(streams(2), np.full(2, 10.0))
    once = process.power_grid(5, 40, 1e-3, [0.0])
    process.power_grid(5, 40, 2e-3, [0.0])
    np.testing.assert_array_equal(process.power_grid(5, 40, 1e-3, [0.0]), once)


@pytest.mark.parametrize(
    "offsets",
    [
        [0.0],
        [5e6],
        [-1e6, 1e6],
        [0.0, 1e6, 2e6],
        [1e6, 2e6, 3e6, 4e6],
        [0.0, 1e6, 5e6],
        [3e6, -1e6, 0.0],
    ],
)
def test_any_frequencies(offsets, streams, check_amplitudes) -> None:
    process = cm.Rayleigh(profile="tdl-a").realise(streams(3), np.full(3, 20.0))
    midpoints = (np.arange(70) + 0.5) * 1e-3
    check_amplitudes(process.power_grid(0, 70, 1e-3, offsets), process.power(midpoints, offsets))


def test_symmetric_offsets_stay_in_order(streams) -> None:
    process = cm.Rayleigh(profile="tdl-c", delay_spread=1e-6).realise(streams(1), [0.0])
    up = process.power_grid(0, 1, 1.0, [-2e6, 0.0, 2e6])
    down = process.power_grid(0, 1, 1.0, [2e6, 0.0, -2e6])
    np.testing.assert_allclose(up, down[..., ::-1], rtol=1e-12)
    assert abs(up[0, 0, 0] - up[0, 0, 2]) > 1e-3


def test_block_is_a_multiple_of_common_chunks() -> None:
    assert cm.GRID_BLOCK % 64 == 0
