"""Any tuner of PEFT that puts layers of its own into a network; and BitFit, which PEFT has not.

Its parameters begin with what PEFT gives them, drawn from one seed whatever that of the run is.
"""

import re
from typing import Any, Final

import torch
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING, PEFT_TYPE_TO_TUNER_MAPPING
from peft.tuners.tuners_utils import BaseTuner
from torch.nn import Parameter
from transformers import PreTrainedModel

from wfl_sim.config.errors import LocatedError, did_you_mean
from wfl_sim.learning.peft.base_weights import keep_pretrained
from wfl_sim.learning.peft.lora import activate
from wfl_sim.methods.parts import Part, Tuner

BITFIT = "bitfit"
_DORA = "dora"
_OF_OPTIONS: Final = (
    *(ValueError, TypeError, NotImplementedError),
    *(AttributeError, KeyError, IndexError, ImportError),
)
"""What PEFT raises where options, or a package, do not go with a network."""


def attach_tuner(model: PreTrainedModel, part: Part) -> dict[str, Parameter]:
    """Put PEFT's layers into the backbone, and return what they train.

    Raises:
        LocatedError: there is no such type or option, it needs a network around the network, or
            looks at values where there are shapes alone.
    """
    config = part.config
    assert isinstance(config, Tuner)
    backbone: Any = model.base_model
    before = {id(value) for value in backbone.parameters() if value.requires_grad}
    if config.type == BITFIT:
        if config.options:
            given = ", ".join(config.options)
            raise LocatedError(f"part {part.name!r}: bitfit has no options, got {given}", "method")
        found = {n: value for n, value in backbone.named_parameters() if n.endswith("bias")}
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            try:
                tuned = config_of(config)
                made = PEFT_TYPE_TO_TUNER_MAPPING[tuned.peft_type]
                made(backbone, tuned, adapter_name=part.name)
            except _OF_OPTIONS as error:
                raise LocatedError(f"part {part.name!r}: {error}", "method") from error
            except RuntimeError as error:
                text = f"part {part.name!r}: {config.type} cannot be counted on shapes ({error})"
                raise LocatedError(f"{text}: choose another type of PEFT", "method") from error
        for left in ("peft_config", "active_adapter"):
            vars(backbone).pop(left, None)
        activate(backbone)
        found = {
            plain_name(name, part.name): value
            for name, value in backbone.named_parameters()
            if value.requires_grad and id(value) not in before
        }
    if not any(value.numel() for value in found.values()):
        kind = model.config.model_type
        raise LocatedError(
            f"part {part.name!r}: {config.type} trains nothing in {kind!r}", "method"
        )
    keep_pretrained(model, found)
    return found


def config_of(tuner: Tuner) -> Any:
    """Return the configuration of PEFT.

    Raises:
        LocatedError: PEFT has no such type, or the type no such option.
    """
    made = PEFT_TYPE_TO_CONFIG_MAPPING.items()
    known = {kind.value.lower().replace("_", "-"): config for kind, config in made}
    options: dict[str, Any] = dict(tuner.options)
    if tuner.type == _DORA:
        known[_DORA], options = known["lora"], {"use_dora": True, **options}
    if tuner.type not in known:
        hint = did_you_mean(tuner.type, [*known, BITFIT])
        raise LocatedError(f"PEFT has no type {tuner.type!r}{hint}", "method")
    try:
        config: Any = known[tuner.type](**options)
    except (TypeError, ValueError) as error:
        raise LocatedError(f"{tuner.type}: {error}", "method") from error
    layers: Any = PEFT_TYPE_TO_TUNER_MAPPING[config.peft_type]
    around = layers.forward is not BaseTuner.forward or hasattr(layers, "update_and_allocate")
    if around or getattr(config, "alora_invocation_tokens", None):
        raise LocatedError(
            f"{tuner.type} needs a network around the network, and is not supported: choose a "
            "type that adapts layers, such as dora, ia3, vera or bitfit",
            "method",
        )
    return config


def own_weights(tuned: Any) -> None:
    """Give layers that PEFT has replicated, which share theirs, weights to add to."""
    if not any(getattr(each, "layer_replication", None) for each in tuned.peft_config.values()):
        return
    seen: set[int] = set()
    for module in tuned.get_base_model().base_model.modules():
        for name, value in [*module.named_parameters(recurse=False)]:
            if id(value) in seen:
                setattr(module, name, Parameter(value.detach().clone(), requires_grad=False))
            seen.add(id(value))


def plain_name(name: str, adapter: str) -> str:
    """Return the name of a parameter without that of PEFT's adapter."""
    return re.sub(rf"\.{re.escape(adapter)}(?=\.|$)", "", name)
