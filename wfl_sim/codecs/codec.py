"""The contract of codecs, the round trip of a state through one, and error feedback."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

import numpy as np

from wfl_sim.config import answers
from wfl_sim.config.answers import AnswerError, one_number
from wfl_sim.config.registry import Registry
from wfl_sim.state import State, is_finite, minus, plus, shapes_of


class Codec(Protocol):
    """How a state becomes bits on the air, and back.

    A codec may have four more attributes, each false where it lacks it. `relative`: what it
    encodes is the change since the state that the receiver knows, which is added again at the other
    end; only for uploads. `feedback`: the sender keeps what a payload has lost and adds it to the
    next one (Seide et al. 2014; Karimireddy et al. 2019, arXiv:1901.09847). `lossless`: a float32
    state arrives bit for bit. `additive`: every value has its own place and no scale of its sender,
    so payloads of many devices can be added masked, and noise stays where it was put.

    >>> class Signs:
    ...     def encode(self, state):
    ...         return b"".join(np.sign(state[name]).astype("i1").tobytes() for name in state)
    ...
    ...     def decode(self, payload):
    ...         return {"w": np.frombuffer(payload, "i1").astype(np.float32)}
    ...
    ...     def bits(self, shapes):
    ...         return 8 * sum(int(np.prod(shape)) for shape in shapes.values())
    >>> round_trip(Signs(), {"w": np.float32([0.5, -3, 0])}, "upload")
    {'w': array([ 1., -1.,  0.], dtype=float32)}
    """

    def encode(self, state: State) -> bytes:
        """Return the payload."""

    def decode(self, payload: bytes) -> State:
        """Return the state that the receiver gets, with the dtypes of the original."""

    def bits(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """Return the bits of the payload of a float32 state with these shapes."""


CODECS: Registry[Codec] = Registry("codec", Codec)


_LOST: Final = "error-feedback/"
"""Prefix of the residuals that codecs have lost, in the private state of a device."""


def split_residual(private: State) -> tuple[State, State]:
    """Return what the method keeps on a device, and the residuals of codecs."""
    lost = {name: array for name, array in private.items() if name.startswith(_LOST)}
    return {name: array for name, array in private.items() if name not in lost}, lost


def payload_bits(codec: Codec, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Return the bits that a codec announces for a state; none for nothing."""
    return int(one_number(codec, "bits", codec.bits(shapes), least=1)) if shapes else 0


def round_trip(codec: Codec, state: State, direction: str, bits: int | None = None) -> State:
    """Return a state after encoding and decoding.

    Raises:
        AnswerError: the payload is not as long as `bits`, or as the codec announced, or another
            state comes back.
    """
    if not state:
        return {}
    payload = codec.encode(state)
    announced = payload_bits(codec, shapes_of(state)) if bits is None else bits
    if not isinstance(payload, bytes | bytearray):
        raise AnswerError.of(codec, "encode", "bytes", payload)
    if 8 * len(payload) != announced:
        name, made = type(codec).__name__, 8 * len(payload)
        raise AnswerError(codec, f"{direction}: {name} announced {announced} bit and made {made}")
    received = answers.state(codec, "decode", codec.decode(payload), shapes_of(state))
    # A payload is a mapping without order; the sender's keeps every later sum in one order.
    return {name: received[name] for name in state}


def upload_of(
    codec: Codec,
    trained: State,
    received: State,
    lost: State,
    bits: int,
    protect: Callable[[State], State] | None = None,
) -> tuple[State, State]:
    """Return the decoded upload, and the residual that the device keeps for the next one.

    A relative codec encodes the change since the download; of what was not in it, all. `protect`
    clips and disturbs that change before any codec sees it.
    """
    before = {n: received[n] if n in received else np.zeros_like(a) for n, a in trained.items()}
    if protect is not None:
        trained = plus(before, protect(minus(trained, before)))
    if not getattr(codec, "relative", False):
        return round_trip(codec, trained, "upload", bits), {}
    update = {name: trained[name] - before[name] for name in trained}
    for name, rest in lost.items():
        update[name.removeprefix(_LOST)] += rest
    arrived = round_trip(codec, update, "upload", bits)
    upload = {name: before[name] + arrived[name] for name in trained}
    if not getattr(codec, "feedback", False):
        return upload, {}
    if not is_finite(update):  # no server uses it: what was lost before is still to be sent
        return upload, lost
    return upload, {_LOST + name: update[name] - arrived[name] for name in update}
