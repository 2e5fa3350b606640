"""The contracts of the package: any object with these methods fits.

Lengths are in m, frequencies in Hz, times in s, losses and shadowing in dB. Array arguments
broadcast; scalars give scalars. Bad values raise ValueError naming the argument, the rule and the
value.
"""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray


@runtime_checkable
class PathLoss(Protocol):
    """Mean loss over distance.

    >>> class TwoRay:  # 40 log10 d - 20 log10(h_BS h_UT), whatever the frequency
    ...     minimum_distance = 10.0
    ...
    ...     def los_probability(self, distance, *, terminal_height=1.5):
    ...         return np.ones_like(np.asarray(distance, dtype=float))[()]
    ...
    ...     def loss_db(self, distance, frequency, *, base_height, terminal_height, los=None):
    ...         heights = np.multiply(base_height, terminal_height)
    ...         return 40 * np.log10(distance) - 20 * np.log10(heights)
    >>> float(TwoRay().loss_db(100.0, 2e9, base_height=10.0, terminal_height=1.0))
    60.0

    ``distance`` is horizontal (2-D). Concrete classes carry ``minimum_distance`` (m, below it they
    raise ValueError), ``maximum_distance`` (m, beyond it they warn and extrapolate),
    ``default_base_height`` and ``default_terminal_height`` (m).
    """

    def los_probability(self, distance: ArrayLike, *, terminal_height: ArrayLike = 1.5) -> Any:
        """Probability of line of sight; 0 or 1 for a fixed condition, 1 without the notion."""
        ...

    def loss_db(
        self,
        distance: ArrayLike,
        frequency: ArrayLike,
        *,
        base_height: ArrayLike = ...,
        terminal_height: ArrayLike = ...,
        los: ArrayLike | None = None,
    ) -> Any:
        """Loss in dB; ``los`` is a boolean array, None means the model's own fixed condition."""
        ...


class ShadowingProcess(Protocol):
    """Realised shadowing of several links."""

    def at(self, positions: ArrayLike, links: ArrayLike | None = None) -> Any:
        """Shadowing in dB of the chosen links at their ``positions`` (links, 2); shape (links,)."""
        ...


@runtime_checkable
class Shadowing(Protocol):
    """A law of shadowing.

    >>> import channel_models as cm
    >>> class TwoClasses:  # half of the links lie behind a wall of 10 dB
    ...     def realise(self, streams, map_stream):
    ...         behind = [stream.random() < 0.5 for stream in streams]
    ...         return cm.FixedShadowing(10.0 * np.array(behind))
    >>> streams = [np.random.default_rng(seed) for seed in range(4)]
    >>> TwoClasses().realise(streams, np.random.default_rng(9)).at(np.zeros((4, 2))).tolist()
    [0.0, 0.0, 10.0, 10.0]
    """

    def realise(
        self, streams: Sequence[np.random.Generator], map_stream: np.random.Generator
    ) -> ShadowingProcess:
        """Draw: ``streams`` has one generator a link, ``map_stream`` serves what links share."""
        ...


class FadingProcess(Protocol):
    """Realised small-scale fading of several links, mean power one.

    A pure function of absolute time: any time may be asked for, in any order. A link's values come
    from its own stream, so that links may be added without changing the others, to the bit.
    """

    def taps(self, time: ArrayLike, links: ArrayLike | None = None) -> NDArray[np.complex128]:
        """Complex taps, shape (links, *time.shape, taps)."""
        ...

    def response(
        self, time: ArrayLike, offsets: ArrayLike, links: ArrayLike | None = None
    ) -> NDArray[np.complex128]:
        """Response at ``offsets`` (Hz from the carrier, shape (F,)): (links, *time.shape, F)."""
        ...

    def power(self, time: ArrayLike, offsets: ArrayLike, links: ArrayLike | None = None) -> Any:
        """``|response|^2``, shape (links, *time.shape, F)."""
        ...

    def power_grid(
        self,
        first: int,
        count: int,
        step: float,
        offsets: ArrayLike,
        links: ArrayLike | None = None,
    ) -> NDArray[np.floating[Any]]:
        """`power` at times ``(first + i + 0.5) step``, shape (links, count, F).

        It may be of single precision. The bits of a sample depend on its absolute index, not on
        the chunk or the links beside it.
        """
        ...


@runtime_checkable
class Fading(Protocol):
    """A law of small-scale fading.

    A simulator samples it several times in the inverse of the Doppler shift. A model that does not
    follow the Doppler shift says with an attribute ``sampling_step`` (s) how often.

    >>> import channel_models as cm
    >>> class Flicker:
    ...     def realise(self, streams, doppler):
    ...         def taps_at(time, links):
    ...             on = np.where(time % 1.0 < 0.5, np.sqrt(2.0), 0.0)  # on for half a second
    ...             return np.broadcast_to(on[None, :, None], (links.size, time.size, 1))
    ...
    ...         return cm.FunctionProcess(len(streams), np.zeros(1), taps_at)
    >>> process = Flicker().realise([np.random.default_rng(1)], [0.0])
    >>> process.power([0.2, 0.7], [0.0])[0, :, 0].round(6).tolist()
    [2.0, 0.0]
    """

    def realise(self, streams: Sequence[np.random.Generator], doppler: ArrayLike) -> FadingProcess:
        """Draw: one generator a link; ``doppler`` is the maximum shift in Hz, shape (links,)."""
        ...


@runtime_checkable
class RateMap(Protocol):
    """From signal quality to rate.

    >>> class OnOff:  # QPSK at rate 1/2 from 3 dB on
    ...     def spectral_efficiency(self, sinr):
    ...         return np.where(np.asarray(sinr) >= 2.0, 1.0, 0.0)
    >>> OnOff().spectral_efficiency([1.0, 2.5]).tolist()
    [0.0, 1.0]
    """

    def spectral_efficiency(self, sinr: ArrayLike) -> Any:
        """bit/s/Hz at linear ``sinr``, elementwise, never decreasing."""
        ...
