"""The parameters of a group of devices while they learn, and the steps of their optimisers."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.grouped.layers import GroupLayers, scales_of, slice_of, stacked
from wfl_sim.learning.phase_requests import PhaseRequest
from wfl_sim.learning.training import gradient_of, optimizer_of, take_step
from wfl_sim.state import State


class GroupParameters:
    """Stacks of all parameters, and one optimiser over those that learn.

    Args:
        adapted: a network with the parts of any request.
        requests: requests of one kind, in descending order of steps: the devices that still learn
            are the first of a stack.
        steps: that the optimiser of the first device will take.
    """

    def __init__(self, adapted: AdaptedModel, requests: Sequence[PhaseRequest], steps: int) -> None:
        phase, device = requests[0].train.phase, adapted.model.device
        self._starts = [request.train.start for request in requests]
        self._stacks = {name: stacked(self._starts, name, device) for name in adapted.parameters}
        self._scales = scales_of([request.parts for request in requests], device, phase.mutes)
        self._layers = GroupLayers(adapted.model, adapted.parameters)
        names = {id(value): name for name, value in adapted.parameters.items()}
        self.learned = [names[id(value)] for value in adapted.trained(phase)]
        self._local, self._rates = phase.local, iter(phase.local.rates(steps) or ())
        self.adapted = adapted
        self.values: Mapping[str, Tensor] = self._stacks
        """Present values of the devices that still learn, by name, (devices, *shape)."""
        self.trained: Sequence[Tensor] = ()
        """Those of them that learn."""
        self._begin(len(requests), ())

    def keep(self, devices: int) -> None:
        """Go on with the first of the devices, in the memory of the stacks."""
        if len(self.trained[0]) == devices:
            return
        self._begin(devices, [self._optimizer.state[value] for value in self.trained])

    def _begin(self, devices: int, moments: Sequence[Mapping[str, Tensor]]) -> None:
        now = {name: stack[:devices] for name, stack in self._stacks.items()}
        self.trained = [now[name].detach().requires_grad_() for name in self.learned]
        self.values = {**now, **dict(zip(self.learned, self.trained, strict=True))}
        self._optimizer = optimizer_of(self.trained, self._local)
        for value, before in zip(self.trained, moments, strict=False):
            self._optimizer.state[value] = {
                name: moment[:devices] if moment.dim() else moment
                for name, moment in before.items()
            }

    def on(self) -> AbstractContextManager[object]:
        """Let the network compute with present values, an equal share of rows for each device."""
        devices = len(self.trained[0])
        scales = {part: scale[:devices] for part, scale in self._scales.items()}
        return self._layers.on(self.values, scales)

    def step(self) -> None:
        """Take one step of the optimiser of each device, and forget the gradient."""
        if self._local.clip_norm:
            clip_each(self.trained, self._local.clip_norm)
        take_step(self._optimizer, self._rates)

    def states(self) -> list[State]:
        """Return the values of each device."""
        ends = {name: stack.cpu().numpy() for name, stack in self._stacks.items()}
        return [
            {name: slice_of(ends[name], row, array.shape) for name, array in start.items()}
            for row, start in enumerate(self._starts)
        ]


def clip_each(values: Sequence[Tensor], largest: float) -> None:
    """Clip the gradient of each device to a norm, as torch does with that of one."""
    gradients = [gradient_of(value) for value in values]
    squares = [gradient.flatten(1).square().sum(1) for gradient in gradients]
    share = (largest / (torch.stack(squares).sum(0).sqrt() + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(share.view(-1, *[1] * (gradient.dim() - 1)))
