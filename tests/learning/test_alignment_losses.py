"""Advantages, losses, divergences and combined gradients against numbers worked by hand."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, tensor

from wfl_sim.learning.alignment.learned_weights import LearnedWeights
from wfl_sim.learning.alignment.losses import (
    clipped_surrogate,
    dpo_loss,
    gae,
    group_relative,
    k1_divergence,
    k3_divergence,
    normalize,
    value_loss,
)
from wfl_sim.learning.alignment.multi_objective import combine_gradients
from wfl_sim.learning.alignment.training import kl_factor
from wfl_sim.learning.causal.evaluation import kl_divergence
from wfl_sim.learning.training import optimizer_of
from wfl_sim.methods.phases import Local


def close(got: Tensor, *expected: float) -> None:
    torch.testing.assert_close(got.flatten(), tensor(expected), atol=1e-6, rtol=1e-5)


def test_generalised_advantages_by_hand() -> None:
    """The second answer has two words; what stands after its end counts for nothing."""
    rewards = tensor([[0.0, 0.0, 1.0], [0.2, 1.0, 9.0]])
    values = tensor([[0.5, 0.4, 0.6], [0.3, 0.5, 9.0]])
    mask = tensor([[1, 1, 1], [1, 1, 0]])
    advantages, returns = gae(rewards, values, mask, 1.0, 0.5)
    # delta = -0.1, 0.2, 0.4 and 0.4, 0.5; A_t = delta_t + A_(t+1) / 2
    close(advantages, 0.1, 0.4, 0.4, 0.65, 0.5, 0.0)
    close(returns, 0.6, 0.8, 1.0, 0.95, 1.0, 0.0)


def test_a_discount_reaches_values_and_later_advantages() -> None:
    advantages, _ = gae(tensor([[1.0, 1.0]]), tensor([[0.0, 2.0]]), tensor([[1, 1]]), 0.9, 1.0)
    # delta = 1 + 0.9 x 2 and -1; A_0 = 2.8 - 0.9: the discounted sum of rewards, V_0 = 0
    close(advantages, 1.9, -1.0)


def test_group_relative_advantages_by_hand() -> None:
    advantages = group_relative(tensor([0.0, 1.0, 0.0, 1.0, 0.7, 0.7, 0.7, 0.7]), 4)
    torch.testing.assert_close(
        advantages, tensor([-1.0, 1.0, -1.0, 1.0, 0, 0, 0, 0]), atol=1e-3, rtol=0
    )


def test_whitened_values_leave_padding_out() -> None:
    mask = tensor([[1, 1, 0], [1, 1, 0]])
    white = normalize(tensor([[1.0, 2.0, 99.0], [3.0, 6.0, -99.0]]), mask)
    assert white[mask == 0].tolist() == [0, 0]
    assert white.sum().item() == pytest.approx(0, abs=1e-6)
    assert white.square().sum().item() == pytest.approx(4, rel=1e-5)


@pytest.mark.parametrize(
    ("ratio", "advantage", "objective", "gradient"),
    [
        (1.1, 2.0, 2.2, 2.2),
        (1.5, 2.0, 2.4, 0.0),  # held at 1.2
        (1.5, -2.0, -3.0, -3.0),  # too likely and bad: not held
        (0.5, 2.0, 1.0, 1.0),  # too unlikely and good: not held
        (0.5, -2.0, -1.6, 0.0),  # held at 0.8
    ],
)
def test_clipped_surrogate_by_hand(
    ratio: float, advantage: float, objective: float, gradient: float
) -> None:
    new = tensor([[math.log(ratio), 5.0]], requires_grad=True)
    old, mask = tensor([[0.0, 0.0]]), tensor([[1, 0]])
    loss = clipped_surrogate(new, old, tensor([[advantage, 3.0]]), mask, 0.2)
    loss.backward()
    assert loss.item() == pytest.approx(-objective, rel=1e-5)
    assert new.grad is not None
    close(new.grad, -gradient, 0.0)


def test_value_loss_is_held_where_a_value_moves_too_far() -> None:
    old, returns, mask = tensor([[1.0, 1.0]]), tensor([[0.0, 2.0]]), tensor([[1, 1]])
    # 0.9 has moved by 0.1: 0.81; 1.5 has moved by 0.5, held at 1.2: max(0.25, 0.64)
    loss = value_loss(tensor([[0.9, 1.5]]), old, returns, mask, 0.2)
    assert loss.item() == pytest.approx(0.5 * (0.81 + 0.64) / 2)


def test_dpo_starts_at_log_2_and_follows_its_closed_form() -> None:
    reference = tensor([-3.0, -4.0]), tensor([-2.0, -9.0])
    assert dpo_loss(*reference, *reference, beta=0.3).item() == pytest.approx(math.log(2))
    chosen = (reference[0] + 1.5).requires_grad_()
    loss = dpo_loss(chosen, reference[1] - 0.5, *reference, beta=0.5)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-1)))
    loss.backward()
    # d/dx -log sigmoid(beta x) = -beta sigmoid(-beta x), over two pairs
    slope = -0.5 / (1 + math.e) / 2
    assert chosen.grad is not None
    close(chosen.grad, slope, slope)


def test_estimators_of_divergence_are_unbiased() -> None:
    """Their mean over all words, weighted as the policy draws them, is KL(pi, pi_ref)."""
    rng = torch.Generator().manual_seed(0)
    new = torch.randn(5, generator=rng).log_softmax(0)
    reference = torch.randn(5, generator=rng).log_softmax(0)
    exact = (new.exp() * (new - reference)).sum()
    assert exact > 0.1
    for estimator in (k1_divergence, k3_divergence):
        mean = (new.exp() * estimator(new, reference)).sum()
        torch.testing.assert_close(mean, exact)
    assert (k3_divergence(new, reference) >= 0).all()
    assert (k1_divergence(new, reference) < 0).any()
    places = new.expand(2, 3, 5), reference.expand(2, 3, 5), tensor([[1, 1, 1], [1, 0, 0]])
    assert kl_divergence(*places) == pytest.approx(2 * exact.item(), rel=1e-5)


def test_low_variance_divergence_varies_less() -> None:
    new = tensor([0.5, 0.3, 0.2]).log()
    reference = tensor([0.4, 0.4, 0.2]).log()

    def variance(values: Tensor) -> float:
        mean = (new.exp() * values).sum()
        return float((new.exp() * (values - mean) ** 2).sum())

    assert variance(k3_divergence(new, reference)) < 0.1 * variance(k1_divergence(new, reference))


def test_the_coefficient_of_divergence_adapts_within_bounds() -> None:
    assert kl_factor(1.0, 1.0, 0.1) == 1.0
    assert kl_factor(1.1, 1.0, 0.1) == pytest.approx(1.01)
    assert kl_factor(9.0, 1.0, 0.1) == pytest.approx(1.02)
    assert kl_factor(0.0, 1.0, 0.1) == pytest.approx(0.98)


def direction(first: list[float], second: list[float], weight: float, how: str) -> Tensor:
    one, other = tensor(first).float(), tensor(second).float()
    return combine_gradients(one, other, (weight, 1 - weight), how)


def test_linear_combination_is_the_weighted_sum() -> None:
    close(direction([1, 0], [0, 2], 0.25, "linear"), 0.25, 1.5)


def test_mgda_by_hand() -> None:
    # shortest between (2, 0) and (0, 2): (1, 1), times the mean norm 1.5 halved
    close(direction([1, 0], [0, 2], 0.5, "mgda"), 0.75, 0.75)
    # halfway between (2, 0) and (-sqrt 2, sqrt 2), times (1 + sqrt 0.5) / 4
    close(direction([1, 0], [-0.5, 0.5], 0.5, "mgda"), 0.125, 0.3017767)
    # the same way: their mean norm
    close(direction([1, 0], [3, 0], 0.5, "mgda"), 2.0, 0.0)
    # at 0.8 the end 1 / 0.8 is the shortest: times (0.8 x 1 + 0.2 x 3) / 2
    close(direction([1, 0], [3, 0], 0.8, "mgda"), 0.875, 0.0)
    # opposite: no direction improves both
    close(direction([1, 0], [-3, 0], 0.5, "mgda"), 0.0, 0.0)
    close(direction([1, 2], [1, 2], 0.5, "mgda"), 1.0, 2.0)


def test_mgda_improves_both_in_proportion_to_their_weights() -> None:
    first, second = [1.0, -0.4], [-0.3, 0.8]
    for weight in (0.3, 0.5, 0.8):
        step = direction(first, second, weight, "mgda")
        gains = [float(step @ tensor(g) / tensor(g).norm()) for g in (first, second)]
        assert min(gains) > 0
        assert gains[0] / gains[1] == pytest.approx(weight / (1 - weight), rel=1e-4)


def test_preferences_order_the_outcomes_of_mgda() -> None:
    """Two quadratic losses that conflict, one a hundred times the other, from one start.

    Without normalisation all five ended between 0.035 and 0.042.
    """
    ends = []
    for weight in (0.1, 0.3, 0.5, 0.7, 0.9):
        place = torch.zeros(2, requires_grad=True)
        step = optimizer_of([place], Local(optimizer="sgd", lr=0.02))
        for _ in range(60):
            losses = [
                ((place - tensor([1.0, 0.2])) ** 2).sum(),
                100 * ((place - tensor([0.2, 1.0])) ** 2).sum(),
            ]
            one, other = (torch.autograd.grad(loss, place)[0] for loss in losses)
            place.grad = combine_gradients(one, other, (weight, 1 - weight), "mgda")
            place.grad = place.grad / place.grad.norm().clamp(min=0.5)
            step.step()
        ends.append(float(((place.detach() - tensor([1.0, 0.2])) ** 2).sum()))
    assert ends == sorted(ends, reverse=True)
    assert ends[0] > 4 * ends[-1]


def test_pcgrad_by_hand() -> None:
    # no conflict: the sum
    close(direction([1, 0], [1, 2], 0.5, "pcgrad"), 1.0, 1.0)
    # (1, 0) and (-1, 1) conflict: (1, 0) + (-1, 1) / 2 = (0.5, 0.5); (-1, 1) + (1, 0) = (0, 1)
    close(direction([1, 0], [-1, 1], 0.5, "pcgrad"), 0.25, 0.75)
    step = direction([1, 0], [-1, 1], 0.5, "pcgrad")
    assert step @ tensor([1.0, 0.0]) > 0
    assert step @ tensor([-1.0, 1.0]) > 0


@pytest.mark.parametrize("how", ["linear", "mgda", "pcgrad"])
def test_a_weight_of_one_leaves_the_other_loss_alone(how: str) -> None:
    close(direction([1, 2], [-9, 5], 1.0, how), 1.0, 2.0)


def test_no_gradient_is_no_conflict() -> None:
    assert direction([0, 0], [1, 1], 0.5, "pcgrad").tolist() == [0.5, 0.5]
    assert direction([0, 0], [0, 0], 0.5, "mgda").tolist() == [0, 0]


def test_an_unknown_combination_is_refused() -> None:
    one = tensor([1.0])
    with pytest.raises(ValueError, match="unknown combination 'max'"):
        combine_gradients(one, one, (0.5, 0.5), "max")


def test_weights_follow_the_derivative_of_the_first_loss_after_a_step() -> None:
    """Of two devices, against torch's derivative through a step along sum_k w_k g_k / |g_k|."""
    goals = tensor([[[1.0, 0.0], [2.0, 1.0]], [[0.0, 3.0], [2.5, 1.5]]])  # (objective, device, 2)
    at, start, rate = torch.zeros(2, 2), tensor([[0.5, 0.5], [0.3, 0.7]]), 0.1
    values = {"weights/logits": tensor([[0.2, -0.1], [0.0, 0.4]]), "weights/score": torch.zeros(2)}
    before = values["weights/logits"].clone().requires_grad_()
    learned = LearnedWeights(SimpleNamespace(values=values), "weights", rate)  # type: ignore[arg-type]

    gradients = at - goals  # of |x - goal|^2 / 2
    weights = learned(gradients, start)
    torch.testing.assert_close(values["weights/logits"], before.detach())
    shares = (start.log() + before).softmax(1)
    torch.testing.assert_close(weights, shares.detach())
    units = gradients / gradients.norm(dim=-1, keepdim=True)
    step = 1e-3
    after = at - step * (shares.T[..., None] * units).sum(0)
    loss = (after - goals[0]).square().sum(-1) / 2
    loss.sum().backward()
    assert before.grad is not None
    learned(after.detach() - goals, start)
    length = (after.detach() - goals[0]).norm(dim=-1, keepdim=True)
    expected = before.detach() - rate * before.grad / (step * length)
    torch.testing.assert_close(values["weights/logits"], expected, rtol=1e-4, atol=1e-6)


def test_a_reward_that_all_answers_earn_alike_leaves_its_weight_to_the_other() -> None:
    values = {"weights/logits": torch.zeros(2)}
    learned = LearnedWeights(SimpleNamespace(values=values), "weights", 0.5)  # type: ignore[arg-type]
    first, none = tensor([[1.0, 1.0]]), torch.zeros(1, 2)
    shares = [learned(torch.stack([first, none]), tensor([[0.5, 0.5]])) for _ in range(3)]
    assert [round(float(each[0, 0]), 3) for each in shares] == [0.5, 0.562, 0.622]
