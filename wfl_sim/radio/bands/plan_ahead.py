"""Steps of plans that need not be planned one by one in Python."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import channel_models as cm
from channel_models.compiled import kernels
from channel_models.link_adaptation.compiled_rates import form_of
from channel_models.link_adaptation.mcs_rate import NO_SCHEMES, McsForm
from channel_models.validation import FloatArray
from wfl_sim.radio.allocation.opportunistic import LEAST, SHORTEST, ProportionalFair
from wfl_sim.radio.bands.band_plan import BandPlan
from wfl_sim.radio.bands.interference import NOTHING_HEARD, Heard
from wfl_sim.radio.power.transmit_power import CellPower, DevicePower

_VALUES: Final = 2**15
"""Samples whose rates are computed at once: they fit into the processor's cache."""


def planned_at_once(
    plans: Sequence[BandPlan], strengths: Callable[[slice], Sequence[FloatArray]]
) -> bool:
    """Divide bands once for all steps; return False where each step needs a division of its own.

    Args:
        plans: of cells; a transfer that ends in one ends all of them.
        strengths: gives in some steps the mean SINR of the links of each plan on a block for each
            W, (m,), (blocks, m) or (steps, blocks, m).
    """
    if not all(plan.divided_once for plan in plans):
        return False
    for plan in plans:
        plan.divide()
    at_once = max(1, _VALUES // sum(plan.samples_a_step for plan in plans))
    while all(plan.unfinished for plan in plans):
        steps = slice(plans[0].planned, plans[0].planned + at_once)
        found = [
            plan.rates_of(steps, strength)
            for plan, strength in zip(plans, strengths(steps), strict=True)
        ]
        done = min(plan.steps_to_end(rate) for plan, (rate, _, _) in zip(plans, found, strict=True))
        for plan, (rate, watts, sinr) in zip(plans, found, strict=True):
            plan.record_steps((rate[:done], watts, sinr[:done]))
    return True


def planned_ahead(
    plans: Sequence[BandPlan], heard: Callable[[], Heard] = lambda: NOTHING_HEARD
) -> bool:
    """Plan the steps of cells by a compiled loop; return False where that is left to NumPy.

    Args:
        plans: of cells whose transfers wait for their rates; several are coupled.
        heard: gives what they hear of one another.
    """
    settings = {_settings(plan) for plan in plans}
    if len(settings) > 1 or None in settings or kernels() is None:
        return False
    from wfl_sim.radio.bands.compiled_plan import proportional_fair

    sizes = [len(plan.traffic.first) for plan in plans]
    ends = np.append(0, np.cumsum(sizes))
    limits = [plan.band.power.bounds(plan.traffic.links) for plan in plans]  # type: ignore[attr-defined]
    efficiency, known, present = zip(*(plan.inputs() for plan in plans), strict=True)
    lengths, keep = plans[0].times()
    state = np.array([_row([plan.left for plan in plans]), _row([p.average_rate() for p in plans])])
    results = np.empty((4, len(lengths), ends[-1]))
    loop: Callable[..., int] = proportional_fair
    planned = loop(
        *_numbers(plans[0]),
        (_row([each[0] for each in limits]), _row([each[1] for each in limits])),
        ends,
        heard(),
        *(np.ascontiguousarray(_row(each)) for each in (efficiency, known, present)),
        *(_row(each) for each in ([p.strength for p in plans], [p.traffic.weight for p in plans])),
        _row([_most(plan) for plan in plans]),
        lengths,
        keep,
        state,
        results,
    )
    for plan, begin, end in zip(plans, ends, ends[1:], strict=False):
        plan.accept(planned, state[:, begin:end], results[:, :, begin:end])
    return True


def _settings(plan: BandPlan) -> tuple[Any, ...] | None:
    """Return what plans of one loop have in common; None where no loop can do it."""
    band, rate = plan.band, plan.band.rate
    # Classes derived from these may have methods of their own, which must be asked.
    if not (
        type(band.allocator) is ProportionalFair
        and type(band.power) in (DevicePower, CellPower)
        and form_of(rate) is not None
        and plan.by_blocks
        and not plan.learns
        and band.recorded is None
    ):
        return None
    return band.allocator, rate, band.rates.usable, band.subband, band.power.least_blocks


def _numbers(plan: BandPlan) -> tuple[Any, ...]:
    """Return the first arguments of the loop."""
    allocator, rate, usable, subband, least_blocks = _settings(plan) or ()
    form = form_of(rate)
    shannon = tuple(form if isinstance(form, cm.ShannonForm) else cm.ShannonForm())
    schemes = form.schemes if isinstance(form, McsForm) else NO_SCHEMES
    return allocator.turns, (LEAST, SHORTEST), subband, usable, shannon, schemes, least_blocks


def _most(plan: BandPlan) -> FloatArray:
    """(n,) units that each transfer may hold."""
    return np.full(len(plan.left), np.inf) if plan.max_units is None else plan.max_units


def _row(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Join arrays along the transfers, the last axis."""
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=-1)
