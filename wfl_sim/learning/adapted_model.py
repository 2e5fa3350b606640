"""A frozen base network with the parameter-efficient parts of a method, for any device."""

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import Parameter
from transformers import PreTrainedModel

from wfl_sim.config.errors import LocatedError
from wfl_sim.data.metrics import Judge
from wfl_sim.learning import peft as torch_parts
from wfl_sim.learning.causal.evaluation import Around
from wfl_sim.learning.mixing import Weights, text_embeddings, weighing
from wfl_sim.learning.objectives import evaluate
from wfl_sim.learning.peft.architecture import layers_of, token_by_token
from wfl_sim.learning.peft.peft_folder import check_begin
from wfl_sim.learning.prefix_cache import PrefixCache
from wfl_sim.learning.torch_settings import deterministic, frozen
from wfl_sim.learning.training import gradient_terms, train
from wfl_sim.methods.parts import Part
from wfl_sim.methods.phases import Phase
from wfl_sim.randomness import derived_seed, stream
from wfl_sim.state import State, check_same, shapes_of

_WARM_UP: Final = 2
_TIMED: Final = 4
"""Steps that are timed at once."""


class AdaptedModel:
    """A network and its parts. `load` replaces all values, so devices share one in turn.

    Args:
        model: the frozen base network; the parts are put into it.
        parts: the parts of a method.
        threads: threads of torch while it trains and evaluates; None leaves the number as it is.
        activations: bytes of memory for outputs of the layers below all parts.
        compiled: whether torch compiles the steps of training.
        judge: takes further metrics of an evaluation.
        begin: initial values of some parameters, in place of those that are drawn.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        parts: Sequence[Part],
        threads: int | None = None,
        activations: float = 0.0,
        compiled: bool = False,
        judge: Judge | None = None,
        begin: State = MappingProxyType({}),
    ) -> None:
        self._begin = begin
        self.judge = judge
        self.model = model
        self.parts = {part.name: part for part in parts}
        self.parameters = torch_parts.attach(model, parts)
        self.threads = threads
        self._behind_attention = behind_attention(model)
        self._on_host = model.device.type == "cpu"
        self._forward = _compiled(model) if compiled else model
        self.prefix = (
            PrefixCache(model, self.parameters.values(), activations) if activations else None
        )
        """Outputs of the layers below all parts; None where none are kept."""
        self._shapes = {name: tuple(value.shape) for name, value in self.parameters.items()}
        check_begin(begin, self._shapes)
        self._names = {
            part.name: [name for name in self.parameters if name.startswith(f"{part.name}/")]
            for part in parts
        }

    def __repr__(self) -> str:
        count = sum(parameter.numel() for parameter in self.parameters.values())
        names = ", ".join(self.parts)
        return f"AdaptedModel({self.model.config.model_type} with {names}: {count} parameters)"

    def reset(self, names: Collection[str], seed: int) -> None:
        """Write the initial values of some parts."""
        for name in names:
            torch_parts.reset(self.model, self.parts[name], self.parameters, seed)
        with torch.no_grad():
            for name in self._begin.keys() & self._of(names):
                self.parameters[name].copy_(torch.from_numpy(self._begin[name]))

    def load(self, *states: State) -> None:
        """Set all parameters; together the states must hold every parameter of every part.

        Raises:
            ValueError: a name is missing or unknown, or a shape is wrong.
        """
        given = {name: array for state in states for name, array in state.items()}
        check_same(self._shapes, shapes_of(given), "state")
        if self._on_host:
            for name, value in self._values.items():
                np.copyto(value, given[name])
            return
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(torch.from_numpy(np.array(given[name])))

    def read(self, names: Iterable[str]) -> State:
        """Return a copy of the values of some parts, in float32."""
        if self._on_host:
            return {name: self._values[name].copy() for name in self._of(names)}
        return {name: self.parameters[name].detach().cpu().numpy() for name in self._of(names)}

    def shapes(self, names: Iterable[str]) -> dict[str, tuple[int, ...]]:
        """Return the shapes of some parts by parameter name."""
        return {name: self._shapes[name] for name in self._of(names)}

    def trained(self, phase: Phase) -> list[Parameter]:
        """Return the parameters that a phase trains.

        Raises:
            LocatedError: the phase names a part that the method does not have.
        """
        found: list[Parameter] = []
        for each in phase.trains:
            part, _, factor = each.partition(".")
            if part not in self.parts:
                message = f"a phase trains {each!r}, which is no part of the method"
                raise LocatedError(message, "method")
            of_part = self._names[part]
            names = [name for name in of_part if not factor or f".lora_{factor}." in name]
            if factor and not names:
                message = f"a phase trains {each!r}, which the network does not have"
                raise LocatedError(message, "method")
            found += [self.parameters[name] for name in names]
        return found

    def cls_token_only(self) -> AbstractContextManager[None]:
        """Let the last layer compute no token that the head does not read."""
        return cls_token_only(self._behind_attention)

    def muted(self, phase: Phase) -> AbstractContextManager[None]:
        """Switch off the LoRAs that contribute nothing to a phase."""
        return torch_parts.muted(self.model, phase.mutes) if phase.mutes else nullcontext()

    def train_phase(
        self,
        number: int,
        phase: Phase,
        examples: Any,
        seed: int,
        *,
        anchor: State | None = None,
        correction: State | None = None,
        whole: bool = False,
    ) -> list[float]:
        """Run one phase in place.

        Args:
            number: of the phase in its local update.
            phase: what is trained, how.
            examples: of the device.
            seed: of the local update.
            anchor: where the proximal term pulls to; to the present values unless given.
            correction: added to the gradient of each step.
            whole: compute every token of the last layer, read or not.

        Returns:
            The loss of each step in nat, without the proximal term.
        """
        dropout, rng = derived_seed(seed, "dropout", number), stream(seed, "batches", number)
        with self.muted(phase), deterministic(seed=dropout, threads=self.threads):
            trained = self.trained(phase)
            add_terms = None
            if phase.proximal or correction:
                start = anchor or self.read(self.parts)
                add_terms = gradient_terms(
                    self.parameters, trained, phase.proximal, start, correction or {}
                )
            with nullcontext() if whole else self.cls_token_only():
                return train(
                    self.model, trained, phase, examples, rng, self.prefix, add_terms, self._forward
                )

    def step_seconds(self, phase: Phase, examples: Any, least: float) -> float:
        """Return the median of the host's seconds for a local step of the whole network.

        Steps are repeated for `least` seconds, after two that do not count. Nowhere else is host
        time a result.
        """
        warm_up, several = (
            replace(phase, local=replace(phase.local, steps=steps, epochs=0))
            for steps in (_WARM_UP, _TIMED)
        )
        self.train_phase(0, warm_up, examples, 0, whole=True)
        times: list[float] = []
        while not times or sum(times) < least:
            start = time.perf_counter()
            self.train_phase(0, several, examples, 0, whole=True)
            times.append(time.perf_counter() - start)
        return sorted(times)[len(times) // 2] / _TIMED

    def describe(self, examples: Any) -> NDArray[np.float32]:
        """Return the mean last hidden state of the network without LoRAs, (n, hidden)."""
        with self.evaluating(None), torch_parts.muted(self.model, self.parts):
            return text_embeddings(self.model, examples)

    def evaluate(self, examples: Any, weights: Weights | None = None) -> dict[str, float]:
        """Return accuracy and loss of the present values.

        Args:
            examples: held-out ones.
            weights: (n,) of the LoRAs of each part, where they differ from text to text.
        """
        with self.evaluating(weights) as around, self.cls_token_only():
            return evaluate(self.model, examples, self.judge, around)

    def loss(self, examples: Any) -> float:
        """Return the loss of `evaluate` alone."""
        return self.evaluate(examples)["loss"]

    @contextmanager
    def evaluating(self, weights: Weights | None) -> Iterator[Around]:
        """Yield what lets LoRAs weigh as given in each pass; torch is deterministic meanwhile."""
        with deterministic(seed=0, threads=self.threads), frozen(self.model):
            yield nullcontext if weights is None else weighing(self.model, weights)

    @cached_property
    def _values(self) -> dict[str, NDArray[np.float32]]:
        """The memory of the parameters, where it is the host's."""
        return {name: value.detach().numpy() for name, value in self.parameters.items()}

    def _of(self, names: Iterable[str]) -> list[str]:
        wanted = set(names)
        return [n for part, own in self._names.items() if part in wanted for n in own]


def behind_attention(model: PreTrainedModel) -> nn.Module | None:
    """Return what the attention of the last layer hands its output to.

    None where the head does not read the first token alone, and where the layer would count tokens.
    """
    layers, config = layers_of(model), model.config
    name = token_by_token(model)
    classifies = type(model).__name__.endswith("ForSequenceClassification")
    chunked = bool(getattr(config, "chunk_size_feed_forward", False))
    return layers[-1].get_submodule(name) if name and classifies and not chunked else None


@contextmanager
def cls_token_only(behind: nn.Module | None) -> Iterator[None]:
    """Let the last layer compute the first token alone, where that is all the head reads.

    Behind the attention of the last layer no token looks at another. Logits and gradients stay what
    they are, but for the order of sums and, where something drops out, for what is drawn; the last
    hidden states have one token.
    """
    if behind is None:
        yield
        return
    handle = behind.register_forward_pre_hook(_first_token)
    try:
        yield
    finally:
        handle.remove()


def _first_token(module: nn.Module, hidden: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return the first token of each text, of (texts, tokens, hidden)."""
    return tuple(each[:, :1] for each in hidden)


def _compiled(model: PreTrainedModel) -> Any:
    from wfl_sim.learning.compiled import Compiled  # seconds of imports

    return Compiled(model)
