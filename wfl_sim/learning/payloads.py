"""What of a state goes over the air, and what arrives at the other end.

Codecs lose information, privacy clips and adds noise, and what lies at the server of a split
network never leaves it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from wfl_sim.codecs.codec import Codec, payload_bits, round_trip, split_residual, upload_of
from wfl_sim.config import answers
from wfl_sim.execution.task import StateRef
from wfl_sim.learning.costs import UpdateCosts
from wfl_sim.learning.learner_context import LearnerContext
from wfl_sim.methods.method import (
    SplitModel,
    download,
    download_shapes,
    hook,
    needs,
    on_device,
    personal_model,
    upload_shapes,
)
from wfl_sim.methods.parts import Part, Shapes
from wfl_sim.randomness import stream
from wfl_sim.state import State


@dataclass(frozen=True, kw_only=True, eq=False)
class DeviceShapes:
    """Names and shapes of the parameters that a device trains, keeps, sends and receives."""

    parts: tuple[Part, ...]
    every: Shapes
    """Shapes of all parameters of `parts`."""
    shared: Shapes
    private: Shapes
    known: Shapes
    """Shapes of the shared parameters that a device knows without receiving them."""
    up: Shapes
    """Shapes of an upload, with what stays at the server of a split network."""
    up_bits: int
    """Bits of an upload, without those of secure aggregation."""
    down: dict[str, tuple[int, ...]] | None
    """Shapes of a download; None where they depend on what the device has received before."""
    down_bits: int | None
    """Bits of a download; None where they depend on what the device has received before."""


class Payloads:
    """The downloads and uploads of a method."""

    def __init__(self, context: LearnerContext, costs: UpdateCosts) -> None:
        self._context = context
        self._costs = costs
        self._shapes: dict[int, DeviceShapes] = {}
        self._by_parts: dict[tuple[Part, ...], DeviceShapes] = {}
        method = context.method
        self.depends_on_history = hook(method, "download_shapes") is not None
        """Whether a download depends on what the device has received before."""
        self._unicast = needs(method, "unicast")
        self._split = isinstance(method, SplitModel)
        # What no hook of the method makes was read from the network: it has its shapes.
        own = hook(method, "local_update") or hook(method, "upload_shapes")
        self._checks_uploads = own is not None
        self._feedback = getattr(context.codec_up, "feedback", False)
        self.remembers_uploads = self._feedback or getattr(method, "remembers_uploads", False)
        """Whether what a device keeps depends on whether its upload is used."""
        self._last: tuple[object, State] | None = None

    def shapes(self, device: int) -> DeviceShapes:
        """Return the shapes of a device; -1 is the server."""
        if device not in self._shapes:
            parts = self._context.device_parts.parts(device)
            if parts not in self._by_parts:
                self._by_parts[parts] = self._shapes_of(device, parts)
            self._shapes[device] = self._by_parts[parts]
        return self._shapes[device]

    def download_bits(self, device: int, news: Sequence[Sequence[int]]) -> int:
        """Return the bits of a download; `news` are the devices of each aggregation in it."""
        uploads = [[self.shapes(each).up for each in devices] for devices in news]
        shapes = download_shapes(self._context.method, self.shapes(device).shared, uploads)
        return self._bits(self._context.codec_down, shapes)

    def received(self, device: int, ref: StateRef, shared: State) -> State:
        """Return a shared state as a device gets it, with the parameters that it knows.

        The last one is kept, for many devices get the same.

        Raises:
            RuntimeError: the payload is not as long as the codec said.
        """
        shapes = self.shapes(device)
        receiver = device if self._unicast else shapes.parts
        if self._last is None or self._last[0] != (ref, receiver):
            state = download(self._context.method, shared, shapes.shared, device, shapes.down)
            crosses, stays = self._divided(state)
            codec = self._context.codec_down
            arrived = {**round_trip(codec, crosses, "download", shapes.down_bits), **stays}
            arrived = {name: arrived[name] for name in state}
            self._last = (ref, receiver), {**arrived, **_known(shapes, shared)}
        return self._last[1]

    def split(self, private: State) -> tuple[State, State]:
        """Return what the method keeps on a device, and what codecs have lost of its uploads."""
        return split_residual(private) if self._feedback else (private, {})

    def personal_model(self, device: int, shared: State, private: State) -> State:
        """Return the values of all parts that a device uses, from a state before any codec."""
        shapes, (kept, _) = self.shapes(device), self.split(private)
        method, known = self._context.method, _known(shapes, shared)
        received = {**download(method, shared, shapes.shared, device, shapes.down), **known}
        return personal_model(method, received, kept, shapes.every)

    def uploaded(
        self, device: int, made: State, received: State, residual: State, seed: int
    ) -> tuple[State, State]:
        """Return what the server gets, and what the codec has lost, which the device keeps.

        Args:
            device: the sender.
            made: what its local update has made to be sent.
            received: what the update began from.
            residual: what the codec lost of uploads before.
            seed: of the local update.

        Raises:
            AnswerError: `made` is not what the method said it would send, or the payload has
                another length than the codec said.
        """
        shapes, codec, privacy = self.shapes(device), self._context.codec_up, self._context.privacy
        if self._checks_uploads:
            answers.state(self._context.method, "local_update", made, shapes.up)
        leaves, stays = self._divided(made)
        protect = None
        if privacy is not None and privacy.clip:
            protect = partial(privacy.protected, rng=stream(seed, "privacy"))
        bits = shapes.up_bits
        arrived, residual = upload_of(codec, leaves, received, residual, bits, protect)
        return {n: arrived[n] if n in arrived else stays[n] for n in made}, residual

    def _shapes_of(self, device: int, parts: tuple[Part, ...]) -> DeviceShapes:
        method, shared = self._context.method, self._costs.shapes(device, "shared")
        up = upload_shapes(method, shared)
        down = None if self.depends_on_history else dict(download_shapes(method, shared))
        return DeviceShapes(
            parts=parts,
            every=self._costs.all_shapes(device),
            shared=shared,
            private=self._costs.shapes(device, "private"),
            known=self._costs.shapes(-1, "known"),
            up=up,
            up_bits=self._bits(self._context.codec_up, up),
            down=down,
            down_bits=None if down is None else self._bits(self._context.codec_down, down),
        )

    def _bits(self, codec: Codec, shapes: Shapes) -> int:
        """Return the bits of those parameters that lie on the device."""
        method = self._context.method
        sent = {name: shape for name, shape in shapes.items() if on_device(method, name)}
        return payload_bits(codec, sent)

    def _divided(self, state: State) -> tuple[State, State]:
        """Return what lies on the device, and what never leaves the server."""
        if not self._split:
            return state, {}
        own = {n: array for n, array in state.items() if on_device(self._context.method, n)}
        return own, {name: array for name, array in state.items() if name not in own}


def _known(shapes: DeviceShapes, shared: State) -> State:
    return {name: shared[name] for name in shapes.known}
