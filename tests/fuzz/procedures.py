"""More of random scenarios: access, transport, HARQ, users, Wi-Fi, wires, standards and reach."""

from copy import deepcopy
from random import Random
from typing import Any

from tests.fuzz.networks import Data

_ACCESS = {
    "request_period": ("1 ms", "1 s"),
    "grant": (0, "0.1 s"),
    "inactivity": ("1 ms", "0.2 s"),
    "drx_inactivity": ("1 ms",),
    "drx_cycle": ("2 s",),
    "paging_cycle": ("10 ms",),
    "occasion_period": ("0.16 s",),
    "preambles": (2,),
    "response": (0,),
    "backoff": ("1 s",),
    "setup": (0,),
}
_TRANSPORT = {
    "kind": ("tcp", "quic"),
    "rtt": ("1 ms", "0.6 s"),
    "initial_window": (1, 1000),
    "segment": ("64 B",),
    "largest_window": ("2 MB",),
    "handshake": (0, 10),
    "idle": (0, "1 s"),
    "restart": (0, "1 h"),
}
_HARQ = {"round_trip": (1, 40), "error": (0.001, 0.85), "transmissions": (1, 16)}
_USERS = {
    "direction": ("uplink", "downlink"),
    "users": (1, 5),
    "size": ("10 kbit", "1 Mbit"),
    "spread": ("constant", "exponential"),
    "weight": (0.1, 5),
}


def extended(made: Data, rng: Random) -> Data:
    """Return a document of `networks.document` with more in its cells and groups."""
    cells = made["cells"]
    for cell in cells:
        _procedures(cell, rng)
    if made["rounds"]["kind"] != "over-the-air" and rng.random() < 0.2:
        cells[0] = _other(rng)
        made["cells"] = cells[:1] if "layout" in made else cells
    elif rng.random() < 0.5:
        _link(cells, rng)
    reaches = ("exclude",) if made["rounds"]["kind"] == "over-the-air" else ("exclude", "outage")
    for group in made["devices"]:
        if rng.random() < 0.5:
            group["reach"] = rng.choice(reaches)
        if group.get("reach") == "outage":
            group["give_up"] = rng.choice(("0.1 s", "2 s"))
        if rng.random() < 0.2:
            group["indoor"] = rng.choice((0.5, 1))
    return made


def _some(table: dict[str, tuple[Any, ...]], rng: Random) -> Data:
    return {key: rng.choice(values) for key, values in table.items() if rng.random() < 0.4}


def _procedures(cell: Data, rng: Random) -> None:
    """Put procedures and users into a cell of NR."""
    if rng.random() < 0.3:
        cell["access"] = _some(_ACCESS, rng)
    if rng.random() < 0.3:
        cell["transport"] = _some(_TRANSPORT, rng)
    for side in ("uplink", "downlink"):
        if rng.random() < 0.2:
            cell[side]["harq"] = _some(_HARQ, rng)
    if rng.random() < 0.2:
        cell["traffic"] = [_users(rng) | rng.choice(({}, {"reserved": "20 %"}))]


def _users(rng: Random) -> Data:
    near = {"radius": "60 m", "min_distance": "36 m", "power": "30 dBm"}
    when = rng.choice(({"interval": "0.2 s"}, {"on": "0.1 s", "off": "1 s"}))
    return _some(_USERS, rng) | near | when


def _other(rng: Random) -> Data:
    """Return a cell of Wi-Fi, wires or NB-IoT."""
    wifi = {
        "carrier": "5.2 GHz",
        "wifi": rng.choice(({}, {"frames": 1})),
        "channel": {"pathloss": {"kind": "umi", "condition": "mixed"}},
        "downlink": {"power": "30 dBm"},
        "traffic": [_users(rng)],
    }
    narrow = {"standard": "nb-iot", "carrier": "900 MHz", "channel": {"pathloss": "macro"}}
    made: Data = rng.choice((wifi, {"wired": "10 Mbit/s"}, narrow))
    if rng.random() < 0.3:
        made["transport"] = _some(_TRANSPORT, rng)
    return made


def _link(cells: list[Data], rng: Random) -> None:
    """Give all cells links of another kind, the same for each."""
    up, down = cells[0]["uplink"], cells[0]["downlink"]
    layers = {"kind": "layers", "ports": 4, "layers": rng.choice((1, 4)), "map": "mcs"}
    for side in (up, down):
        if rng.random() < 0.4:
            side["rate"] = rng.choice((layers, {"kind": "mcs", "modulation": 4}))
        if rng.random() < 0.3:
            side["allocator"] = {"kind": "water-filling", "blocks": "proportional-fair"}
    if rng.random() < 0.4:
        up["power_control"] = {"alpha": 0.8, "closed": {"sinr": rng.choice(("-5 dB", "40 dB"))}}
    if rng.random() < 0.3 and up.get("rate") != "attenuated-shannon":
        up["power_reduction"] = {"allocation": rng.choice(("outer", "inner"))}
    if rng.random() < 0.4:
        cells[0]["channel"] = {"pathloss": rng.choice(("uma", "umi", "uma-av"))}
    for cell in cells[1:]:
        for key in ("uplink", "downlink", "channel"):
            cell[key] = deepcopy(cells[0][key])
