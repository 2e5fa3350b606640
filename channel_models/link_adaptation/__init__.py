"""Link adaptation: from signal quality to spectral efficiency."""

from channel_models.link_adaptation.bler import (
    BlockErrors,
    chase_errors,
    harq_goodput,
    harq_mean_transmissions,
    harq_residual_error,
)
from channel_models.link_adaptation.effective_sinr import (
    capacity_effective_sinr,
    eesm_beta,
    equaliser_sinr,
    exponential_effective_sinr,
)
from channel_models.link_adaptation.finite_blocklength import (
    FiniteBlocklength,
    channel_dispersion,
    normal_approximation_error,
    normal_approximation_rate,
)
from channel_models.link_adaptation.mcs import McsTable, cqi_efficiency, mcs_table
from channel_models.link_adaptation.mcs_rate import McsRate
from channel_models.link_adaptation.outer_loop import OuterLoop
from channel_models.link_adaptation.shannon import (
    AttenuatedShannon,
    Shannon,
    ShannonGap,
    qam_gap_db,
)
from channel_models.link_adaptation.transport_block import (
    code_blocks,
    resource_elements,
    transport_block_size,
)

__all__ = [
    "AttenuatedShannon",
    "BlockErrors",
    "FiniteBlocklength",
    "McsRate",
    "McsTable",
    "OuterLoop",
    "Shannon",
    "ShannonGap",
    "capacity_effective_sinr",
    "channel_dispersion",
    "chase_errors",
    "code_blocks",
    "cqi_efficiency",
    "eesm_beta",
    "equaliser_sinr",
    "exponential_effective_sinr",
    "harq_goodput",
    "harq_mean_transmissions",
    "harq_residual_error",
    "mcs_table",
    "normal_approximation_error",
    "normal_approximation_rate",
    "qam_gap_db",
    "resource_elements",
    "transport_block_size",
]
