"""Shadowing with a correlation between sites."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.shadowing import ShadowField, draw_field
from channel_models.units import Fraction, NonNegativeDecibel, PositiveMetres
from channel_models.validation import check_array, check_positive_integer, validate_fields


class SiteFields:
    """Realised shadowing to several sites, correlated between them."""

    def __init__(self, common: ShadowField, own: Sequence[ShadowField], correlation: float) -> None:
        self._common = common
        self._own = tuple(own)
        self._shared = np.sqrt(correlation)
        self._separate = np.sqrt(1.0 - correlation)

    def __repr__(self) -> str:
        return f"SiteFields(sites={len(self._own)})"

    def at(self, positions: ArrayLike) -> Any:
        """Shadowing in dB from ``positions`` (..., 2) to every site, (..., sites)."""
        common = np.asarray(self._common.at(positions))[..., None]
        own = np.stack([np.asarray(field.at(positions)) for field in self._own], axis=-1)
        return self._shared * common + self._separate * own


@dataclass(frozen=True, kw_only=True)
class InterSiteShadowing:
    """Maps as `ShadowMap`, with a correlation between the sites of one layout.

    ``X_s = sqrt(c) X_common + sqrt(1 - c) X_own,s``: correlation c = 0.5 between sites and 1
    between the sectors of a site is common practice (3GPP TR 36.814; to be confirmed against the
    TR).
    """

    sigma: NonNegativeDecibel = 8.0
    decorrelation: PositiveMetres = 50.0
    site_correlation: Fraction = 0.5
    waves: int = 512

    def __post_init__(self) -> None:
        validate_fields(self)
        check_positive_integer("waves", self.waves, minimum=16)

    def realise(
        self, common: np.random.Generator, sites: Sequence[np.random.Generator]
    ) -> SiteFields:
        """Draw: one generator for what is shared, one a site."""
        check_array("sites", float(len(sites)), minimum=1.0)
        fields = [
            draw_field(self.sigma, self.decorrelation, self.waves, stream)
            for stream in (common, *sites)
        ]
        return SiteFields(fields[0], fields[1:], self.site_correlation)
