"""Rules of staleness: how an upload counts that was trained on an older shared state."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from wfl_sim.config.fields import Bounded, NonNegativeFloat, PositiveShare
from wfl_sim.config.registry import Registry
from wfl_sim.methods.aggregation import Upload
from wfl_sim.state import State, minus, plus


class Staleness(Protocol):
    """How an upload counts that was trained on an older shared state.

    >>> class IgnoreOld:
    ...     needs_base = False
    ...
    ...     def present(self, shared, upload):
    ...         return replace(upload, weight=0.0) if upload.staleness > 3 else upload
    >>> IgnoreOld().present({}, Upload({}, weight=8.0, staleness=5)).weight
    0.0
    """

    needs_base: bool
    """Whether `present` uses the state that the device had received."""

    def present(self, shared: State, upload: Upload) -> Upload:
        """Return the upload as if it had been trained on the present state `shared`."""


STALENESS: Registry[Staleness] = Registry("staleness", Staleness)


@STALENESS("delta")
@dataclass(frozen=True, kw_only=True)
class Delta(Bounded):
    """FedBuff: the change that a device made, times (1 + staleness)^-exponent (arXiv 2106.06639).

    The upload of a device that started from the present state is taken as it is, and so is what
    the device had not received.
    """

    exponent: NonNegativeFloat = 0.5
    needs_base = True

    def present(self, shared: State, upload: Upload) -> Upload:
        """x + s (x_k - base_k)."""
        if not upload.staleness:
            return upload
        scale = (1 + upload.staleness) ** -self.exponent
        both = {n: array for n, array in upload.state.items() if n in shared and n in upload.base}
        moved = plus({n: shared[n] for n in both}, minus(both, upload.base), scale)
        return replace(upload, state={**upload.state, **moved})


@STALENESS("mixing")
@dataclass(frozen=True, kw_only=True)
class Mixing(Bounded):
    """FedAsync: x + a (x_k - x), a = alpha (1 + staleness)^-exponent (arXiv 1903.03934).

    What the shared state has not had before is taken as it is.
    """

    alpha: PositiveShare = 0.6
    exponent: NonNegativeFloat = 0.5
    needs_base = False

    def present(self, shared: State, upload: Upload) -> Upload:
        """(1 - a) x + a x_k."""
        a = self.alpha * (1 + upload.staleness) ** -self.exponent
        sent = {name: array for name, array in upload.state.items() if name in shared}
        now = {name: shared[name] for name in sent}
        return replace(upload, state={**upload.state, **plus(now, minus(sent, now), a)})
