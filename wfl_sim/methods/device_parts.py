"""The parts of a method on each device, whose LoRA ranks may differ."""

from collections.abc import Sequence

from wfl_sim.methods.method import Method
from wfl_sim.methods.parts import LoRA, Part


class DeviceParts:
    """The parts of each device. The server, device -1, has the largest rank of shared LoRAs.

    Args:
        method: its parts say which ranks differ by device.
        ranks: LoRA rank of each device; None, or no entry, for the method's own.
    """

    def __init__(self, method: Method, ranks: Sequence[int | None] = ()) -> None:
        self._own = tuple(method.parts)
        self._ranks = tuple(ranks)
        self._server = tuple(self._at_server(part) for part in self._own)
        self._by_rank = {
            rank: tuple(part.of_rank(rank) for part in self._own)
            for rank in dict.fromkeys((None, *ranks))
        }

    def __repr__(self) -> str:
        return f"DeviceParts({self._own!r}, ranks {self.sizes})"

    @property
    def sizes(self) -> tuple[int | None, ...]:
        """Rank of each device; empty where no part of the method differs by device."""
        return self._ranks if any(part.by_device for part in self._own) else ()

    def parts(self, device: int) -> tuple[Part, ...]:
        """Return the parts on a device, or at the server."""
        if device < 0:
            return self._server
        return self._by_rank[self._ranks[device] if device < len(self._ranks) else None]

    def _at_server(self, part: Part) -> Part:
        if not part.shared or not isinstance(part.config, LoRA) or not self._ranks:
            return part
        return part.of_rank(max(rank or part.config.rank for rank in self._ranks))
