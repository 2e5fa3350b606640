"""The critic: a linear value head on the last hidden state of a language model, zero at first."""

from torch import Generator, Tensor, nn
from torch.nn import Parameter
from transformers import PreTrainedModel

from wfl_sim.methods.parts import Critic, Part

NAME = "value_head"


def attach(model: PreTrainedModel, part: Part) -> dict[str, Parameter]:
    """Add the head."""
    assert isinstance(part.config, Critic)
    if not model.can_generate():
        raise ValueError(f"part {part.name!r}: {model.config.model_type!r} writes no text to value")
    head = nn.Linear(model.config.hidden_size, part.config.values)
    model.add_module(NAME, head)
    return dict(head.named_parameters())


def start(model: PreTrainedModel, name: str, value: Tensor, rng: Generator) -> None:
    """Zero: all answers are expected to be worth the same."""
    nn.init.zeros_(value)
