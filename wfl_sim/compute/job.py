"""Job: one local update on one device, at any frequency of its processor."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Job:
    """Seconds and watts of a local update as functions of the frequency.

    With the frequency as a share x of the highest, the time is
    ``max(arithmetic / x, traffic) + overhead``, a roofline of which only the arithmetic follows the
    clock, and the power beyond idle is ``static + dynamic x^3`` (P = P_static + kappa f^3).
    """

    arithmetic: float
    """s at the highest frequency"""
    traffic: float = 0.0
    """s that the memory needs at least"""
    overhead: float = 0.0
    """s of launches and data loading"""
    static: float
    """W"""
    dynamic: float = 0.0
    """W at the highest frequency"""

    def seconds(self, share: float = 1.0) -> float:
        """Return the time at a share of the highest frequency, in s."""
        return max(self.arithmetic / share, self.traffic) + self.overhead

    def power(self, share: float = 1.0) -> float:
        """Return the W drawn beyond idle at a share of the highest frequency."""
        return self.static + self.dynamic * share**3

    def joules(self, share: float = 1.0) -> float:
        """Return the J drawn beyond idle at a share of the highest frequency."""
        return self.power(share) * self.seconds(share)
