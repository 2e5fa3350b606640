"""What privacy costs: the epsilon that a run spends, and the bits of secure aggregation.

Opacus composes the releases: by Renyi differential privacy (`rdp`), or by the distribution of the
privacy loss (`pld`; Gopi, Lee and Wutschitz 2021, arXiv 2106.02848), which is tighter. Releases
without sampling are one Gaussian release, whose distribution has a closed form.
"""

import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from math import exp, inf, log, sqrt
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from wfl_sim.device_models.workload import Workload
from wfl_sim.methods.privacy import Privacy

if TYPE_CHECKING:
    from opacus.accountants import PRVAccountant, RDPAccountant

_ORDERS: Final = 32
"""Orders tried beyond the last: epsilon is flat around the best one."""
_HIGHEST_ORDER: Final = 16_384
_LARGEST: Final = 100.0
"""Epsilon beyond which the distribution of a sampled loss is too wide to be computed."""


def epsilon_spent(
    privacy: Privacy, cohorts: Sequence[Sequence[int]], devices: int, *, uniform: bool = False
) -> dict[str, Any]:
    """Return epsilon and what it was computed from.

    With `distributed` noise it is that of the sums; the fewer uploads arrive, the less noise is in
    them. Sums of uniform samples of all devices are amplified by sampling, at the rate
    `clients / devices`: the bound is for Poisson samples, and samples of a fixed size are treated
    alike, as is usual. For other sums, and with `local` noise, the releases of each device are
    counted, and epsilon is that of the device that has spent most. `accountant` is the one whose
    bound this is: `rdp` where `pld` cannot be computed, or gives more.

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
    # Equal ones in a row are composed at once; without sampling all are one.
    releases = sorted(multipliers) if rate < 1 else _composed(multipliers)
    rdp, accountant, delta = RDPAccountant(), "rdp", privacy.delta
    for multiplier in releases:
        rdp.step(noise_multiplier=multiplier, sample_rate=rate)
    epsilon = _least_epsilon(rdp, delta) if releases else 0.0
    if privacy.accountant == "pld" and releases and (rate == 1 or epsilon <= _LARGEST):
        prv = PRVAccountant()
        prv.history = rdp.history
        told = gaussian_epsilon(releases[0], delta) if rate == 1 else _sampled_epsilon(prv, delta)
        if told <= epsilon:
            epsilon, accountant = told, "pld"
    return {
        "epsilon": epsilon,
        "delta": delta,
        "releases": len(multipliers),
        "sampling_rate": rate,
        "accountant": accountant,
        "amplified": amplified,
    }


def gaussian_epsilon(multiplier: float, delta: float) -> float:
    """Return epsilon of one Gaussian release (Balle and Wang 2018, arXiv 1805.06530, theorem 8)."""
    from scipy.optimize import brentq
    from scipy.special import log_ndtr

    def excess(epsilon: float) -> float:
        a, b = 1 / (2 * multiplier), epsilon * multiplier
        return float(exp(log_ndtr(a - b)) - exp(epsilon + log_ndtr(-a - b))) - delta

    if excess(0.0) <= 0:
        return 0.0
    # The loss is normal with mean 1 / (2 multiplier^2) and deviation 1 / multiplier.
    most = 0.5 / multiplier**2 + sqrt(2 * log(1 / delta)) / multiplier
    return float(brentq(excess, 0.0, most, xtol=1e-12))


def _sampled_epsilon(accountant: "PRVAccountant", delta: float) -> float:
    """Return the upper bound of epsilon of sampled releases; infinite if delta is too small."""
    with np.errstate(divide="ignore"), warnings.catch_warnings():  # opacus: log(1 - rate)
        warnings.simplefilter("ignore", UserWarning)  # of an order at the end of its own list
        try:
            return float(accountant.get_epsilon(delta=delta))
        except ValueError:
            return inf


def _composed(multipliers: Sequence[float]) -> list[float]:
    """Return the multiplier of one Gaussian release that tells as much as all of these."""
    return [sum(each**-2 for each in multipliers) ** -0.5] if multipliers else []


def _multiplier(privacy: Privacy, uploads: int) -> float:
    """Return the deviation of the noise in a sum of so many uploads, over the clip."""
    return privacy.noise_multiplier * sqrt(uploads / privacy.cohort)


def _most_exposed(privacy: Privacy, cohorts: Sequence[Sequence[int]]) -> list[float]:
    """Return the noise multipliers of the releases of the device whose data they tell most of."""
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
        own_download_bits=protocol.own(privacy.cohort),
    )
