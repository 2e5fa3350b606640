"""The contract of a federated method, its optional hooks, and what happens without each hook.

A hook is one optional member of a method: see `Hooks`. The simulator calls the functions below.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wfl_sim.config import answers
from wfl_sim.config.answers import AnswerError
from wfl_sim.config.errors import LocatedError, located
from wfl_sim.config.registry import Registry
from wfl_sim.methods.local_update import ClientContext, LocalRun
from wfl_sim.methods.parts import Part, Shapes
from wfl_sim.methods.phases import Phase
from wfl_sim.state import State

if TYPE_CHECKING:
    from wfl_sim.methods.aggregation import Upload


@runtime_checkable
class Method(Protocol):
    """What is learned, what is sent, what stays private, and how uploads are combined.

    A method may have hooks, such as a local update of its own: see `Hooks`.

    >>> from dataclasses import dataclass
    >>> from wfl_sim.methods.aggregation import Upload, weighted_mean
    >>> from wfl_sim.methods.parts import Head, LoRA, Part
    >>> from wfl_sim.methods.phases import Local, Phase, one_phase
    >>> @dataclass(frozen=True, kw_only=True)
    ... class SharedLoRA:
    ...     is_weighted_mean = True
    ...     lora: LoRA = LoRA(rank=4)
    ...     local: Local = Local(steps=2)
    ...
    ...     @property
    ...     def parts(self):
    ...         lora = Part(name="lora", config=self.lora, shared=True)
    ...         return lora, Part(name="head", config=Head())  # the head is private
    ...
    ...     @property
    ...     def phases(self):
    ...         return one_phase("lora", "head", local=self.local)
    ...
    ...     def aggregate(self, shared, uploads):
    ...         return weighted_mean(uploads)
    >>> uploads = [Upload({"lora/a": np.float32([x])}, weight=w) for x, w in ((1, 3), (5, 1))]
    >>> SharedLoRA().aggregate({}, uploads)
    {'lora/a': array([2.], dtype=float32)}
    """

    @property
    def parts(self) -> tuple[Part, ...]:
        """The trainable pieces, each shared or private; names are unique."""

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The local phases in the order in which a device runs them."""

    def aggregate(self, shared: State, uploads: Sequence[Upload]) -> State:
        """Return the next shared state.

        Args:
            shared: the present state; what the devices started from, unless rounds overlap.
            uploads: in ascending order of device; every state has the names of `shared`, unless
                the method has `upload_shapes` of its own.
        """


METHODS: Registry[Method] = Registry("method", Method)


SERVER = "server"
"""Entries of the shared state below ``server/`` never leave the server."""

News = Sequence[Sequence[Shapes]]
"""Shapes of the uploads in each aggregation since a device's last download."""


class Hooks(Protocol):
    """The optional members of a method; it may have any of them."""

    def initial_server_state(self, shared: State, devices: int) -> State:
        """Return the shared state before training. Without: it holds the shared parts alone.

        Args:
            shared: initial values of all parameters that are shared or known.
            devices: number of devices of the federation.
        """

    def upload_shapes(self, shapes: Shapes) -> Shapes:
        """Return names and shapes of an upload, from those of the device's shared parameters.

        Without: a device sends the shared parameters of its parts.
        """

    def download_shapes(self, shapes: Shapes, news: News) -> Shapes:
        """Return names and shapes of a download, from those of the device's shared parameters.

        Without: a device gets the shared parameters of its parts.
        """

    def download(self, shared: State, shapes: Shapes, device: int) -> State:
        """Return what the server sends to a device. Without: what `download_shapes` names.

        Args:
            shared: the shared state.
            shapes: names and shapes of the device's shared parameters.
            device: its number; -1 for the model that is evaluated on the pooled examples.
        """

    def local_update(self, received: State, kept: State, client: ClientContext) -> LocalRun:
        """Ask for every one of `phases`, in their order, and return upload and what is kept.

        Without: the phases in their order, each from the end of the last.

        Args:
            received: the download as it arrived, and the known parameters.
            kept: private parameters, and what the last update returned to be kept.
            client: the device that trains, its parameters and its random generator.
        """

    def personal_model(self, received: State, kept: State, shapes: Shapes) -> State:
        """Return the values of every parameter of every part; `shapes` names them.

        Without: received and kept parameters together.
        """

    def mixing_weights(
        self, kept: State, texts: NDArray[np.floating]
    ) -> Mapping[str, NDArray[np.floating]]:
        """Return what some LoRAs weigh in each text, by part, each of shape (n,). Without: 1.

        Args:
            kept: what the device keeps.
            texts: (n, hidden), the mean last hidden state of the pretrained network for each text.
        """


@runtime_checkable
class SplitModel(Protocol):
    """The server holds the upper part of the network. Without: a device holds all of it."""

    @property
    def device_blocks(self) -> int:
        """Transformer blocks of a device, with the embeddings below them."""


_OLD_NAMES: Final = {
    "initial_server_state": "begin",
    "upload_shapes": "uplink",
    "download_shapes": "downlink",
    "download": "download",
    "local_update": "update",
    "personal_model": "personal",
    "mixing_weights": "blend",
}
"""The former names of hooks, accepted for one release."""


def hook(method: Any, name: str) -> Callable[..., Any] | None:
    """Return a hook of a method, under its name or its old name; None if there is none.

    The first class in the method's order of inheritance that has either name decides.
    """
    found: Callable[..., Any] | None = _member(method, name, _OLD_NAMES[name])
    return found


def check_members(method: Any) -> None:
    """Refuse parts and phases that are none, and a value under the name of a hook.

    Raises:
        LocatedError: there is one; a hook would be called in the middle of a run.
    """
    for member, kind in (("parts", Part), ("phases", Phase)):
        try:
            given = getattr(method, member)
        except ValueError as error:
            raise LocatedError(str(error), "method") from None
        fits = isinstance(given, Sequence) and all(isinstance(each, kind) for each in given)
        if not (fits and (given or member == "parts")):
            with located("method"):
                raise AnswerError.of(method, member, f"a tuple of {kind.__name__}", given)
    for name in (*_OLD_NAMES, *_OLD_NAMES.values()):
        if not callable(getattr(method, name, len)):
            raise LocatedError(
                f"has a value {name!r}, and {name!r} is an ability that wfl_sim would call: give "
                "it another name",
                "method",
            )


def is_weighted_mean(method: Any) -> bool:
    """Return whether the aggregate is the weighted mean of the uploads.

    Methods say so by a class attribute `is_weighted_mean` (`averages` before). Server optimisers,
    staleness weights, aggregation over the air, secure aggregation and edge servers require it.
    """
    return bool(_member(method, "is_weighted_mean", "averages"))


Need = Literal["unicast", "lossless_downloads", "whole_uploads", "common_rounds"]


def needs(method: Any, what: Need) -> bool:
    """Return whether a method says so, by an attribute of this name.

    `unicast`: each device gets a download of its own, which no broadcast can serve.
    `lossless_downloads`: devices compute from them what the server must know to the bit.
    `whole_uploads`: an upload is no change of what the device had received. `common_rounds`: the
    uploads of an aggregate must all have begun from the state before it.
    """
    return bool(getattr(method, what, False))


def on_device(method: Any, name: str) -> bool:
    """Return whether a parameter lies on devices; the others are never sent over the air.

    The first number within a name is that of the block, as in all transformers models.
    """
    if not isinstance(method, SplitModel):
        return True
    block = re.search(r"\.(\d+)\.", name)
    return block is not None and int(block[1]) < method.device_blocks


def initial_server_state(method: Any, shared: State, devices: int) -> State:
    """Return the shared state before training."""
    own = hook(method, "initial_server_state")
    if own is None:
        return shared
    made = answers.state(method, "initial_server_state", own(shared, devices))
    return {name: np.asarray(array) for name, array in made.items()}


def upload_shapes(method: Any, shapes: Shapes) -> Shapes:
    """Return names and shapes of an upload."""
    own = hook(method, "upload_shapes")
    return answers.shapes(method, "upload_shapes", own(shapes)) if own else shapes


def download_shapes(method: Any, shapes: Shapes, news: News = ()) -> Shapes:
    """Return names and shapes of a download."""
    own = hook(method, "download_shapes")
    return answers.shapes(method, "download_shapes", own(shapes, news)) if own else shapes


def download(
    method: Any, shared: State, shapes: Shapes, device: int, expected: Shapes | None = None
) -> State:
    """Return what the server sends to a device; `expected` is what it holds, where that is known.

    Raises:
        AnswerError: the method sends something else.
    """
    own = hook(method, "download")
    if own is not None:
        return answers.state(method, "download", own(shared, shapes, device), expected)
    names = download_shapes(method, shapes) if expected is None else expected
    return {name: shared[name] for name in names}


def personal_model(method: Any, received: State, kept: State, shapes: Shapes) -> State:
    """Return the model that a device uses: values of all parameters that `shapes` names."""
    own = hook(method, "personal_model")
    if own is None:
        return {name: kept[name] if name in kept else received[name] for name in shapes}
    return answers.state(method, "personal_model", own(received, kept, shapes), shapes)


def _member(method: Any, *names: str) -> Any:
    for owner in (*type(method).__mro__, method):
        for name in names:
            if name in getattr(owner, "__dict__", ()):
                return getattr(method, name)
    return None
