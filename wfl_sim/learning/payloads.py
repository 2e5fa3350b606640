"""Transfers: what of a state goes over the air, and what comes out at the other end.

Codecs lose something, privacy clips and disturbs, and what lies at the server of a split network
never leaves it.
"""

from collections.abc import Sequence
from functools import partial

from wfl_sim.codecs.codec import Codec, round_trip, upload_of
from wfl_sim.execution.task import StateRef
from wfl_sim.learning.costs import UpdateCosts
from wfl_sim.methods.device_parts import DeviceParts
from wfl_sim.methods.method import (
    Method,
    SplitModel,
    download,
    download_shapes,
    hook,
    needs_unicast,
    on_device,
    upload_shapes,
)
from wfl_sim.methods.privacy import Privacy
from wfl_sim.randomness import stream
from wfl_sim.state import State, check_same, shapes_of


class Payloads:
    """The downloads and uploads of a method."""

    def __init__(
        self,
        *,
        method: Method,
        fleet: DeviceParts,
        costs: UpdateCosts,
        codec_up: Codec,
        codec_down: Codec,
        privacy: Privacy | None,
    ) -> None:
        """Send nothing yet.

        Args:
            method: says what is sent.
            fleet: the parts of each device.
            costs: know the shapes of what is shared.
            codec_up: of uploads.
            codec_down: of downloads.
            privacy: what is done to an update before it is encoded.
        """
        self._method = method
        self._fleet = fleet
        self._costs = costs
        self._codec_up = codec_up
        self._codec_down = codec_down
        self._privacy = privacy
        self.sends_news = hook(method, "download_shapes") is not None
        """whether a download depends on what the device has got before"""
        self._split = isinstance(method, SplitModel)
        self._last: tuple[object, State] | None = None

    def __repr__(self) -> str:
        return f"Transfers({self._method!r}, {self._codec_up!r} up, {self._codec_down!r} down)"

    def download_bits(self, device: int, news: Sequence[Sequence[int]]) -> int:
        """Return the bits of a download; `news` are the devices of each aggregation in it."""
        uploads = [
            [upload_shapes(self._method, self._costs.shapes(each, "shared")) for each in devices]
            for devices in news
        ]
        whole = download_shapes(self._method, self._costs.shapes(device, "shared"), uploads)
        shapes = {name: shape for name, shape in whole.items() if on_device(self._method, name)}
        return self._codec_down.bits(shapes) if shapes else 0

    def received(self, device: int, handle: StateRef, shared: State) -> State:
        """Return a shared state as a device gets it, with what it knows of it.

        The last one is kept, for many get the same.

        Args:
            device: the receiver.
            handle: of the shared state.
            shared: the shared state.

        Raises:
            RuntimeError: the payload is not as long as the codec said.
        """
        who = device if needs_unicast(self._method) else self._fleet.parts(device)
        if self._last is None or self._last[0] != (handle, who):
            state = self._download(device, shared)
            crosses, stays = self._divided(state)
            arrived = {**round_trip(self._codec_down, crosses, "download"), **stays}
            arrived = {name: arrived[name] for name in state}
            self._last = (handle, who), {**arrived, **self._known(shared)}
        return self._last[1]

    def offered(self, device: int, shared: State) -> State:
        """Return a shared state as the server has it for a device, before any codec."""
        return {**self._download(device, shared), **self._known(shared)}

    def uploaded(
        self, device: int, made: State, received: State, lost: State, seed: int
    ) -> tuple[State, State]:
        """Return what the server gets, and what the codec has lost, which the device keeps.

        Args:
            device: the sender.
            made: what its local update has made to be sent.
            received: what the update began from.
            lost: what the codec lost of uploads before.
            seed: of the local update.

        Raises:
            ValueError: `made` is not what the method said it would send.
            RuntimeError: the payload is not as long as the codec said.
        """
        expected = upload_shapes(self._method, self._costs.shapes(device, "shared"))
        check_same(dict(expected), shapes_of(made), f"{type(self._method).__name__}.local_update")
        leaves, stays = self._divided(made)
        bits = self._codec_up.bits(shapes_of(leaves)) if leaves else 0
        protect = None
        if self._privacy is not None and self._privacy.clip:
            protect = partial(self._privacy.protected, rng=stream(seed, "privacy"))
        arrived, lost = upload_of(self._codec_up, leaves, received, lost, bits, protect)
        return {name: arrived[name] if name in arrived else stays[name] for name in made}, lost

    def _download(self, device: int, shared: State) -> State:
        shapes = self._costs.shapes(device, "shared")
        state = download(self._method, shared, shapes, device)
        if not self.sends_news:
            expected = dict(download_shapes(self._method, shapes))
            check_same(expected, shapes_of(state), f"{type(self._method).__name__}.download")
        return state

    def _divided(self, state: State) -> tuple[State, State]:
        """Return what lies on the device, and what never leaves the server."""
        if not self._split:
            return state, {}
        own = {name: array for name, array in state.items() if on_device(self._method, name)}
        return own, {name: array for name, array in state.items() if name not in own}

    def _known(self, shared: State) -> State:
        return {name: shared[name] for name in self._costs.shapes(-1, "known")}
