"""FDLoRA: a shared and a personal LoRA, fused with weights that a device searches for itself.

J. Qi et al., FDLoRA: Personalized Federated Learning of Large Language Model via Dual LoRA Tuning,
2024, arXiv 2406.07925. The server takes a Nesterov step on the mean of the shared LoRAs; the
personal one starts again from the shared one every few updates; A = w1 A_shared + w2 A_own, and B
likewise, with w in [-1.5, 1.5] that minimises the loss on some own texts + 0.05 mean |w|.
Momentum, period and penalty are those of a published re-implementation. Here the search is a
compass search at the end of every update, so that the fused model can be judged at any time; its
few forward passes are not charged. The head is averaged, and the first local stage left out
(wfl_sim's defaults).
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import numpy as np

from wfl_sim.config.fields import BelowOne, Bounded, PositiveFloat, PositiveInt
from wfl_sim.methods.aggregation import Upload, weighted_mean
from wfl_sim.methods.local_update import ClientContext, EvaluateLoss, LocalResult, LocalRun, Train
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.parts import Head, LoRA, Part, Shapes
from wfl_sim.methods.phases import Local, Phase
from wfl_sim.state import State, minus, of_parts, plus, put_under, times, under


@METHODS("fdlora")
@dataclass(frozen=True, kw_only=True)
class FDLoRA(Bounded):
    """Shared LoRA by an outer Nesterov step, personal LoRA, both fused (arXiv 2406.07925)."""

    lora: LoRA = field(default_factory=LoRA)
    outer_lr: PositiveFloat = 1.0
    outer_momentum: BelowOne = 0.5
    period: PositiveInt = 5
    samples: PositiveInt = 16
    local: Local = field(default_factory=Local)

    @property
    def parts(self) -> tuple[Part, ...]:
        """One LoRA is sent, one is private."""
        return (
            Part(name="shared", config=self.lora, shared=True),
            Part(name="own", config=self.lora),
            Part(name="head", config=Head(), shared=True),
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The shared LoRA and the head, then the personal LoRA, each with the other muted."""
        return (
            Phase(trains=("shared", "head"), local=self.local, mutes=("own",)),
            Phase(trains=("own",), local=self.local, mutes=("shared",)),
        )

    def initial_server_state(self, shared: State, devices: int) -> State:
        """No momentum."""
        return {**shared, **put_under(_MOMENTUM, times(0, of_parts(shared, "shared")))}

    def local_update(self, received: State, kept: State, client: ClientContext) -> LocalRun:
        """Train one after the other, then look for the weights."""
        turns = kept[_TURNS] if _TURNS in kept else np.zeros(1, np.float32)
        own = of_parts(kept, "own")
        if turns[0] % self.period == 0:
            own = put_under("own", under("shared", received))
        first = yield Train(phase=self.phases[0], start={**received, **own})
        second = yield Train(phase=self.phases[1], start={**received, **own})
        own = of_parts(second, "own")
        weights = yield from self._searched(of_parts(first, "shared", "head"), own)
        kept = {**own, _TURNS: turns + 1, _WEIGHTS: weights}
        return LocalResult(upload=of_parts(first, "shared", "head"), kept=kept)

    def _searched(self, shared: State, own: State) -> Generator[EvaluateLoss, State, np.ndarray]:
        """Return w1 and w2 by a compass search from (0.5, 0.5)."""
        best, least = np.full(2, 0.5, np.float32), np.inf
        for step in (0.0, 0.5, 0.25):
            around = [best + step * np.array(each, np.float32) for each in _COMPASS]
            for weights in around if step else [best]:
                w = np.clip(weights, -1.5, 1.5)
                answer = yield EvaluateLoss(model=_fused(shared, own, w), samples=self.samples)
                cost = float(answer["loss"]) + 0.05 * float(np.abs(w).mean())
                if cost < least:
                    best, least = w, cost
        return best

    def aggregate(self, shared: State, uploads: Sequence[Upload]) -> State:
        """d = x - mean; v <- m v + d; x <- x - lr (d + m v)."""
        mean = weighted_mean(uploads)
        x = of_parts(shared, "shared")
        d = minus(x, mean)
        v = plus(d, under(_MOMENTUM, shared), self.outer_momentum)
        moved = plus(x, plus(d, v, self.outer_momentum), -self.outer_lr)
        return {**moved, **of_parts(mean, "head"), **put_under(_MOMENTUM, v)}

    def personal_model(self, received: State, kept: State, shapes: Shapes) -> State:
        """The fused LoRA; before the first update the shared one."""
        weights = kept[_WEIGHTS] if _WEIGHTS in kept else np.array([1, 0], np.float32)
        return _fused(received, of_parts(kept, "own"), weights)


_MOMENTUM = "server/momentum"
_TURNS = "fusion/turns"
_WEIGHTS = "fusion/weights"
_COMPASS = ((1, 0), (-1, 0), (0, 1), (0, -1))


def _fused(shared: State, own: State, weights: np.ndarray) -> State:
    """Return the network with w1 shared + w2 own in one LoRA and nothing in the other."""
    both = {
        name: weights[0] * array + weights[1] * own[name.replace("shared/", "own/", 1)]
        for name, array in of_parts(shared, "shared").items()
    }
    return {**of_parts(shared, "head"), **both, **times(0, own)}
