"""FedDPA: a global and a personal LoRA, mixed from text to text.

Y. Yang et al., Dual-Personalizing Adapter for Federated Foundation Models, 2024, arXiv 2403.19211.
The personal LoRA is trained in the mixture with the global one as it was received, which weigh
`cap` and 1 - `cap` as in the authors' code, though here `cap` is in its factor B while that learns,
so that a step of AdamW moves B by 1 / `cap` as far; the global one is trained by itself. When a
model is used they weigh a and 1 - a: a is `cap` times the mean cosine between the mean hidden state
of a text and those of some training texts; of instructions, of the requests. The paper's models
generate; the head of a classifier is global (wfl_sim's default).

Variant F fits the personal LoRA after the federation has ended, from the global one; so that it can
be judged at any time, here each local update does so again, and is charged for it. Variant T goes
on with the personal LoRA of the last update.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wfl_sim.config.fields import Bounded, PositiveInt, Share
from wfl_sim.methods.aggregation import WeightedMean
from wfl_sim.methods.local_update import ClientContext, EmbedTexts, LocalResult, LocalRun, Train
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.parts import Head, LoRA, Part
from wfl_sim.methods.phases import Local, Phase
from wfl_sim.state import State, of_parts, put_under, under


@METHODS("feddpa")
@dataclass(frozen=True, kw_only=True)
class FedDPA(WeightedMean, Bounded):
    """Global and personal LoRA, weighed by how familiar a text is (arXiv 2403.19211)."""

    lora: LoRA = field(default_factory=LoRA)
    variant: Literal["F", "T"] = "T"
    cap: Share = 0.5
    samples: PositiveInt = 5
    local: Local = field(default_factory=Local)

    @property
    def parts(self) -> tuple[Part, ...]:
        """One LoRA is sent, one is private."""
        return (
            Part(name="global", config=self.lora, shared=True),
            Part(name="own", config=self.lora),
            Part(name="head", config=Head(), shared=True),
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The global LoRA and the head, then the personal LoRA."""
        return (
            Phase(trains=("global", "head"), local=self.local, mutes=("own",)),
            Phase(trains=("own",), local=self.local),
        )

    def local_update(self, received: State, kept: State, client: ClientContext) -> LocalRun:
        """Train one LoRA after the other; remember what own texts look like."""
        texts = under("anchors", kept) or (yield EmbedTexts(samples=self.samples))
        own = of_parts(kept, "own")
        if self.variant == "F":
            own = put_under("own", under("global", received))
        first = yield Train(phase=self.phases[0], start={**received, **own})
        a = self.cap or 1.0
        mixed = {**_weighed(received, "global", 1 - a), **_weighed(own, "own", a)}
        second = yield Train(phase=self.phases[1], start={**received, **mixed})
        own = _weighed(of_parts(second, "own"), "own", 1 / a)
        kept = {**own, **put_under("anchors", texts)}
        return LocalResult(upload=of_parts(first, "global", "head"), kept=kept)

    def personal_model(self, received: State, kept: State, shapes: object) -> State:
        """Both LoRAs."""
        return {**received, **of_parts(kept, "own")}

    def mixing_weights(
        self, kept: State, texts: NDArray[np.floating]
    ) -> Mapping[str, NDArray[np.floating]]:
        """a = cap max(0, mean cosine); the global LoRA alone where nothing has been trained."""
        own = np.zeros(len(texts))
        if "anchors/texts" in kept:
            # The mean over anchors first: the bits of a product of BLAS depend on its threads.
            mean = _directions(kept["anchors/texts"]).mean(axis=0)
            own = self.cap * np.maximum((_directions(texts) * mean).sum(axis=1), 0)
        return {"own": own, "global": 1 - own}


def _weighed(state: State, part: str, weight: float) -> State:
    """Return a LoRA that adds `weight` times as much, by its factor B."""
    return {
        name: (weight * array).astype(array.dtype) if ".lora_B." in name else array
        for name, array in of_parts(state, part).items()
    }


def _directions(rows: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))
