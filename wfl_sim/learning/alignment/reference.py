"""The reference policy: the pretrained network as it is before its parts have learned anything."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from wfl_sim.learning import parts as torch_parts
from wfl_sim.learning.workbench import Workbench


@contextmanager
def as_reference(bench: Workbench) -> Iterator[None]:
    """Put every part back to its start, where it leaves the network as it was; only for a while."""
    kept = {name: value.detach().clone() for name, value in bench.parameters.items()}
    for part in bench.parts.values():
        torch_parts.reset(bench.model, part, bench.parameters, 0)
    try:
        yield
    finally:
        with torch.no_grad():
            for name, value in bench.parameters.items():
                value.copy_(kept[name])
