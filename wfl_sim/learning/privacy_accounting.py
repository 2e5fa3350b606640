"""What privacy costs: the epsilon that a run spends, and the bits of secure aggregation.

Epsilon is counted by Renyi differential privacy (opacus). The accountant treats each round as a
Poisson sample of the devices at the rate `clients / devices`; rounds that draw a fixed number are
treated the same, as is usual.
"""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from math import sqrt
from typing import TYPE_CHECKING, Any, Final

from wfl_sim.device_models.workload import Workload
from wfl_sim.methods.privacy import Privacy

if TYPE_CHECKING:
    from opacus.accountants import RDPAccountant

_ORDERS: Final = 32
"""Orders tried beyond the last: epsilon is flat around the best one."""
_HIGHEST_ORDER: Final = 16_384


def epsilon_spent(
    privacy: Privacy, cohorts: Sequence[Sequence[int]], devices: int
) -> dict[str, Any]:
    """Return epsilon and what it was computed from.

    With `distributed` noise it is that of the sums; the fewer uploads arrive, the less noise is in
    them. With `local` noise it is that of all uploads of the device that sent most, and sampling
    does not help.

    Args:
        privacy: clip, noise, delta.
        cohorts: the devices of each aggregation.
        devices: number of devices of the federation.

    Raises:
        ImportError: opacus is not installed.
    """
    try:
        from opacus.accountants import RDPAccountant
    except ImportError:
        raise ImportError("the privacy accountant needs opacus: wfl-sim[privacy]") from None
    accountant = RDPAccountant()
    if privacy.noise == "local":
        rate, everyone = 1.0, [device for cohort in cohorts for device in cohort]
        steps = max((everyone.count(device) for device in set(everyone)), default=0)
        multipliers = [privacy.noise_multiplier] * steps
    else:
        rate = min(1.0, privacy.cohort / devices)
        multipliers = [
            privacy.noise_multiplier * sqrt(len(cohort) / privacy.cohort) for cohort in cohorts
        ]
    for multiplier in multipliers:
        accountant.step(noise_multiplier=multiplier, sample_rate=rate)
    epsilon = _least_epsilon(accountant, privacy.delta) if multipliers else 0.0
    return {
        "epsilon": epsilon,
        "delta": privacy.delta,
        "releases": len(multipliers),
        "sampling_rate": rate,
    }


def _least_epsilon(accountant: "RDPAccountant", delta: float) -> float:
    """Return epsilon at the best order.

    The accountant's own orders are 1.1 to 63. The more noise, the higher the best one: near
    ``sigma sqrt(2 ln(1/delta) / releases)``. While it is the highest or the lowest that was tried,
    others beyond it are.
    """
    orders = list(accountant.DEFAULT_ALPHAS)
    beyond = True
    while beyond:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of an order at the end of the list
            epsilon, best = accountant.get_privacy_spent(delta=delta, alphas=orders)
        highest, lowest = orders[-1], orders[0]
        if beyond := best == highest < _HIGHEST_ORDER:
            steps = range(1, _ORDERS + 1)
            orders += sorted({round(highest * 2 ** (step / _ORDERS)) for step in steps} - {highest})
        elif beyond := best == lowest == accountant.DEFAULT_ALPHAS[0]:
            orders = [1 + 0.1 * 2 ** (-step / 4) for step in range(_ORDERS, 0, -1)] + orders
    return float(epsilon)


def with_secure_aggregation(workload: Workload, privacy: Privacy | None, values: int) -> Workload:
    """Return the costs of an update of `values` values, plus those of secure aggregation."""
    protocol = None if privacy is None else privacy.secure_aggregation
    if privacy is None or protocol is None or not workload.upload_bits:
        return workload
    return replace(
        workload,
        upload_bits=workload.upload_bits + protocol.up(privacy.cohort, values),
        download_bits=workload.download_bits + protocol.down(privacy.cohort),
    )
