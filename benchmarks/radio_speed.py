"""Simulated seconds per second: the fluid carrier beside two loops over slots.

n devices upload without end on 51 resource blocks of 360 kHz at 3.5 GHz and 3 km/h, TDL-C fading of
300 ns, proportional fair. All three decide on the newest channel state that is over and
deliver on the present one.

- fluid: `Carrier` and `OfdmaBand`, a plan for many fading samples (10.3 ms each). As in a run,
  a second thread makes the fading ahead where there is a second core; `--cores 1` is without it.
- plain: what one would write in NumPy without this project, slot after slot of 0.5 ms. In every
  slot it sums the 16 sinusoids of each of the 24 taps of all links, transforms the taps to the
  resource blocks, gives each block to the largest rate over average, and adds up Shannon's rates
  with a gap of 3 dB. All of it is vectorised over links and blocks; the slots are a Python loop.
- bulk: the same decisions, on samples that this project's fast fading makes for 256 slots at once.

The carrier uses compiled loops if numba is installed and `WFL_SIM_COMPILED` is not `never`; they
are loaded before the clock starts.

Seconds are those of a clock on the wall: run it with nothing else on the machine, or with `--cpu
--cores 1` on a busy one. Prints the best of several repetitions. Simulated Mbit/s show that all
carry the same.

    OMP_NUM_THREADS=1 python benchmarks/radio_speed.py
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import simpy

import channel_models as cm
from wfl_sim.cli.scripts import at_least, run_script, script_options
from wfl_sim.network.carriers.carrier import Carrier
from wfl_sim.network.carriers.transfer import TransferRequest
from wfl_sim.radio.allocation import ProportionalFair
from wfl_sim.radio.bands.ofdma import OfdmaBand
from wfl_sim.radio.channel.sampled_channel import SampledChannel
from wfl_sim.radio.power.transmit_power import DevicePower

CARRIER, SPEED, SPACING, BLOCKS = 3.5e9, 3 / 3.6, 30e3, 51
POWER, AVERAGING, OVERHEAD, SLOT = 0.2, 0.2, 0.08, 0.5e-3
DELAY_SPREAD, SINUSOIDS, GAP_DB, CSI_DELAY = 300e-9, 16, 3.0, 4e-3
BLOCK = cm.resource_block_bandwidth(SPACING)
OFFSETS = cm.resource_block_offsets(BLOCKS, SPACING)
SYMBOL_RATE = BLOCK * (1 - cm.CYCLIC_PREFIX) * (1 - OVERHEAD)
NOISE_DENSITY = cm.thermal_noise_density() * float(cm.db_to_linear(5.0))
NOISE = NOISE_DENSITY * BLOCK
DOPPLER = float(cm.doppler_shift(SPEED, CARRIER))


def large_scale(devices):
    return cm.db_to_linear(-np.random.default_rng(2).uniform(95, 125, devices))


def realised(devices, step, age=0.0):
    """Return the project's fading of all links, ready for a time step, as it was `age` s before."""
    streams = [np.random.default_rng([1, device]) for device in range(devices)]
    model = cm.Rayleigh(profile="tdl-c", delay_spread=DELAY_SPREAD, sinusoids=SINUSOIDS)
    fading = model.realise(streams, np.full(devices, DOPPLER)).delayed(age)
    fading.power_grid(0, 1, step, OFFSETS)
    return fading


SHANNON = cm.ShannonGap(gap=GAP_DB, cap=1e6)  # as the loops


def fluid(devices, seconds, threads=None, clock=time.perf_counter, delay=CSI_DELAY, rate=SHANNON):
    """Return simulated seconds per second, and the mean rate in bit/s, of the carrier."""
    step = 0.1 / DOPPLER
    present, known = (
        SampledChannel(large_scale(devices), realised(devices, step, age), OFFSETS, step, threads)
        for age in (0.0, delay)
    )
    band = OfdmaBand(
        channel=present,
        known=known if delay else present,
        allocator=ProportionalFair(),
        rate=rate,
        power=DevicePower(np.full(devices, POWER), np.full(devices, np.inf)),
        noise_density=NOISE_DENSITY,
        blocks=BLOCKS,
        block_bandwidth=BLOCK,
        symbol_rate=SYMBOL_RATE,
        averaging=AVERAGING,
    )
    env = simpy.Environment()
    carrier = Carrier(env, "uplink", band)
    for device in range(devices):
        carrier.send(TransferRequest([device], 1e15))
    started = clock()
    env.run(until=seconds)
    return seconds / (clock() - started), carrier.bits_delivered / seconds


class Scheduler:
    """Proportional fair, once a slot."""

    def __init__(self, devices):
        self.delivered, self.average = np.zeros(devices), None
        self._keep, self._blocks = np.exp(-SLOT / AVERAGING), np.arange(BLOCKS)
        self._known = None

    def slot(self, gain):
        """Serve one slot on gains (devices, blocks)."""
        devices, usable, gap = len(gain), SYMBOL_RATE, 10 ** (GAP_DB / 10)
        seen = gain if self._known is None else self._known
        even = np.log2(1 + seen * (POWER * devices / BLOCKS / NOISE / gap))
        if self.average is None:
            self.average = even.sum(axis=1) * usable / devices
        best = np.argmax(even / self.average[:, None], axis=0)
        held = np.bincount(best, minlength=devices)
        sinr = gain[best, self._blocks] * (POWER / NOISE / gap) / held[best]
        rate = np.bincount(best, np.log2(1 + sinr), devices) * usable
        self.delivered += rate * SLOT
        self.average = self._keep * self.average + (1 - self._keep) * rate
        self._known = gain


def plain(devices, seconds, clock=time.perf_counter):
    """Return the same for a loop that evaluates the channel slot by slot."""
    rng, profile = np.random.default_rng(1), cm.delay_profile("tdl-c")
    shape = (devices, len(profile.delays), SINUSOIDS)
    angles = (np.arange(SINUSOIDS) + rng.random(shape)) / SINUSOIDS
    frequencies = DOPPLER * np.cos(2 * np.pi * angles)
    phases, amplitudes = rng.random(shape), np.sqrt(profile.powers / SINUSOIDS)
    to_blocks = np.exp(-2j * np.pi * DELAY_SPREAD * np.outer(profile.delays, OFFSETS))
    gains, scheduler = large_scale(devices)[:, None], Scheduler(devices)
    slots = round(seconds / SLOT)
    started = clock()
    for slot in range(slots):
        turns = frequencies * ((slot + 0.5) * SLOT) + phases
        taps = amplitudes * np.exp(2j * np.pi * turns).sum(axis=-1)
        scheduler.slot(np.abs(taps @ to_blocks) ** 2 * gains)
    taken = clock() - started
    return slots * SLOT / taken, scheduler.delivered.sum() / (slots * SLOT)


def bulk(devices, seconds, clock=time.perf_counter):
    """Return the same for a loop whose channel is made for many slots at once."""
    fading, gains = realised(devices, SLOT), large_scale(devices)[:, None]
    scheduler, blocks = Scheduler(devices), -(-round(seconds / SLOT) // cm.GRID_BLOCK)
    started = clock()
    for block in range(blocks):
        first = block * cm.GRID_BLOCK
        samples = fading.power_grid(first, cm.GRID_BLOCK, SLOT, OFFSETS)
        for k in range(cm.GRID_BLOCK):
            scheduler.slot(samples[:, k] * gains)
    taken = clock() - started
    simulated = blocks * cm.GRID_BLOCK * SLOT
    return simulated / taken, scheduler.delivered.sum() / simulated


def main():
    parser = script_options(__doc__)
    parser.add_argument("--devices", type=at_least(1), nargs="+", default=[10, 100, 500])
    parser.add_argument("--seconds", type=float, default=53.0, help="simulated by the carrier")
    parser.add_argument("--repeats", type=at_least(1), default=5)
    parser.add_argument("--cores", type=at_least(1), default=2)
    parser.add_argument("--csi-delay", type=float, default=CSI_DELAY, help="s, of the carrier")
    parser.add_argument("--mcs", action="store_true", help="the carrier with `rate: mcs`")
    parser.add_argument("--cpu", action="store_true", help="processor time in place of the clock")
    arguments = parser.parse_args()
    clock = time.process_time if arguments.cpu else time.perf_counter
    threads = ThreadPoolExecutor(1) if arguments.cores > 1 else None
    os.environ.setdefault("WFL_SIM_COMPILED", "always")
    rate = cm.McsRate() if arguments.mcs else SHANNON
    fluid(2, 1.0, rate=rate)
    print(f"{'':8}{'simulated s / s':>27}{'fluid over':>18}{'Mbit/s':>24}")
    print("devices    fluid    plain     bulk    plain     bulk    fluid   plain    bulk")
    fluid_speeds = []
    for devices in arguments.devices:
        seconds = min(arguments.seconds, 5300 / devices)
        each = [
            max(loop(devices, length, clock=clock) for _ in range(arguments.repeats))
            for loop, length in (
                (partial(fluid, threads=threads, delay=arguments.csi_delay, rate=rate), seconds),
                (plain, 40 / devices),
                (bulk, 50 / devices),
            )
        ]
        speeds, rates = np.array(each).T
        fluid_speeds.append(speeds[0])
        print(
            f"{devices:7d}"
            + "".join(f"{speed:9.4g}" for speed in speeds)
            + "".join(f"{speeds[0] / speed:9.0f}" for speed in speeds[1:])
            + "".join(f"{rate / 1e6:9.1f}"[1:] for rate in rates)
        )
    if len(fluid_speeds) > 1:
        growth = -np.diff(np.log(fluid_speeds)) / np.diff(np.log(arguments.devices))
        print("fluid: cost grows with devices to the power", *(f"{each:.2f}" for each in growth))


if __name__ == "__main__":
    run_script(main)
