"""SplitLoRA: the device holds the lowest blocks, the server the rest, LoRA on both.

Z. Lin et al., SplitLoRA: A Split Parameter-Efficient Fine-Tuning Framework for Large Language
Models, arXiv 2407.00952. In every local step the activations at the cut go up, with the labels,
and their gradients come down; the LoRA of the device's blocks is averaged after each local update.

The server holds a copy of the upper part for each device and averages the copies with the same
weights (SplitFed-V1, Thapa et al., arXiv 2004.12088). Activations and gradients cross the cut
without loss, so what is learned is exactly what FedIT learns with the same LoRA; the place of the
computations differs, and what goes over the air. The paper's code serves clients in turn instead.
"""

from dataclasses import dataclass

from wfl_sim.config.fields import PositiveInt
from wfl_sim.methods.fedit import FedIT
from wfl_sim.methods.method import METHODS


@METHODS("splitlora")
@dataclass(frozen=True, kw_only=True)
class SplitLoRA(FedIT):
    """A network cut in two: activations over the air in every step (arXiv 2407.00952).

    All is shared, though the head and most of LoRA never leave the server.
    """

    device_blocks: PositiveInt = 1
    """Number of transformer blocks that a device holds, with the embeddings below them."""
