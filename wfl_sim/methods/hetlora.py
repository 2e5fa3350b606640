"""HetLoRA: a rank for each device.

Y. J. Cho et al., Heterogeneous LoRA for Federated Fine-tuning of On-Device Foundation Models, 2024,
arXiv 2401.06432. Devices get the first r_k rows and columns; the server pads uploads with zeros to
the largest rank among them and weights them by |B_k A_k|_F, here over all layers together. Rows and
columns beyond that rank stay as they are: with zeros in A and B they could never learn again. Not
modelled: pruning a device's own rank, whose payload would depend on what was learned. The head is
averaged by numbers of examples (wfl_sim's default).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from wfl_sim.methods.aggregation import Upload, weighted_mean
from wfl_sim.methods.fedit import FedIT
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.parts import Part, Shapes, lora_and_head
from wfl_sim.state import State, of_parts

_A: Final = ".lora_A."
_B: Final = ".lora_B."


@METHODS("hetlora")
@dataclass(frozen=True, kw_only=True)
class HetLoRA(FedIT):
    """LoRA of each device's own rank, cut and padded with zeros (arXiv 2401.06432)."""

    is_weighted_mean = False

    @property
    def parts(self) -> tuple[Part, ...]:
        """Everything is shared; the server's LoRA has the largest rank of all devices."""
        return lora_and_head(self.lora, by_device=True)

    def download(self, shared: State, shapes: Shapes, device: int) -> State:
        """Cut to the rank of the device."""
        return {n: shared[n][tuple(slice(size) for size in shape)] for n, shape in shapes.items()}

    def aggregate(self, shared: State, uploads: Sequence[Upload]) -> State:
        """Zero-pad, then weight LoRA by |B_k A_k|_F and the head by examples."""
        norms = [update_norm(upload.state) for upload in uploads]
        norms = norms if sum(norms) else [1.0] * len(uploads)
        loras = [of_parts(upload.state, "lora") for upload in uploads]
        largest = {name: np.max([each[name].shape for each in loras], axis=0) for name in loras[0]}
        padded = [
            replace(upload, weight=norm, state=_padded(lora, largest))
            for upload, norm, lora in zip(uploads, norms, loras, strict=True)
        ]
        heads = [replace(upload, state=of_parts(upload.state, "head")) for upload in uploads]
        made = {name: np.array(array) for name, array in of_parts(shared, "lora").items()}
        for name, mean in weighted_mean(padded).items():
            made[name][tuple(map(slice, mean.shape))] = mean
        return {**made, **weighted_mean(heads)}


def update_norm(state: State) -> float:
    """Return |B A|_F over all layers: its square is the trace of (B^T B)(A A^T), layer by layer."""
    square = 0.0
    for name, a in state.items():
        if _A in name:
            b = state[name.replace(_A, _B)]
            # The bits of BLAS depend on the number of its threads.
            inner = np.einsum("or,os->rs", b, b) * np.einsum("ri,si->rs", a, a)
            square += float(np.sum(inner, dtype=np.float64))
    return float(np.sqrt(max(square, 0.0)))


def _padded(state: State, largest: Mapping[str, Sequence[int]]) -> State:
    return {
        name: np.pad(
            array, [(0, big - own) for big, own in zip(largest[name], array.shape, strict=True)]
        )
        for name, array in state.items()
    }
