"""What allocators may know of devices beside their links."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from channel_models.validation import FloatArray
from wfl_sim.network.devices.device import Device
from wfl_sim.radio.allocation.allocator import unknown_senders


def sender_facts(
    fleet: Sequence[Device], devices: NDArray[np.intp], watts: FloatArray
) -> dict[str, Any]:
    """Return the fields of `Statistics` from `battery_level` on.

    Of users beside the federation nothing is known. What is drawn is taken as affine between almost
    nothing radiated and all.
    """
    if (others := devices >= len(fleet)).any():
        facts = unknown_senders(devices, watts)
        if not others.all():
            for name, values in sender_facts(fleet, devices[~others], watts[~others]).items():
                facts[name][~others] = values
        return facts
    found = [fleet[number] for number in devices.tolist()]
    radios = [each.transceiver.radio for each in found]
    circuit, full = (
        np.array([radio.transmit_power(w) for radio, w in zip(radios, some, strict=True)])
        for some in ((1e-6 * watts).tolist(), watts.tolist())
    )
    return {
        "battery_level": np.array([each.battery_level for each in found]),
        "compute_left": np.array([each.compute_left for each in found]),
        "base_age": np.array([each.base_age for each in found]),
        "circuit": circuit,
        "amplifier": np.maximum(full - circuit, 1e-9),
    }
