"""Fitness: whether the devices of a method can learn as a group."""

from torch import nn
from transformers import PreTrainedModel

from wfl_sim.learning.group.layers import GroupLayers
from wfl_sim.learning.objectives import losses_of
from wfl_sim.learning.workbench import Workbench
from wfl_sim.methods.phases import Phase


def misfit(bench: Workbench, phase: Phase) -> str | None:
    """Return why a phase cannot be trained in a group; None where it can."""
    if losses_of(phase.objective) is None:
        return f"{type(phase.objective).__name__} has no loss of each example"
    if dropout := _dropout(bench.model):
        return f"{dropout} drops out, and every device has noise of its own"
    try:
        GroupLayers(bench.model, {id(value): name for name, value in bench.parameters.items()})
    except ValueError as error:
        return f"{error}, which cannot be stacked"
    return None


def _dropout(model: PreTrainedModel) -> str | None:
    """Return the first module that drops anything out while it trains.

    Some layers have a module for it, some a number that they hand to attention.
    """
    for path, module in model.named_modules():
        rates = [value for name, value in vars(module).items() if "dropout" in name]
        rates += [module.p] if isinstance(module, nn.Dropout) else []
        if any(isinstance(rate, float) and rate > 0 for rate in rates):
            return path
    return None
