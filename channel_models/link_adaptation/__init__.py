"""Link adaptation: from signal quality to spectral efficiency."""

from channel_models.link_adaptation.shannon import (
    AttenuatedShannon,
    Shannon,
    ShannonGap,
    qam_gap_db,
)

__all__ = ["AttenuatedShannon", "Shannon", "ShannonGap", "qam_gap_db"]
