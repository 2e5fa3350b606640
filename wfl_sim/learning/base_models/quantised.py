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
from transformers.core_model_loading import ConversionOps
from transformers.pytorch_utils import Conv1D
from transformers.quantizers.auto import register_quantization_config, register_quantizer
from transformers.quantizers.base import HfQuantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

from wfl_sim.learning.base_models.pretrained_model import Pretrained

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
        value: Any = self.restored().to(self.kind)
        value._is_hf_initialized = True  # GPT-2's blocks draw their layers' weights else
        return value

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
    for name in _layers(network) if kind in _KINDS else ():
        _round(kind, network, name, network.get_submodule(name).weight)
    return network


def _layers(network: PreTrainedModel) -> list[str]:
    """Return the names of the linear layers of all blocks."""
    backbone = network.base_model
    prefix = "" if backbone is network else f"{network.base_model_prefix}."
    return [
        prefix + path
        for path, module in backbone.named_modules()
        if re.search(r"\.\d+\.", path) and isinstance(module, (nn.Linear, Conv1D))
    ]


def _round(kind: str, network: PreTrainedModel, name: str, weight: Any) -> None:
    """Put a layer that holds a weight rounded in the place of a linear one."""
    plain: Any = network.get_submodule(name)
    weight = weight.T if isinstance(plain, Conv1D) else weight
    layer = _KINDS[kind](weight, plain.bias).train(plain.training)
    owner, _, leaf = name.rpartition(".")
    setattr(network.get_submodule(owner), leaf, layer)


_METHOD: Final = "wfl_sim"


@register_quantization_config(_METHOD)
class _Rounding(QuantizationConfigMixin):
    """Tells `from_pretrained` to round each weight when it has read it."""

    def __init__(self, kind: str) -> None:
        self.quant_method: Any = _METHOD
        self.kind = kind


@register_quantizer(_METHOD)
class _Quantiser(HfQuantizer):
    """Rounds weights while they are loaded, so that one of them at a time is held in full."""

    def _process_model_before_weight_loading(self, model: PreTrainedModel, **_: Any) -> None:
        config: Any = self.quantization_config
        self.kind = config.kind
        self.whole = {f"{name}.weight" for name in _layers(model)}

    def param_needs_quantization(self, model: PreTrainedModel, param_name: str, **_: Any) -> bool:
        return param_name in self.whole

    def get_quantize_ops(self) -> ConversionOps:
        return _RoundOne(self)

    def _process_model_after_weight_loading(self, model: PreTrainedModel, **_: Any) -> None:
        self.remove_quantization_config(model)

    is_serializable, is_trainable = False, True  # type: ignore[assignment]


class _RoundOne(ConversionOps):
    def __init__(self, quantiser: "_Quantiser") -> None:
        self.quantiser = quantiser

    def convert(self, input_dict: dict[str, Any], *_: Any, **known: Any) -> dict[str, Any]:
        ((name, value),) = input_dict.items()
        value = value[0] if isinstance(value, list) else value
        path, network = name.removesuffix(".weight"), known["model"]
        self.quantiser.whole.discard(name)
        if value.shape != network.get_submodule(path).weight.shape:
            return {name: value}  # transformers tells of it
        _round(self.quantiser.kind, network, path, value)
        network.get_submodule(path)._is_hf_initialized = True
        known["missing_keys"].discard(name)
        return {}


def options_of(model: Pretrained) -> dict[str, Any]:
    """Return how `from_pretrained` loads weights that take part in products."""
    kind = {"fp32": torch.float32, "bf16": torch.bfloat16}[model.dtype]
    if model.quantise == "none":
        return {"dtype": kind}
    if not model.quantise.startswith("bnb-"):
        return {"dtype": kind, "quantization_config": _Rounding(model.quantise)}
    four = model.quantise == "bnb-nf4"
    config = BitsAndBytesConfig(
        load_in_4bit=four,
        load_in_8bit=not four,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=kind,
    )
    return {"dtype": kind, "quantization_config": config, "device_map": {"": model.device}}
