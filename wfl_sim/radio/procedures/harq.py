"""HARQ in time: what the last retransmissions add to a transfer."""

from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Annotated, Final

import numpy as np
from annotated_types import Le

import channel_models as cm
from channel_models.units import Unit
from channel_models.validation import FloatArray
from wfl_sim.config.fields import PositiveInt

_SCHEME: Final = 14
"""Its curve stands for all: 64QAM at 0.43. Others differ by tenths of a dB in width."""
_CODE_BLOCK: Final = 4000


@dataclass(frozen=True, kw_only=True)
class Harq:
    """The delay of retransmissions at the end of a transfer; rates already pay for their blocks.

    A block is sent in every slot. One that fails is sent again a round trip later. A transfer ends
    when all blocks of its last round trip are there; what failed before is sent between others. The
    last transmission succeeds. With chase combining the i-th fails as often as a first one at i
    times the SINR (`channel_models.chase_errors`).
    """

    round_trip: PositiveInt = 8
    """Slots from a block to its retransmission: k1, k2 of TS 38.214 and both ends' processing; the
    default is wfl_sim's."""
    error: Annotated[float, Unit("1", minimum=0.0, maximum=0.9, exclusive=True)] = 0.1
    """Share of first transmissions that fail: what reports aim at (TS 38.214 section 5.2.2.1)."""
    transmissions: Annotated[PositiveInt, Le(16)] = 4
    """Most transmissions of a block."""

    @cached_property
    def errors(self) -> FloatArray:
        """Chance that each transmission fails where all before it have failed."""
        from scipy.special import ndtri

        curve = cm.BlockErrors()

        def error(sinr: FloatArray) -> FloatArray:
            return np.asarray(curve.code_block_error(sinr, _SCHEME, _CODE_BLOCK))

        width = float(curve.width_db(_SCHEME, _CODE_BLOCK))
        over = width * float(ndtri(0.1) - ndtri(self.error))
        sinr = cm.db_to_linear(curve.thresholds_db[_SCHEME] + over)
        return cm.chase_errors(error, sinr, self.transmissions)

    def delay(self, airtime: float, slot: float, duty: float, rng: np.random.Generator) -> float:
        """Return the s by which a transfer ends after its last block was first sent.

        Args:
            airtime: s in which it has held some of the band.
            slot: s.
            duty: share of the slots that are of its direction.
            rng: draws failures.
        """
        blocks = max(ceil(min(airtime / slot, self.round_trip * duty) - 1e-9), 1)
        fails = rng.random((blocks, self.transmissions - 1)) < self.errors[:-1]
        repeats = np.cumprod(fails, axis=1).sum(axis=1)
        late = repeats * self.round_trip - np.arange(blocks) / duty
        return float(max(late.max(), 0.0) * slot)
