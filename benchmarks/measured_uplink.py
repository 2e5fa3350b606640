"""Uplinks measured in a 3.5 GHz network over their SSB-RSRP, beside the link budget.

`python benchmarks/measured_uplink.py` prints both. Measured: Table 4 of doi 10.1155/2021/9724623.
What the article does not say is assumed: 200 W and 273 resource blocks, so 17.8 dBm on a resource
element; 26 dBm of power class 2 on two ports, 2 layers, four ports of the array beyond the beam of
the SSB, 5 dB noise figure, 64QAM, DDDSUDDSUU with 3 of 10 slots up. One number is fitted to the
points: 3.5 dB of loss on the uplink.
"""

import numpy as np

import channel_models as cm
from wfl_sim.cli.scripts import run_script, script_options
from wfl_sim.radio.channel.layers import Layers
from wfl_sim.radio.channel.rate_curve import mean_efficiency

MEASURED = (
    (-75.77, 234.93), (-76.29, 233.30), (-79.10, 237.07), (-80.12, 236.94), (-86.96, 91.43),
    (-87.52, 55.90), (-87.59, 82.21), (-89.85, 48.10), (-91.82, 37.35), (-102.28, 10.93),
    (-102.97, 10.69), (-110.52, 1.78), (-110.77, 1.75), (-112.03, 1.03), (-112.98, 1.10),
)  # fmt: skip
"""SSB-RSRP in dBm, uplink in Mbit/s."""
BLOCKS, WIDTH, UP, OVERHEAD = 273, 360e3, 0.3, 0.08
SENT_DBM = 53.0103 - 10 * np.log10(12 * BLOCKS)
DEVICE_DBM, NOISE_FIGURE, LOSS_DB = 26.0, 5.0, 3.5
RATE = Layers(ports=4, layers=2, map=cm.ShannonGap(gap=3.0, cap=5.5547))


def uplink(rsrp: float, rate: cm.RateMap = RATE) -> float:
    """Mbit/s of a device alone, on as many blocks as carry the most at its power."""
    noise = 10 * np.log10(cm.thermal_noise_density() * WIDTH) + NOISE_FIGURE
    whole = DEVICE_DBM - 30 + rsrp - SENT_DBM - LOSS_DB - noise
    held = np.arange(1, BLOCKS + 1)
    carried = mean_efficiency(rate, cm.Rayleigh(), cm.db_to_linear(whole) / held) * held
    return float(carried.max() * WIDTH * 14 / 15 * (1 - OVERHEAD) * UP / 1e6)


def main() -> None:
    """Print the table."""
    script_options(__doc__).parse_args()
    print("SSB-RSRP (dBm)  measured (Mbit/s)  link budget  ratio")
    for rsrp, measured in MEASURED:
        found = uplink(rsrp)
        print(f"{rsrp:14.2f} {measured:18.2f} {found:12.2f} {found / measured:6.2f}")


if __name__ == "__main__":
    run_script(main)
