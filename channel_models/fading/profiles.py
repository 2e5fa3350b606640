"""Power delay profiles: the tapped delay lines TDL-A to TDL-E of 3GPP TR 38.901, and a flat one.

`TappedFading` is the base of the models that have such a profile.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike

from channel_models.laws.power import ExponentialPower
from channel_models.laws.rician import RicianPower
from channel_models.units import Decibel, Unit, db_to_linear
from channel_models.validation import FloatArray, Validated, check_array, check_finite

ProfileName = Literal["flat", "tdl-a", "tdl-b", "tdl-c", "tdl-d", "tdl-e"]


@dataclass(frozen=True, eq=False)
class DelayProfile:
    """Taps of a multipath channel, at delays given in units of the rms delay spread.

    ``delays`` and ``powers`` have shape (taps,); the powers are linear, of the scattered (Rayleigh)
    part of every tap; ``specular`` is the power of the constant-amplitude part of the first tap (0
    for a channel without line of sight). All powers together are 1.
    """

    delays: FloatArray
    powers: FloatArray
    specular: float = 0.0

    def __post_init__(self) -> None:
        delays = check_finite("delays", check_array("delays", self.delays, minimum=0.0))
        powers = check_finite("powers", check_array("powers", self.powers, minimum=0.0))
        specular = float(check_finite("specular", self.specular))
        if delays.ndim != 1 or delays.shape != powers.shape or delays.size == 0:
            raise ValueError(
                f"delays and powers must have one shape (taps,), got {delays.shape} and "
                f"{powers.shape}"
            )
        if specular < 0.0:
            raise ValueError(f"specular must be at least 0, got {specular:g}")
        total = float(powers.sum() + specular)
        if total <= 0.0:
            raise ValueError("powers must not all be zero")
        for name, value in (
            ("delays", delays),
            ("powers", powers / total),
            ("specular", specular / total),
        ):
            object.__setattr__(self, name, value)

    @property
    def tap_powers(self) -> FloatArray:
        """Mean power of every tap, scattered and specular, shape (taps,); their sum is 1."""
        total = self.powers.copy()
        total[0] += self.specular
        return total

    @property
    def k_factor(self) -> float:
        """Rician K of the first tap (linear): specular over scattered power; 0 without one."""
        return self.specular / float(self.powers[0]) if self.specular else 0.0

    def with_k_factor(self, k: float) -> "DelayProfile":
        """The profile with specular over all scattered power of ``k`` (TR 38.901 section 7.7.6).

        Delays are scaled, so that their rms stays 1. Raises ValueError without a specular part.
        """
        if not self.specular:
            raise ValueError("k_factor needs a profile with line of sight (tdl-d, tdl-e)")
        scaled = DelayProfile(self.delays, self.powers, k * float(self.powers.sum()))
        delays = scaled.delays / scaled.rms_delay_spread()
        return DelayProfile(delays, scaled.powers, scaled.specular)

    def rms_delay_spread(self) -> float:
        """Root of the second central moment of the delays, weighted by tap power."""
        weights = self.tap_powers
        mean = float(weights @ self.delays)
        return float(np.sqrt(weights @ (self.delays - mean) ** 2))

    def frequency_correlation(self, spacing: ArrayLike, delay_spread: float) -> Any:
        """``R_f = sum_l p_l exp(-j 2 pi spacing tau_l)`` at frequency ``spacing`` (Hz), complex.

        The correlation ``E[H(f + spacing) H*(f)]`` of the response; R_f(0) = 1.
        """
        df = np.asarray(spacing, dtype=float)
        turns = df[..., None] * (self.delays * delay_spread)
        return (np.exp(-2j * np.pi * turns) @ self.tap_powers)[()]

    def coherence_bandwidth(self, delay_spread: float, level: float = 0.5) -> float:
        """Smallest spacing in Hz at which ``|R_f|`` falls to ``level``.

        Searched up to ``10 / delay_spread``. Raises ValueError when it never does (a flat profile)
        and for a level outside 0 to 1.
        """
        if not 0.0 < level < 1.0:
            raise ValueError(f"level must be between 0 and 1, got {level:g}")
        spacings = np.linspace(0.0, 10.0 / max(delay_spread, 1e-30), 20_001)
        magnitude = np.abs(self.frequency_correlation(spacings, delay_spread))
        first = int(np.argmax(magnitude <= level))
        if magnitude[first] > level:
            raise ValueError(f"the correlation never falls to {level:g}: the profile is flat")
        falling = magnitude[first - 1 : first + 1][::-1]
        return float(np.interp(level, falling, spacings[first - 1 : first + 1][::-1]))


_TDL_A: Final = (
    (0.0000, 0.3819, 0.4025, 0.5868, 0.4610, 0.5375, 0.6708, 0.5750, 0.7618, 1.5375, 1.8978, 2.2242,
     2.1718, 2.4942, 2.5119, 3.0582, 4.0810, 4.4579, 4.5695, 4.7966, 5.0066, 5.3043, 9.6586),
    (-13.4, 0.0, -2.2, -4.0, -6.0, -8.2, -9.9, -10.5, -7.5, -15.9, -6.6, -16.7, -12.4, -15.2, -10.8,
     -11.3, -12.7, -16.2, -18.3, -18.9, -16.6, -19.9, -29.7),
)  # fmt: skip
_TDL_B: Final = (
    (0.0000, 0.1072, 0.2155, 0.2095, 0.2870, 0.2986, 0.3752, 0.5055, 0.3681, 0.3697, 0.5700, 0.5283,
     1.1021, 1.2756, 1.5474, 1.7842, 2.0169, 2.8294, 3.0219, 3.6187, 4.1067, 4.2790, 4.7834),
    (0.0, -2.2, -4.0, -3.2, -9.8, -1.2, -3.4, -5.2, -7.6, -3.0, -8.9, -9.0, -4.8, -5.7, -7.5, -1.9,
     -7.6, -12.2, -9.8, -11.4, -14.9, -9.2, -11.3),
)  # fmt: skip
_TDL_C: Final = (
    (0.0000, 0.2099, 0.2219, 0.2329, 0.2176, 0.6366, 0.6448, 0.6560, 0.6584, 0.7935, 0.8213, 0.9336,
     1.2285, 1.3083, 2.1704, 2.7105, 4.2589, 4.6003, 5.4902, 5.6077, 6.3065, 6.6374, 7.0427,
     8.6523),
    (-4.4, -1.2, -3.5, -5.2, -2.5, 0.0, -2.2, -3.9, -7.4, -7.1, -10.7, -11.1, -5.1, -6.8, -8.7,
     -13.2, -13.9, -13.9, -15.8, -17.1, -16.0, -15.7, -21.6, -22.8),
)  # fmt: skip
_TDL_D: Final = (
    (0.0000, 0.035, 0.612, 1.363, 1.405, 1.804, 2.596, 1.775, 4.042, 7.937, 9.424, 9.708, 12.525),
    (-13.5, -18.8, -21.0, -22.8, -17.9, -20.1, -21.9, -22.9, -27.8, -23.6, -24.8, -30.0, -27.7),
)  # fmt: skip
_TDL_E: Final = (
    (0.0000, 0.5133, 0.5440, 0.5630, 0.5440, 0.7112, 1.9092, 1.9293, 1.9589, 2.6426, 3.7136, 5.4524,
     12.0034, 20.6519),
    (-22.03, -15.8, -18.1, -19.8, -22.9, -22.4, -18.6, -20.8, -22.6, -22.3, -25.6, -20.2, -29.8,
     -29.2),
)  # fmt: skip
_TABLES: Final = {
    "tdl-a": (_TDL_A, None),
    "tdl-b": (_TDL_B, None),
    "tdl-c": (_TDL_C, None),
    "tdl-d": (_TDL_D, -0.2),
    "tdl-e": (_TDL_E, -0.03),
}


def delay_profile(name: ProfileName) -> DelayProfile:
    """The profile of that name: "flat" (one tap) or "tdl-a" to "tdl-e".

    TR 38.901 Tables 7.7.2-1 to 7.7.2-5; TDL-D and TDL-E have a line-of-sight first tap with
    K = 13.3 dB and 22 dB. Delays are in units of the rms delay spread. Raises ValueError for an
    unknown name.
    """
    if name == "flat":
        return DelayProfile(np.zeros(1), np.ones(1))
    if name not in _TABLES:
        raise ValueError(f"profile must be one of flat, {', '.join(_TABLES)}, got {name!r}")
    (delays, powers_db), specular_db = _TABLES[name]
    specular = 0.0 if specular_db is None else float(db_to_linear(specular_db))
    return DelayProfile(np.array(delays), db_to_linear(powers_db), specular)


@dataclass(frozen=True, kw_only=True)
class TappedFading(Validated):
    """Fading on the taps of a ``profile`` scaled by ``delay_spread`` (s).

    ``k_factor`` is the Rician K of all taps in dB, for TDL-D and TDL-E in place of their own.
    """

    profile: ProfileName = "flat"
    delay_spread: Annotated[float, Unit("s", minimum=0.0, maximum=1e-3)] = 300e-9
    k_factor: Decibel | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.delay_profile

    @cached_property
    def delay_profile(self) -> DelayProfile:
        """The taps: delays in units of the delay spread, and powers."""
        profile = delay_profile(self.profile)
        if self.k_factor is None:
            return profile
        return profile.with_k_factor(float(db_to_linear(self.k_factor)))

    @property
    def specular_to_scattered(self) -> float:
        """Rician K of the power at any one frequency, linear; 0 without a specular part."""
        specular = self.delay_profile.specular
        return specular / (1.0 - specular)

    @property
    def law(self) -> ExponentialPower | RicianPower:
        """Law of the power at any one frequency (of many sinusoids, where it is a sum of them)."""
        k = self.specular_to_scattered
        return RicianPower(k=k) if k else ExponentialPower()

    def frequency_correlation(self, spacing: ArrayLike) -> Any:
        """``E[H(f + spacing) H*(f)]``, complex (spacing in Hz)."""
        return self.delay_profile.frequency_correlation(spacing, self.delay_spread)
