"""What privacy costs: the epsilon that a run spends, and the bits of secure aggregation.

Epsilon is counted by Renyi differential privacy (opacus). The accountant treats each round as a
Poisson sample of the devices at the rate `clients / devices`; rounds that draw a fixed number are
treated the same, as is usual.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import sqrt
from typing import Any

from wfl_sim.device_models.workload import Workload
from wfl_sim.methods.privacy import Privacy


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
    epsilon = float(accountant.get_epsilon(privacy.delta)) if multipliers else 0.0
    return {
        "epsilon": epsilon,
        "delta": privacy.delta,
        "releases": len(multipliers),
        "sampling_rate": rate,
    }


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
