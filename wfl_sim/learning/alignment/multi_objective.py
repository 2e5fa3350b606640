"""Combination of the gradients of two objectives: weighted sum, MGDA, PCGrad, learned weights."""

from collections.abc import Sequence

import torch
from torch import Tensor


def combine_gradients(first: Tensor, second: Tensor, weights: Sequence[float], how: str) -> Tensor:
    """Return the direction, (values,), whose negative improves two losses.

    `linear`, and `hypergradient`, whose weights have learned: sum_i w_i g_i. `pcgrad`: of the two
    w_i g_i each loses its component against the
    other, if they point apart, then both are added (T. Yu et al., Gradient surgery for multi-task
    learning, arXiv:2001.06782, algorithm 1; with two losses the order of projections does not
    matter). `mgda`: the shortest vector between u_1 / w_1 and u_2 / w_2, with u_i = g_i / |g_i|
    (J.-A. Désidéri, Multiple-gradient descent algorithm, 2012; closed form for two and normalised
    gradients: O. Sener, V. Koltun, arXiv:1810.04650, algorithm 1). Dividing by the weights is
    wfl_sim's: where the shortest vector is no end point, a small step along it improves the losses,
    each in units of its own gradient, in proportion to their weights; an end point is the loss of
    more weight alone. It is times (w_1 |g_1| + w_2 |g_2|) / 2, so that equal gradients g of equal
    weights give g. Plain SGD keeps that proportion; an optimiser that scales every coordinate by
    itself, such as AdamW, keeps neither it nor the order. A weight of 0 leaves the other loss
    alone.

    Args:
        first: gradient of the first loss, (values,).
        second: gradient of the second loss, (values,).
        weights: weight of each loss, not negative, with sum 1.
        how: `linear`, `pcgrad`, `mgda` or `hypergradient`.

    Raises:
        ValueError: `how` is unknown.
    """
    a, b = (float(weight) for weight in weights)
    if how in ("linear", "hypergradient") or a == 0 or b == 0:
        return a * first + b * second
    own, other = (first * first).sum(), (second * second).sum()
    mixed, tiny = (first * second).sum(), torch.finfo(first.dtype).tiny
    if how == "pcgrad":
        # a g_1 loses a (g_1.g_2) / (g_2.g_2) g_2, and the other way round
        apart = mixed.clamp(max=0)
        kept = a - b * apart / own.clamp(min=tiny), b - a * apart / other.clamp(min=tiny)
        return kept[0] * first + kept[1] * second
    if how == "mgda":
        one, two = (square.sqrt().clamp(min=tiny) for square in (own, other))
        alike, half = mixed / (one * two), (a * one + b * two) / 2
        share = min_norm_share(mixed.new_tensor(a**-2), alike / (a * b), mixed.new_tensor(b**-2))
        return half * share / (a * one) * first + half * (1 - share) / (b * two) * second
    raise ValueError(f"unknown combination {how!r} (known: hypergradient, linear, mgda, pcgrad)")


def min_norm_share(first: Tensor, mixed: Tensor, second: Tensor) -> Tensor:
    """Return t in [0, 1] for which t u + (1 - t) v is shortest, from u.u, u.v and v.v."""
    apart = first - 2 * mixed + second
    return torch.where(apart > 0, ((second - mixed) / apart).clamp(0, 1), 0.5)
