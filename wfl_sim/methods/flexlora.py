"""FlexLoRA: a rank for each device, cut from a singular value decomposition.

J. Bai et al., Federated Fine-tuning of Large Language Models under Heterogeneous Tasks and Client
Resources, 2024, arXiv 2402.11505. The server averages the products B_k A_k, and a device gets the
factors of the best approximation of its rank; the singular values are in B. The state keeps the
largest rank of all devices; what the mean has beyond it is lost. Where the mean has less, the rest
of A is of the present A's directions, with 0 in B, so that it can still learn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from wfl_sim.methods.aggregation import Upload, weighted_mean
from wfl_sim.methods.hetlora import HetLoRA
from wfl_sim.methods.method import METHODS
from wfl_sim.state import State, of_parts

_A: Final = ".lora_A."
_B: Final = ".lora_B."


@METHODS("flexlora")
@dataclass(frozen=True, kw_only=True)
class FlexLoRA(HetLoRA):
    """SVD of sum p_k B_k A_k, cut to the rank of each device (arXiv 2402.11505)."""

    no_error_feedback: ClassVar[str] = "the factors of the next round have another basis"

    def aggregate(self, shared: State, uploads: Sequence[Upload]) -> State:
        """Decompose the mean product of each layer; the head is averaged."""
        made = dict(weighted_mean([Upload(of_parts(u.state, "head"), u.weight) for u in uploads]))
        total = sum(upload.weight for upload in uploads)
        for name in of_parts(shared, "lora"):
            if _A not in name:
                continue
            below = name.replace(_A, _B)
            a = [*(upload.state[name] for upload in uploads), shared[name]]
            b = [upload.weight / total * upload.state[below] for upload in uploads]
            b.append(np.zeros_like(shared[below]))
            left, right = cut_product(
                np.concatenate(b, axis=1), np.concatenate(a).astype(np.float64), len(shared[name])
            )
            made[below], made[name] = left.astype(np.float32), right.astype(np.float32)
        return made


def cut_product(b: np.ndarray, a: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Return B' (out, rank) and A' (rank, in), of which B' A' is nearest to B A.

    The rows of A' are orthonormal, the columns of B' orthogonal and as long as the singular values,
    in descending order; the largest value of a row of A' is positive. Rows and columns beyond the
    rank of B A are zero.
    """
    q, r = np.linalg.qr(b)
    p, s = np.linalg.qr(a.T)
    u, values, v = np.linalg.svd(r @ s.T)
    size = min(rank, len(values))
    left, right = np.zeros((b.shape[0], rank)), np.zeros((rank, a.shape[1]))
    right[:size] = v[:size] @ p.T
    largest = np.abs(right[:size]).argmax(axis=1)
    signs = np.where(right[np.arange(size), largest] < 0, -1.0, 1.0)
    right[:size] *= signs[:, None]
    left[:, :size] = q @ (u[:, :size] * (signs * values[:size]))
    return left, right
