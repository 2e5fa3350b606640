"""Pictures of docs/radio.md and docs/rounds.md: power control and staleness.

Run: python docs/drawings/laws.py (writes into docs/images)
"""

import numpy as np
from picture import BLACK, BLUE, GREEN, ORANGE, RED, panels, save

from channel_models import db_to_linear, linear_to_db
from wfl_sim.methods.aggregation import Upload
from wfl_sim.methods.staleness import Delta, Mixing
from wfl_sim.radio.power.power_control import PowerControl

BLOCK, BLOCKS = 360e3, 10
MOST_DBM = 23.0


def power_control() -> None:
    """Power of a device and power that arrives, over the path loss."""
    figure, (sent, received) = panels(2)
    loss = np.linspace(60, 140, 161)
    for alpha, colour in ((0.0, BLACK), (0.6, GREEN), (0.8, BLUE), (1.0, RED)):
        target = db_to_linear(-80.0 - 30.0 + (0.8 - alpha) * 90.0)
        density = PowerControl(target=target, alpha=alpha).density(db_to_linear(-loss), BLOCK)
        power = np.minimum(linear_to_db(density * BLOCKS) + 30.0, MOST_DBM)
        sent.plot(loss, power, color=colour, label=f"alpha {alpha:g}")
        received.plot(loss, power - loss, color=colour)
    sent.axhline(MOST_DBM, color="grey", linewidth=0.6)
    sent.set(xlabel="path loss with shadowing (dB)", ylabel="transmit power (dBm)", ylim=(-25, 27),
             title="10 blocks of 360 kHz, at most 23 dBm")  # fmt: skip
    received.set(xlabel="path loss with shadowing (dB)", ylabel="received power (dBm)",
                 title="P0 such that all meet at 90 dB")  # fmt: skip
    sent.legend(fontsize=8)
    save(figure, "radio/power_control")


def staleness() -> None:
    """What is left of an update of 1 that is some aggregations late."""
    figure, (delta, mixing) = panels(2)
    late = np.arange(0, 21)
    zero, one = {"w": np.zeros(1)}, {"w": np.ones(1)}
    uploads = [Upload(state=one, weight=1.0, base=zero, staleness=int(s)) for s in late]
    for exponent, colour in ((0.0, BLACK), (0.25, ORANGE), (0.5, BLUE), (1.0, RED)):
        for axis, rule in ((delta, Delta(exponent=exponent)), (mixing, Mixing(exponent=exponent))):
            left = [float(rule.present(zero, upload).state["w"][0]) for upload in uploads]
            axis.plot(late, left, "o-", markersize=3, color=colour, label=f"exponent {exponent:g}")
    for axis, title in ((delta, "delta (FedBuff)"), (mixing, "mixing (FedAsync), alpha 0.6")):
        axis.set(xlabel="staleness (aggregations)", ylabel="weight of the update",
                 ylim=(0, 1.05), xticks=range(0, 21, 5),
                 title=title)  # fmt: skip
    mixing.legend(fontsize=8)
    save(figure, "staleness")


if __name__ == "__main__":
    power_control()
    staleness()
