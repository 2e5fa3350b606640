"""What privacy costs: the epsilon that a run spends, and the bits of secure aggregation.

Opacus composes the releases: by Renyi differential privacy (`rdp`), or by the distribution of the
privacy loss (`pld`; Gopi, Lee and Wutschitz 2021, arXiv 2106.02848), which is tighter.
"""

import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from math import sqrt
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from wfl_sim.device_models.workload import Workload
from wfl_sim.methods.privacy import Privacy

if TYPE_CHECKING:
    from opacus.accountants import RDPAccountant

_ORDERS: Final = 32
"""Orders tried beyond the last: epsilon is flat around the best one."""
_HIGHEST_ORDER: Final = 16_384


def epsilon_spent(
    privacy: Privacy, cohorts: Sequence[Sequence[int]], devices: int, *, uniform: bool = False
) -> dict[str, Any]:
    """Return epsilon and what it was computed from.

    With `distributed` noise it is that of the sums; the fewer uploads arrive, the less noise is in
    them. Sums of uniform samples of all devices are amplified by sampling, at the rate
    `clients / devices`: the bound is for Poisson samples, and samples of a fixed size are treated
    alike, as is usual. For other sums, and with `local` noise, the releases of each device are
    counted, and epsilon is that of the device that has spent most.

    Args:
        privacy: clip, noise, delta.
        cohorts: the devices of each aggregation; negative numbers are aggregates themselves.
        devices: number of devices of the federation.
        uniform: whether every cohort was drawn uniformly from all devices.

    Raises:
        ImportError: opacus is not installed.
    """
    try:
        from opacus.accountants import PRVAccountant, RDPAccountant
    except ImportError:
        raise ImportError("the privacy accountant needs opacus: wfl-sim[privacy]") from None
    amplified = uniform and privacy.noise == "distributed"
    if amplified:
        rate = min(1.0, privacy.cohort / devices)
        multipliers = [_multiplier(privacy, len(cohort)) for cohort in cohorts if cohort]
    else:
        rate, multipliers = 1.0, _most_exposed(privacy, cohorts)
    accountant = RDPAccountant() if privacy.accountant == "rdp" else PRVAccountant()
    for multiplier in multipliers:
        accountant.step(noise_multiplier=multiplier, sample_rate=rate)
    if not multipliers:
        epsilon = 0.0
    elif isinstance(accountant, RDPAccountant):
        epsilon = _least_epsilon(accountant, privacy.delta)
    else:
        with np.errstate(divide="ignore"):  # opacus: log(1 - rate)
            epsilon = float(accountant.get_epsilon(delta=privacy.delta))
    return {
        "epsilon": epsilon,
        "delta": privacy.delta,
        "releases": len(multipliers),
        "sampling_rate": rate,
        "accountant": privacy.accountant,
        "amplified": amplified,
    }


def _multiplier(privacy: Privacy, uploads: int) -> float:
    """Return the deviation of the noise in a sum of so many uploads, over the clip."""
    return privacy.noise_multiplier * sqrt(uploads / privacy.cohort)


def _most_exposed(privacy: Privacy, cohorts: Sequence[Sequence[int]]) -> list[float]:
    """Return the noise multipliers of the releases of the device whose data they tell most of.

    Gaussian releases with multipliers s_t tell as much as one with (sum of s_t^-2)^(-1/2).
    """
    releases: dict[int, list[float]] = defaultdict(list)
    for cohort in cohorts:
        for device, times in Counter(each for each in cohort if each >= 0).items():
            if privacy.noise == "local":
                releases[device] += [privacy.noise_multiplier] * times
            else:
                # A device that is in a sum several times can change it by as many clips.
                releases[device].append(_multiplier(privacy, len(cohort)) / times)
    return max(releases.values(), key=lambda own: sum(s**-2 for s in own), default=[])


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
