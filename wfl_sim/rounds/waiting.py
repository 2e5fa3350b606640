"""Waiting: for the first uploads, for a time, and for those who are called off."""

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import simpy

    from wfl_sim.entities.delivery import Contribution
    from wfl_sim.entities.device import Device
    from wfl_sim.federation import Federation


def gather(
    federation: "Federation",
    parts: "Sequence[simpy.Process]",
    *,
    enough: int | None = None,
    closing: "simpy.Event | None" = None,
) -> "Generator[simpy.Event, Any, list[Contribution]]":
    """Wait until all parts of a round have ended, or before that for one of two things.

    Args:
        federation: the world.
        parts: what `Device.participate` returned.
        enough: uploads that suffice.
        closing: the event after which no more are taken.

    Returns:
        The contributions whose upload has arrived, in the order in which they did.
    """
    arrived: list[Contribution] = []
    over = federation.env.event()
    left = len(parts)

    def note(part: "simpy.Event") -> None:
        nonlocal left
        left -= 1
        if part.ok and part.value is not None and part.value.upload is not None:
            arrived.append(part.value)
        if not over.triggered and (not left or (enough and len(arrived) >= enough)):
            over.succeed()

    for part in parts:
        part.callbacks.append(note)
    if parts:
        yield over if closing is None else over | closing
    return arrived[:enough]


def call_off(federation: "Federation", cohort: "Sequence[Device]") -> "simpy.Event":
    """Send home whoever still works; return the event that all can be asked again."""
    ending = [device.dismiss() for device in cohort if device.busy]
    return federation.env.all_of([part for part in ending if part is not None])
