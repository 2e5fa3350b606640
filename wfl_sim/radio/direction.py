"""Direction: towards the base station or away from it."""

from typing import Literal

Direction = Literal["uplink", "downlink"]
