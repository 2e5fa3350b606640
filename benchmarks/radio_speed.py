"""Simulated seconds per second of processor time: the fluid carrier beside a loop over slots.

n devices upload without end on 51 resource blocks of 360 kHz at 3.5 GHz and 3 km/h, TDL-C fading of
300 ns, proportional fair, one thread. The loop makes the same decisions every 0.5 ms in plain NumPy
on samples of the same fading process, made in bulk. Both print the best of several repetitions.

    python benchmarks/radio_speed.py
"""

import argparse
import time

import numpy as np
import simpy

import channel_models as cm
from wfl_sim.entities.carrier import Carrier
from wfl_sim.radio.allocation import ProportionalFair
from wfl_sim.radio.channel import Channel
from wfl_sim.radio.ofdma import Band
from wfl_sim.radio.power import DevicePower

CARRIER, SPEED, SPACING, BLOCKS = 3.5e9, 3 / 3.6, 30e3, 51
POWER, AVERAGING, OVERHEAD = 0.2, 0.2, 0.08
BLOCK = cm.resource_block_bandwidth(SPACING)
NOISE_DENSITY = cm.thermal_noise_density() * float(cm.db_to_linear(5.0))
RATE = cm.ShannonGap(gap=3.0)


def world(devices):
    """Return large-scale gains, fading, block offsets and the Doppler shift."""
    doppler = float(cm.doppler_shift(SPEED, CARRIER))
    streams = [np.random.default_rng([1, device]) for device in range(devices)]
    fading = cm.Rayleigh(profile="tdl-c", delay_spread=300e-9).realise(
        streams, np.full(devices, doppler)
    )
    gains = cm.db_to_linear(-np.random.default_rng(2).uniform(95, 125, devices))
    return gains, fading, cm.resource_block_offsets(BLOCKS, SPACING), doppler


def fluid(devices, seconds):
    """Return simulated seconds per second, and the mean rate in bit/s, of the carrier."""
    gains, fading, offsets, doppler = world(devices)
    band = Band(
        channel=Channel(gains, fading, offsets, 0.1 / doppler),
        allocator=ProportionalFair(),
        rate=RATE,
        power=DevicePower(np.full(devices, POWER), np.full(devices, np.inf)),
        noise_density=NOISE_DENSITY,
        blocks=BLOCKS,
        block_bandwidth=BLOCK,
        overhead=OVERHEAD,
        csi_delay=0.0,
        averaging=AVERAGING,
    )
    env = simpy.Environment()
    carrier = Carrier(env, "uplink", band)
    for device in range(devices):
        carrier.send([device], 1e15)
    fading.power_grid(0, 1, 0.1 / doppler, offsets)
    started = time.process_time()
    env.run(until=seconds)
    return seconds / (time.process_time() - started), carrier.bits_delivered / seconds


def slotted(devices, seconds, slot=0.5e-3):
    """Return the same for a loop over slots."""
    gains, fading, offsets, _ = world(devices)
    fading.power_grid(0, 1, slot, offsets)
    slots, chunk = round(seconds / slot), cm.GRID_BLOCK
    keep, noise = np.exp(-slot / AVERAGING), NOISE_DENSITY * BLOCK
    delivered, known, average = np.zeros(devices), None, None
    blocks = np.arange(BLOCKS)
    started = time.process_time()
    for first in range(0, slots, chunk):
        samples = fading.power_grid(first, chunk, slot, offsets) * gains[:, None, None]
        for k in range(chunk):
            gain = samples[:, k]
            seen = gain if known is None else known
            even = RATE.spectral_efficiency(seen * (POWER * devices / BLOCKS / noise))
            if average is None:
                average = even.sum(axis=1) * BLOCK * (1 - OVERHEAD) / devices
            best = np.argmax(even / average[:, None], axis=0)
            held = np.bincount(best, minlength=devices)
            sinr = gain[best, blocks] * (POWER / noise) / held[best]
            share = RATE.spectral_efficiency(sinr)
            rate = np.bincount(best, share, devices) * (BLOCK * (1 - OVERHEAD))
            delivered += rate * slot
            average = keep * average + (1 - keep) * rate
            known = gain
    taken = time.process_time() - started
    simulated = -(-slots // chunk) * chunk * slot
    return simulated / taken, delivered.sum() / simulated


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, nargs="+", default=[10, 100, 500])
    parser.add_argument("--seconds", type=float, default=10.0, help="simulated by the carrier")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    print("devices   fluid s/s   slots s/s   ratio   fluid Mbit/s   slots Mbit/s")
    for devices in arguments.devices:
        seconds = min(arguments.seconds, 1000 / devices)
        quick = [fluid(devices, seconds) for _ in range(arguments.repeats)]
        slow = [slotted(devices, seconds / 5) for _ in range(arguments.repeats)]
        one, other = max(quick), max(slow)
        print(
            f"{devices:7d} {one[0]:11.1f} {other[0]:11.2f} {one[0] / other[0]:7.0f} "
            f"{one[1] / 1e6:14.1f} {other[1] / 1e6:14.1f}"
        )


if __name__ == "__main__":
    main()
