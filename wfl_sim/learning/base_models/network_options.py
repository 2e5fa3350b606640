"""How a network computes: its attention, and whether layers are computed anew."""

from typing import Any, Final

from transformers import PretrainedConfig, PreTrainedModel

from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.torch_settings import checkpointed

WRITTEN_OUT: Final = "eager"
"""Attention on shapes alone, so that a counter sees its products."""


def attention_of(model: Pretrained, auto: Any, config: PretrainedConfig) -> str:
    """Return torch's fused attention where it computes the same, else attention written out.

    It knows no bound of the scores, which transformers leaves out there.
    """
    network = auto._model_mapping.get(type(config), None)  # what is none is refused on loading
    bounded = getattr(config.get_text_config(), "attn_logit_softcapping", None)
    fused = getattr(network, "_supports_sdpa", False) and not bounded
    return "sdpa" if fused and model.attention == "sdpa" else WRITTEN_OUT


def frozen(model: Pretrained, network: Any) -> PreTrainedModel:
    """Freeze all weights, and let layers be computed anew where that is asked for.

    Raises:
        ValueError: the architecture cannot do that.
    """
    held: PreTrainedModel = network.requires_grad_(False)
    if model.gradient_checkpointing:
        if held.supports_gradient_checkpointing:
            network.activation_checkpointing_enable({"use_reentrant": False})
            network.disable_input_require_grads()  # nothing below the layers learns
        if not any(checkpointed(each) for each in held.modules()):
            raise ValueError(
                f"{network.config.model_type!r} has no layers that can be computed anew: leave "
                "gradient_checkpointing out"
            )
    return held
