"""Fleet: the parts of a method as they are on each device, whose ranks may differ."""

from collections.abc import Sequence

from wfl_sim.methods.method import Method
from wfl_sim.methods.parts import LoRA, Part


class DeviceParts:
    """Which parts a device has. The server, device -1, holds the largest rank of what is shared."""

    def __init__(self, method: Method, ranks: Sequence[int | None] = ()) -> None:
        """Fix the ranks.

        Args:
            method: its parts say whose rank goes by the device.
            ranks: of each device; None, or no entry, for the method's own.
        """
        self._own = tuple(method.parts)
        self._ranks = tuple(ranks)
        self._server = tuple(self._at_server(part) for part in self._own)
        self._by_rank = {
            rank: tuple(part.of_rank(rank) for part in self._own) for rank in {None, *ranks}
        }

    def __repr__(self) -> str:
        return f"Fleet({self._own!r}, ranks {self.sizes})"

    @property
    def sizes(self) -> tuple[int | None, ...]:
        """The ranks that differ from the method's; empty where no part goes by the device."""
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
