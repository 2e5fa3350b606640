"""Oort: devices with a high training loss and short rounds.

F. Lai et al., Oort: Efficient Federated Learning via Guided Participant Selection, arXiv
2010.06081.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from channel_models.elementary import log, power, rounded
from channel_models.units import Fraction, PositiveSeconds
from channel_models.validation import FloatArray
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import Bounded, NonNegativeFloat
from wfl_sim.rounds.selection.selector import SELECTORS, Clients

if TYPE_CHECKING:
    from wfl_sim.network.devices.client import Client


@SELECTORS("oort")
@dataclass(frozen=True, kw_only=True)
class Oort(Bounded):
    """By utility ``|B| L`` with a bonus for age, both times ``(T / t)^alpha``; some explore.

    |B| is the number of examples, L the loss of the last local update, T the `preferred` duration
    of a round and t that of the device's last round, where it is longer than T. To |B| L, as a
    share of the largest, the paper's ``sqrt(0.1 ln R / R_k)`` is added for a device whose last
    upload was in round R_k of R, and the sum is multiplied (algorithm 1, lines 9 to 12).
    Devices without an upload get the share `explore` of the places, drawn uniformly, times `decay`
    each round and at least `explore_least`, and of a share above 0 one place at least, where the
    paper prefers the faster ones; the others are drawn by utility from those that reach `cutoff` of
    the utility of the last place.

    L is the mean loss over the local steps in place of the root mean square over examples; the
    pacer that moves T and the clipping of outliers are left out. The losses come with the uploads:
    a scalar beside them, whose bits are not counted; that of a device that has diverged counts 0,
    and so does one below 0. They are learned when the selection asks, so such a run trains as it
    goes, and cannot be network-only.
    """

    needs_training: ClassVar[bool] = True

    preferred: PositiveSeconds | None = None
    """T; None if the duration does not matter."""
    alpha: NonNegativeFloat = 2.0
    explore: Fraction = 0.9
    decay: Fraction = 0.98
    explore_least: Fraction = 0.2
    cutoff: Fraction = 0.95

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.explore_least > self.explore:
            raise LocatedError(
                f"must be at most `explore`, {self.explore:g}, got {self.explore_least:g}",
                "explore_least",
            )

    def select(self, devices: Clients, count: int, rng: np.random.Generator) -> Clients:
        """Return `count` devices, or all where there are fewer, in ascending order."""
        count = min(count, len(devices))
        known = [device for device in devices if device.last_upload_round >= 0]
        fresh = [device for device in devices if device.last_upload_round < 0]
        number = 1 + max((device.last_upload_round for device in known), default=0)
        share = max(self.explore * float(rounded(self.decay**number)), self.explore_least)
        explorers = max(round(share * count), 1 if share else 0)
        places = min(explorers, len(fresh)) if known else len(fresh)
        explored = max(min(places, count), count - len(known))
        chosen = [fresh[i] for i in rng.choice(len(fresh), size=explored, replace=False)]
        chosen += self._drawn(known, count - explored, number + 1, rng)
        return sorted(chosen, key=lambda device: device.index)

    def utilities(self, devices: Sequence[Client], number: int) -> FloatArray:
        """Return the utility of devices that have uploaded before, in round `number` from 1 on."""
        examples = np.array([device.examples for device in devices], dtype=float)
        losses = np.nan_to_num([device.reported_loss for device in devices], nan=0.0).clip(0)
        seconds = np.array([device.round_seconds for device in devices])
        uploaded = np.array([1 + device.last_upload_round for device in devices])
        gain = examples * losses
        utility = gain / max(float(gain.max()), 1e-12)
        utility = utility + np.sqrt(0.1 * log(number) / uploaded)
        if self.preferred is not None:
            ratio = self.preferred / np.maximum(seconds, self.preferred)
            utility = utility * power(ratio, self.alpha)
        return np.asarray(utility)

    def _drawn(
        self, devices: Sequence[Client], count: int, number: int, rng: np.random.Generator
    ) -> list[Client]:
        if not count:
            return []
        utility = self.utilities(devices, number)
        last = np.sort(utility)[-count]
        admitted = np.flatnonzero(utility >= self.cutoff * last)
        odds = utility[admitted] + 1e-12
        drawn = rng.choice(admitted, size=count, replace=False, p=odds / odds.sum())
        return [devices[i] for i in drawn]
