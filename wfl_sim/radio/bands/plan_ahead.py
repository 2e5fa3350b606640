"""Where the steps of a plan can be left to a compiled loop."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

import channel_models as cm
from channel_models.compiled import kernels
from channel_models.link_adaptation.mcs_rate import NO_SCHEMES, McsForm
from wfl_sim.radio.allocation.allocator import Allocator
from wfl_sim.radio.allocation.opportunistic import LEAST, SHORTEST, ProportionalFair
from wfl_sim.radio.bands.block_rates import BlockRates
from wfl_sim.radio.power.transmit_power import CellPower, DevicePower


def compiled_loop(
    allocator: Allocator, rates: BlockRates, subband: int, links: NDArray[np.intp]
) -> Callable[..., int] | None:
    """Return `compiled_plan.proportional_fair` for a band and its links; None where NumPy works."""
    power, shannon = rates.power, getattr(rates.rate, "shannon", None)
    tables = getattr(rates.rate, "mcs_form", None)
    one_form = isinstance(shannon, cm.ShannonForm) or isinstance(tables, McsForm)
    if not (
        isinstance(allocator, ProportionalFair)
        and isinstance(power, DevicePower | CellPower)
        and one_form
        and kernels() is not None
    ):
        return None
    from wfl_sim.radio.bands.compiled_plan import proportional_fair

    return partial(
        proportional_fair,
        allocator.turns,
        (LEAST, SHORTEST),
        subband,
        rates.usable,
        tuple(shannon or cm.ShannonForm()),
        NO_SCHEMES if tables is None else tables.schemes,
        power.bounds(links),
        power.least_blocks,
    )
