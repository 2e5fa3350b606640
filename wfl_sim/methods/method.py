"""Abilities: what a method may have beside parts, phases and aggregation.

Each is one optional member of a method; a method without it gets what is said to be usual.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wfl_sim.config.errors import LocatedError
from wfl_sim.config.registry import Registry
from wfl_sim.methods.local_update import ClientContext, LocalRun
from wfl_sim.methods.parts import Shapes
from wfl_sim.state import State

if TYPE_CHECKING:
    from wfl_sim.methods.aggregation import Upload
    from wfl_sim.methods.parts import Part
    from wfl_sim.methods.phases import Phase


@runtime_checkable
class Method(Protocol):
    """What is learned, what is sent, what stays private, and how uploads are combined.

    A method may be able to do more: `wfl_sim.methods.method` lists what.
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
                the method has an uplink of its own.
        """


METHODS: Registry[Method] = Registry("method", Method)


SERVER = "server"
"""entries of the shared state below ``server/`` never leave the server"""

News = Sequence[Sequence[Shapes]]
"""of each aggregation since a device's last download, the shapes of the uploads in it"""


@runtime_checkable
class HasServerState(Protocol):
    """The shared state holds more than the shared parts. Usual: it does not."""

    def begin(self, shared: State, devices: int) -> State:
        """Return the shared state before training.

        Args:
            shared: initial values of all parameters that are shared or known.
            devices: of the federation.
        """


@runtime_checkable
class CustomUpload(Protocol):
    """Usual: a device sends the shared parameters of its parts."""

    def uplink(self, shapes: Shapes) -> Shapes:
        """Return names and shapes of an upload, from those of the device's shared parameters."""


@runtime_checkable
class CustomDownload(Protocol):
    """Usual: a device gets the shared parameters of its parts."""

    def downlink(self, shapes: Shapes, news: News) -> Shapes:
        """Return names and shapes of a download, from those of the device's shared parameters."""


@runtime_checkable
class PerClientDownload(Protocol):
    """What is sent to one device is not all that is shared. Usual: the entries that it gets."""

    def download(self, shared: State, shapes: Shapes, device: int) -> State:
        """Return what the server sends to a device.

        Args:
            shared: the shared state.
            shapes: of the device's shared parameters.
            device: its number; -1 for the model that is evaluated on the pooled examples.
        """


@runtime_checkable
class CustomLocalUpdate(Protocol):
    """A local update of its own. Usual: the phases in turn, from what was received and kept."""

    def update(self, received: State, kept: State, whose: ClientContext) -> LocalRun:
        """Ask for every one of `phases`, in their order, and return upload and what is kept.

        Args:
            received: the download as it arrived, and the known parameters.
            kept: private parameters, and what the last update returned to be kept.
            whose: local update it is.
        """


@runtime_checkable
class PersonalModel(Protocol):
    """The model a device uses is not what it trains. Usual: received and kept parameters."""

    def personal(self, received: State, kept: State, shapes: Shapes) -> State:
        """Return the values of every parameter of every part; `shapes` names them."""


@runtime_checkable
class PerTextMixing(Protocol):
    """LoRAs weigh differently from text to text when a model is used. Usual: all weigh 1."""

    def blend(self, kept: State, texts: NDArray[np.floating]) -> Mapping[str, NDArray[np.floating]]:
        """Return the weights of some LoRAs, by part, each of shape (n,).

        Args:
            kept: of the device.
            texts: (n, hidden), the mean last hidden state of the pretrained network for each text.
        """


@runtime_checkable
class SplitModel(Protocol):
    """The server holds the upper part of the network. Usual: a device holds all of it."""

    @property
    def device_blocks(self) -> int:
        """Transformer blocks of a device, with the embeddings below them."""


def check_abilities(method: Any) -> None:
    """Refuse a value under the name of an ability, such as a key `blend: 0.5`.

    Raises:
        LocatedError: it would be called in the middle of a run.
    """
    for ability in (
        HasServerState,
        CustomUpload,
        CustomDownload,
        PerClientDownload,
        CustomLocalUpdate,
        PersonalModel,
        PerTextMixing,
    ):
        for name in (each for each in vars(ability) if not each.startswith("_")):
            if not callable(getattr(method, name, len)):
                raise LocatedError(
                    f"{type(method).__name__} has a value {name!r}, and {name!r} is an ability "
                    "that wfl_sim would call: give it another name",
                    "method",
                )


def on_device(method: Any, name: str) -> bool:
    """Return whether a parameter lies on devices; what does not is never sent over the air.

    The first number within a name is that of the block, as in all transformers models.
    """
    if not isinstance(method, SplitModel):
        return True
    block = re.search(r"\.(\d+)\.", name)
    return block is not None and int(block[1]) < method.device_blocks


def averages(method: Any) -> bool:
    """Return whether the aggregate is the weighted mean of the uploads.

    Methods say so by a class attribute `averages`. Server optimisers, staleness weights,
    aggregation over the air, secure aggregation and edge servers ask for it.
    """
    return bool(getattr(method, "averages", False))


def differs(method: Any) -> bool:
    """Return whether each device gets a download of its own, which no broadcast can serve."""
    return bool(getattr(method, "unicast", False))


def needs_lossless(method: Any) -> bool:
    """Return whether devices reckon from downloads what the server must know to the bit.

    Methods say so by a class attribute `lossless_downloads`.
    """
    return bool(getattr(method, "lossless_downloads", False))


def sent_up(method: Any, shapes: Shapes) -> Shapes:
    """Return names and shapes of an upload."""
    return method.uplink(shapes) if isinstance(method, CustomUpload) else shapes


def sent_down(method: Any, shapes: Shapes, news: News = ()) -> Shapes:
    """Return names and shapes of a download."""
    return method.downlink(shapes, news) if isinstance(method, CustomDownload) else shapes


def download(method: Any, shared: State, shapes: Shapes, device: int) -> State:
    """Return what the server sends to a device."""
    if isinstance(method, PerClientDownload):
        return method.download(shared, shapes, device)
    return {name: shared[name] for name in sent_down(method, shapes)}


def personal(method: Any, received: State, kept: State, shapes: Shapes) -> State:
    """Return the model that a device uses: values of all parameters that `shapes` names."""
    if isinstance(method, PersonalModel):
        return method.personal(received, kept, shapes)
    return {n: kept[n] if n in kept else received[n] for n in shapes}
