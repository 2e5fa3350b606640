"""Uploads, and their weighted mean."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from wfl_sim.state import State


@dataclass(frozen=True)
class Upload:
    """What the server received from one device, after decoding."""

    state: State
    weight: float
    """Number of training examples of the device."""
    device: int = -1
    """Number of the device; -1 where the upload is itself an aggregate of a cell."""
    base: State = field(default_factory=dict)
    """State that the device had received before it trained; empty where it is not used, as in an
    average of an upload that is up to date and has come without noise of the air."""
    staleness: int = 0
    """Number of versions of the shared state between `base` and the present one."""


def weighted_mean(uploads: Sequence[Upload]) -> State:
    """Return sum_k (n_k / n) state_k, accumulated in float64 in the order given.

    McMahan et al. 2017, Communication-efficient learning of deep networks from decentralized
    data, algorithm 1.

    Raises:
        ValueError: no uploads, or a total weight of zero.
    """
    total = sum(upload.weight for upload in uploads)
    if not uploads or total <= 0:
        raise ValueError(f"nothing to average: {len(uploads)} uploads of total weight {total}")
    first = uploads[0].state
    mean = {name: np.zeros(array.shape, np.float64) for name, array in first.items()}
    for upload in uploads:
        share = upload.weight / total
        for name, sum_so_far in mean.items():
            sum_so_far += share * upload.state[name]
    return {name: array.astype(first[name].dtype) for name, array in mean.items()}


class WeightedMean:
    """A method that averages: x <- sum_k p_k x_k over the uploads, with p_k = n_k / n.

    n_k is the number of training examples of device k, and n their sum over the uploads.
    """

    is_weighted_mean: ClassVar[bool] = True

    def aggregate(self, shared: State, uploads: Sequence[Upload]) -> State:
        """Return the weighted mean of the uploads."""
        return weighted_mean(uploads)
