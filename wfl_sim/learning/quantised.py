"""Linear layers of a frozen network that hold their weights in 8 or 4 bits.

A weight is restored for each product, forward and backward, and forgotten. Restored values take
part in floating point, so what is trained beside them (LoRA) has the gradient of the restored
network.
"""

import re
from abc import abstractmethod
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final, final

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BitsAndBytesConfig, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from wfl_sim.learning.pretrained_model import Pretrained

_BLOCK: Final = 64
"""Weights of NF4 that share a scale."""


class QuantisedLinear(nn.Linear):
    """A linear layer without a weight of its own, (out, in): `weight` restores it."""

    codes: Tensor
    scales: Tensor

    def __init__(self, weight: Tensor, bias: nn.Parameter | None) -> None:
        nn.Module.__init__(self)
        self.out_features, self.in_features = weight.shape
        self.kind = weight.dtype
        codes, scales = self.rounded(weight.detach().float())
        self.register_buffer("codes", codes)
        self.register_buffer("scales", scales)
        self.register_parameter("bias", bias)

    @staticmethod
    @abstractmethod
    def rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return codes of one byte, and float32 scales."""

    @abstractmethod
    def restored(self) -> Tensor:
        """Return the weight in float32."""

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """The restored weight, in the type of the network's other weights."""
        return self.restored().to(self.kind)

    def forward(self, input: Tensor) -> Tensor:
        """Return the product with the restored weight."""
        y: Tensor = _Product.apply(input, self)
        return y if self.bias is None else y + self.bias


@final
class Int8Linear(QuantisedLinear):
    """One scale for each output, its largest weight over 127; a weight moves by half at most."""

    @staticmethod
    def rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return codes of one byte, and float32 scales."""
        scales = weight.abs().amax(1, keepdim=True).clamp(min=1e-30) / 127
        return (weight / scales).round().to(torch.int8), scales

    def restored(self) -> Tensor:
        """Return the weight in float32."""
        return self.codes.float().mul_(self.scales)


@final
class NF4Linear(QuantisedLinear):
    """Two weights in a byte, each one of 16 quantiles of the normal distribution.

    Blocks of 64 weights have one scale, the largest of them: T. Dettmers et al., QLoRA,
    arXiv:2305.14314, section 3, without double quantisation.
    """

    @staticmethod
    def rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return codes of one byte, and float32 scales."""
        levels = normal_quantiles().to(weight.device)
        blocks = functional.pad(weight.flatten(), (0, -weight.numel() % _BLOCK)).view(-1, _BLOCK)
        scales = blocks.abs().amax(1, keepdim=True).clamp(min=1e-30)
        nearest = torch.bucketize(blocks / scales, (levels[1:] + levels[:-1]) / 2, out_int32=True)
        pairs = nearest.view(-1, 2).to(torch.uint8)
        return pairs[:, 0] * 16 + pairs[:, 1], scales

    def restored(self) -> Tensor:
        """Return the weight in float32."""
        pairs = _pairs().to(self.codes.device)
        values = pairs.index_select(0, self.codes.int()).view(torch.float32)
        values = values.view(-1, _BLOCK).mul_(self.scales).flatten()
        return values[: self.out_features * self.in_features].view(self.out_features, -1)


@cache
def _pairs() -> Tensor:
    """Return what each byte of codes stands for, two float32 as one int64, (256,)."""
    levels = normal_quantiles()
    return torch.cartesian_prod(levels, levels).view(torch.int64)[:, 0]


def normal_quantiles() -> Tensor:
    """Return the 16 values of NF4 in [-1, 1], ascending, (16,) float32; one of them is 0."""
    outermost = 1 - (1 / 32 + 1 / 30) / 2
    above, below = (
        torch.special.ndtri(
            torch.linspace(0.5, outermost, count, dtype=torch.float64, device="cpu")
        )
        for count in (9, 8)
    )
    return (torch.cat([-below.flip(0)[:-1], above]) / above[-1]).float()


class _Product(torch.autograd.Function):
    """x times a restored weight, which is not kept for the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: QuantisedLinear) -> Tensor:
        ctx.layer = layer
        weight = layer.weight
        return functional.linear(x.to(weight.dtype), weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        return gradient @ ctx.layer.weight.to(gradient.dtype), None


_KINDS: Final[Mapping[str, type[QuantisedLinear]]] = MappingProxyType(
    {"int8": Int8Linear, "nf4": NF4Linear, "bnb-int8": Int8Linear, "bnb-nf4": NF4Linear}
)


def quantise(kind: str, network: PreTrainedModel) -> PreTrainedModel:
    """Let the linear layers of a backbone's blocks hold their weights rounded, in place.

    On the meta device layers of bitsandbytes are as large as those of the same kind here.
    """
    for path, module in [*network.base_model.named_modules()] if kind in _KINDS else ():
        if re.search(r"\.\d+\.", path) and isinstance(module, (nn.Linear, Conv1D)):
            weight: Any = module.weight.T if isinstance(module, Conv1D) else module.weight
            layer = _KINDS[kind](weight, module.bias).train(module.training)
            owner, _, name = path.rpartition(".")
            setattr(network.base_model.get_submodule(owner), name, layer)
    return network


def options_of(model: Pretrained) -> dict[str, Any]:
    """Return how `from_pretrained` loads weights that take part in products."""
    kind = {"fp32": torch.float32, "bf16": torch.bfloat16}[model.dtype]
    if not model.quantise.startswith("bnb-"):
        return {"dtype": kind}
    four = model.quantise == "bnb-nf4"
    config = BitsAndBytesConfig(
        load_in_4bit=four,
        load_in_8bit=not four,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=kind,
    )
    return {"dtype": kind, "quantization_config": config, "device_map": {"": model.device}}
