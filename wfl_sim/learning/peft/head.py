"""The task head: every module that the classifier has outside its backbone."""

from torch import Generator, Tensor, nn
from torch.nn import Parameter
from transformers import PreTrainedModel

from wfl_sim.methods.parts import Part


def attach(model: PreTrainedModel, part: Part) -> dict[str, Parameter]:
    """Return the parameters outside the backbone; nothing is added.

    The output layer of a language model is no head in this sense: it is pretrained and stays
    frozen.
    """
    if model.can_generate():
        return {}
    backbone = {id(value) for value in model.base_model.parameters()}
    head = {name: value for name, value in model.named_parameters() if id(value) not in backbone}
    if not head:
        raise ValueError(f"part {part.name!r}: {model.config.model_type!r} has no head")
    return head


def start(model: PreTrainedModel, name: str, value: Tensor, rng: Generator) -> None:
    """Matrices ~ N(0, initializer_range^2) as the architecture says; biases 0, scales 1."""
    if value.dim() > 1:
        std = getattr(model.config, "initializer_range", 0.02)
        nn.init.normal_(value, std=std, generator=rng)
    elif name.endswith("bias"):
        nn.init.zeros_(value)
    else:
        nn.init.ones_(value)
