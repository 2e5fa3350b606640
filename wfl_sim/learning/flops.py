"""FLOPs of one local step, counted on the real network with its parts attached.

Matrix products of forward and backward as autograd runs them: a frozen weight costs no weight
gradient, and nothing flows back below the lowest trained part. One multiply-add is 2 FLOP. Left
out, as everywhere in the literature: element-wise work and the optimiser.
"""

from collections.abc import Sequence

from torch.nn import Parameter
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel

from wfl_sim.learning.encoding import blank
from wfl_sim.learning.objectives import loss_of
from wfl_sim.methods.phases import Phase


def step_flops(
    model: PreTrainedModel, trained: Sequence[Parameter], phase: Phase, tokens: int
) -> float:
    """Return the FLOP of one step on a batch of `phase.local.batch` texts of `tokens` tokens.

    Args:
        model: on the meta device, with written-out attention.
        trained: parameters that get a gradient.
        phase: its objective and batch.
        tokens: length of a text.
    """
    model.requires_grad_(False)
    for parameter in trained:
        parameter.requires_grad_(True)
    with FlopCounterMode(display=False) as counter:
        loss_of(phase.objective)(model, blank(phase.local.batch, tokens, model.device)).backward()
    for parameter in trained:
        parameter.grad = None
    return float(counter.get_total_flops())
