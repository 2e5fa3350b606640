"""First-order model of a board's temperature, with throttling.

tau dT/dt = T_ambient + R P - T. At constant power the temperature goes exponentially towards
T_ambient + R P, so the moment at which it reaches any other temperature is known in closed form.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from channel_models.elementary import exp, log
from channel_models.units import PositiveFraction, PositiveSeconds, Unit
from channel_models.validation import Validated
from wfl_sim.config.errors import LocatedError

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

_ZERO_CELSIUS = 273.15


@dataclass(frozen=True)
class Temperature:
    """Annotation of a temperature in K, which may be written as ``85 °C``."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> "CoreSchema":
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(self._kelvin, handler(source))

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        return {
            "anyOf": [{"type": "number"}, {"type": "string"}],
            "description": "a number in K, or a text such as '85 °C'",
        }

    def _kelvin(self, value: Any) -> Any:
        if isinstance(value, str) and value.strip().endswith(("°C", "degC")):
            number = value.strip().removesuffix("°C").removesuffix("degC").strip()
            try:
                value = float(number) + _ZERO_CELSIUS
            except ValueError:
                raise ValueError(f"{value!r} is not a temperature (write 85 °C)") from None
        return Unit("K", minimum=0.0, exclusive=True).parse(value)


@dataclass(frozen=True, kw_only=True)
class ThermalModel(Validated):
    """A thermal resistance and a time constant; throttling with hysteresis.

    At `throttle` the clock falls to the share `throttled` of the highest frequency, at `resume` it
    is free again.
    """

    resistance: Annotated[float, Unit("K/W", minimum=0.0, exclusive=True)]
    """From the board's power to the temperature of its hottest part, in K/W."""
    time_constant: PositiveSeconds
    throttle: Annotated[float, Temperature()]
    resume: Annotated[float, Temperature()]
    throttled: PositiveFraction
    ambient: Annotated[float, Temperature()] = 25.0 + _ZERO_CELSIUS

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.ambient < self.resume < self.throttle:
            raise LocatedError(
                f"must lie between ambient {_celsius(self.ambient)} and throttle "
                f"{_celsius(self.throttle)}, got {_celsius(self.resume)}",
                "resume",
            )

    def limit(self, power: float) -> float:
        """Return the temperature that `power` W lead to in the end, in K."""
        return self.ambient + self.resistance * power

    def after(self, start: float, power: float, elapsed: float) -> float:
        """Return the temperature after `elapsed` s at constant power, in K."""
        limit = self.limit(power)
        return limit + (start - limit) * float(exp(-elapsed / self.time_constant))

    def reaches(self, start: float, power: float, target: float) -> float:
        """Return the s until the temperature is `target` at constant power; inf if it never is.

        t = tau ln((T_limit - T_start) / (T_limit - T_target)).
        """
        limit = self.limit(power)
        if (target - start) * (limit - target) <= 0:
            return math.inf
        return self.time_constant * float(log((limit - start) / (limit - target)))


def _celsius(kelvin: float) -> str:
    return f"{kelvin - _ZERO_CELSIUS:.5g} °C"
