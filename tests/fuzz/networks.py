"""Random scenarios that are meant to be valid: cells, devices, rounds, each with many options."""

from random import Random
from typing import Any

Data = dict[str, Any]


def document(rng: Random) -> Data:
    """Return the document of a scenario of at most 15 devices and some seconds."""
    layout = _layout(rng)
    cells = _cells(rng, layout)
    sites = 1 if layout is None else 3
    groups = [_group(rng, layout) for _ in range(rng.choice((1, 1, 2, 3)))]
    total = sum(group["count"] for group in groups)
    kind = _rounds_kind(rng, several=sites + len(cells) > 2)
    method = _method(rng, kind)
    made: Data = {
        "name": "drawn",
        "seed": rng.randrange(1000),
        "model": _model(rng, method),
        "method": method,
        "rounds": _rounds(rng, kind, total),
        "cells": cells,
        "devices": groups,
    }
    if layout is not None:
        made["layout"] = layout
    if len(cells) > 1 or layout is not None:
        made["interference"] = rng.choice(("coupled", "coupled", "load-average", "none"))
        if rng.random() < 0.3:
            made["handover"] = {
                "hysteresis": rng.choice(("0 dB", "3 dB")),
                "time_to_trigger": rng.choice(("0 s", "256 ms")),
                "interruption": rng.choice(("0 s", "30 ms", "1 s")),
            }
    if kind == "hierarchical":
        made["backhaul"] = _backhaul(rng, edges=True)
        # These rounds have no `until`, and a weak link would take minutes of the clock.
        made["model"]["payload"] = rng.choice(("1 bit", "10 kbit", "100 kbit"))
    elif rng.random() < 0.15:
        made["backhaul"] = _backhaul(rng, edges=False)
    if kind != "over-the-air" and rng.random() < 0.4:
        made["payload"] = {"upload": _codec(rng)}
    if kind in ("asynchronous", "tiers") and rng.random() < 0.4 and _averages(method):
        made["server"] = {"staleness": rng.choice(("delta", "mixing"))}
    if rng.random() < 0.2:
        made["evaluation"] = rng.choice(({"every": 2}, {"interval": "5 s"}))
    if rng.random() < 0.1:
        made["carbon"] = "carbon.csv"
    return made


def short_document(rng: Random) -> Data:
    """Return the document of a scenario whose keys are nearly all left to their defaults."""
    kind = rng.choice(("synchronous", "asynchronous", "deadline", "over-selection", "tiers"))
    group = {"count": rng.randrange(1, 5), "hardware": "raspberry-pi-5"}
    extra = {"deadline": {"deadline": "9 s"}, "over-selection": {"take": 1}, "tiers": {"tiers": 1}}
    return {
        "name": "short",
        "model": {"kind": "synthetic", "payload": "1 Mbit", "flops_per_step": "2 GFLOP"},
        "method": rng.choice(("fedit", "pftt", "fedavg")),
        "rounds": {"kind": kind, "count": 2, **extra.get(kind, {})},
        "cells": [{"bandwidth": "20 MHz"}],
        "devices": [group],
    }


def _averages(method: Data) -> bool:
    return method["kind"] in ("fedit", "fedprox", "fedper", "fedavg", "adapters-only", "pftt")


def _model(rng: Random, method: Data) -> Data:
    model = {
        "kind": "synthetic",
        "payload": rng.choice(("1 bit", "1 kbit", "100 kbit", "1 Mbit", "1 Mbit", "2 Mbit")),
        "flops_per_step": rng.choice(("1 FLOP", "1 GFLOP", "20 GFLOP", "20 GFLOP", "100 GFLOP")),
    }
    if rng.random() < 0.2:
        model |= {"memory": "1 GB", "frozen": "0.5 GB", "traffic_per_step": "3 GB"}
    if method["kind"] == "splitlora":
        share = rng.choice((0, 0.3, 1))
        bits = rng.choice(("1 bit", "50 kbit", "1 Mbit"))
        model["cut"] = {"activations": bits, "device_share": share}
    return model


def _method(rng: Random, rounds: str) -> Data:
    kinds = ["fedit", "fedit", "fedprox", "fedper", "fedavg", "adapters-only", "pftt"]
    if rounds not in ("over-the-air", "hierarchical"):
        kinds += ["local-only", "ditto", "splitlora", "splitlora"]
        # A buffer of one combines nothing.
        kinds += ["scaffold", "flora"] if rounds != "asynchronous" else []
        kinds += ["fedalt"] if rounds not in ("asynchronous", "tiers") else []
    method: Data = {"kind": rng.choice(kinds), "local": {"steps": rng.choice((1, 2, 5))}}
    if method["kind"] == "fedalt":
        method["delivery"] = rng.choice(("broadcast", "unicast"))
    if method["kind"] == "scaffold":
        method["local"] |= {"optimizer": "sgd"}
    return method


def _codec(rng: Random) -> Any:
    share = {"share": rng.choice((0.01, 0.5, 1))}
    return rng.choice(
        (
            "fp16",
            "bf16",
            {"kind": "int8", "updates": True},
            "int4",
            {"kind": "top-k", **share},
            {"kind": "random-mask", **share},
        )
    )


def _layout(rng: Random) -> Data | None:
    if rng.random() < 0.75:
        return None
    return {
        "kind": "hexagonal",
        "rings": rng.choice((0, 1)),
        "spacing": rng.choice(("200 m", "500 m")),
        "sectors": (sectors := rng.choice((1, 1, 3))),
        "reuse": (reuse := rng.choice((1, 3))),
        "wrap_around": rng.random() < 0.5 and (reuse == 1 or sectors == 3),
    }


def _cells(rng: Random, layout: Data | None) -> list[Data]:
    cell = _cell(rng, sectors=layout is not None and layout["sectors"] == 3)
    if layout is not None or rng.random() < 0.6:
        return [cell]
    # Cells of one band interfere, so they share all that a band must have in common.
    other = {**cell, "position": [rng.choice((300, 900)), 0], "bias": rng.choice((0, 6))}
    return [cell, other, {**cell, "position": [0, 600]}][: rng.choice((2, 3))]


def _cell(rng: Random, *, sectors: bool) -> Data:
    carrier, spacing, bands = rng.choice(
        (
            ("3.5 GHz", "30 kHz", ("5 MHz", "10 MHz", "20 MHz", "100 MHz")),
            ("2 GHz", "15 kHz", ("5 MHz", "10 MHz", "20 MHz")),
            ("3.5 GHz", "60 kHz", ("10 MHz", "40 MHz")),
            ("700 MHz", "15 kHz", ("5 MHz",)),
        )
    )
    cell: Data = {
        "carrier": carrier,
        "subcarrier_spacing": spacing,
        "bandwidth": rng.choice(bands),
        "channel": _channel(rng),
        "uplink": _side(rng) | _up(rng),
        "downlink": _side(rng) | _down(rng),
    }
    if rng.random() < 0.25:
        cell["tdd"] = {"pattern": rng.choice(("DDDSU", "DSUUU", "DDSUU", "SU", "DU"))}
    if sectors or rng.random() < 0.1:
        cell["antenna"] = {"kind": "sector", "beamwidth": "65 deg"}
    if rng.random() < 0.25:
        cell["station"] = rng.choice(
            (
                {"kind": "earth", "type": "macro", "sleep": rng.random() < 0.5},
                {"kind": "tr-38864", "unit": "10 W", "idle": "light"},
                {"kind": "tr-38864", "unit": "10 W", "light_after": "10 ms", "deep_after": "1 s"},
            )
        )
        cell["downlink"]["power"] = "46 dBm"
    if rng.random() < 0.2:
        cell["backhaul"] = {"latency": rng.choice((0, 1, "5 ms")), "capacity": "2 Mbit/s"}
    return cell


def _channel(rng: Random) -> Data:
    spread = {"delay_spread": rng.choice(("30 ns", "300 ns", "1 us"))}
    profile = {"profile": rng.choice(("flat", "tdl-a", "tdl-c"))}
    condition = {"condition": rng.choice(("los", "nlos", "mixed"))}
    return {
        "pathloss": rng.choice(
            (
                "macro",
                "free-space",
                {"kind": "uma", **condition},
                {"kind": "umi", **condition},
                {"kind": "rma", **condition},
                {"kind": "log-distance", "exponent": 3.5, "reference": "1 m"},
                {"kind": "power-law", "loss": "30 dB", "exponent": 3},
            )
        ),
        "shadowing": rng.choice(
            ({"sigma": "0 dB"}, {"sigma": "6 dB"}, {"kind": "map", "decorrelation": "20 m"})
        ),
        "fading": rng.choice(
            (
                "static",
                {"kind": "rayleigh", **profile, **spread},
                {"kind": "rayleigh", **profile, **spread},
                {"kind": "rician", "k_factor": "9 dB"},
                {"kind": "nakagami", "m": rng.choice((0.5, 1, 3))},
                {"kind": "block", **profile, "duration": rng.choice(("1 ms", "20 ms"))},
            )
        ),
    }


def _allocator(rng: Random) -> Data:
    return rng.choice(
        (
            {"kind": "equal"},
            {"kind": "proportional-fair", "turns": rng.choice((1, 4, 1000))},
            {"kind": "max-ci"},
            {"kind": "round-robin"},
            {"kind": "hungarian", "fair": rng.random() < 0.5},
            {"kind": "weighted", "by_bits": rng.random() < 0.5},
            {"kind": "fixed", "channels": rng.choice((1, 3, 200))},
            {"kind": "earliest-deadline", "within": rng.choice(("1 ms", "10 s", "1e10 s"))},
            {"kind": "minimum-makespan"},
            {"kind": "minimum-energy", "within": rng.choice(("1 ms", "0.5 s", "2 s"))},
        )
    )


def _side(rng: Random) -> Data:
    side: Data = {
        "allocator": _allocator(rng),
        "rate": rng.choice(
            (
                "shannon",
                {"kind": "shannon-gap", "gap": "3 dB"},
                "attenuated-shannon",
                {"kind": "mcs", "table": "256qam", "transmissions": rng.choice((1, 4))},
                {"kind": "finite-blocklength", "blocklength": 300, "error": 0.001},
            )
        ),
        "subband": rng.choice((1, 1, 0, 4, 11)),
        "csi_delay": rng.choice((0, 0, "4 ms", "100 ms")),
        "csi_error": rng.choice((0, 0, 0.1, 1)),
        "averaging": rng.choice(("0.2 s", "1 us", "100 s")),
        "overhead": rng.choice((0, 0.1, 0.9)),
        "access_delay": rng.choice((0, 0, "10 ms")),
        "header": rng.choice((0, 0, 0.05, 1)),
    }
    return {key: value for key, value in side.items() if rng.random() < 0.4}


def _up(rng: Random) -> Data:
    up: Data = {}
    if rng.random() < 0.2:
        up["power_control"] = {"target": "-80 dBm", "alpha": rng.choice((0.8, 1))}
    if rng.random() < 0.2:
        up["block_snr"] = rng.choice(("0 dB", "-10 dB", "20 dB"))
    if rng.random() < 0.25:
        up["loss"] = rng.choice(
            (
                {"kind": "constant", "rate": rng.choice((0, 0.3, 1))},
                {"kind": "waterfall", "threshold": 0.023},
            )
        )
    return up


def _down(rng: Random) -> Data:
    if rng.random() < 0.3:
        return {"broadcast": False}
    down: Data = {"rateless": rng.random() < 0.3}
    if rng.random() < 0.2:
        down["share"] = rng.choice((0, 0.5, 1))
    return down


def _group(rng: Random, layout: Data | None) -> Data:
    count = rng.choice((1, 1, 2, 3, 5))
    group: Data = {
        "count": count,
        "hardware": rng.choice(
            (
                "jetson-orin-nano",
                "raspberry-pi-5",
                "raspberry-pi-5-uncooled",
                "phone-flagship",
                {"base": "laptop-gpu", "step_overhead": 0},
            )
        ),
        "area": _area(rng) if layout is None else {"kind": "cells", "min_distance": "36 m"},
        "power": rng.choice(("23 dBm", "23 dBm", "10 dBm", "30 dBm")),
        "speed": rng.choice(("3 km/h", 0, "100 km/h")),
        "mobility": _mobility(rng),
        "availability": _availability(rng, count),
    }
    if rng.random() < 0.3:
        group["battery"] = _battery(rng)
    if rng.random() < 0.15:
        group["modem"] = {"unit": "10 mW", "sleep": rng.choice(("deep", "light", "awake"))}
    if rng.random() < 0.2:
        group["away_power"] = rng.choice((0, "1 W"))
    if rng.random() < 0.4:
        group["compute"] = _compute(rng, group["hardware"])
    return group


def _area(rng: Random) -> Data:
    if rng.random() < 0.2:
        return {"kind": "rectangle", "width": "200 m", "height": "99 m", "min_distance": "36 m"}
    return {"radius": rng.choice(("50 m", "200 m", "400 m")), "min_distance": "36 m"}


def _mobility(rng: Random) -> Data:
    moves = rng.choice(
        (
            {"kind": "random-waypoint", "slowest": "1 m/s", "fastest": "30 m/s", "pause": "2 s"},
            {"kind": "gauss-markov", "speed": "20 m/s", "sigma": "5 m/s", "memory": "9 s"},
            {"kind": "gauss-markov", "speed": "0", "sigma": "3 m/s", "interval": "0.1 s"},
        )
    )
    return moves if rng.random() < 0.4 else {"kind": "static"}


def _availability(rng: Random, count: int) -> Data:
    if rng.random() < 0.65:
        return {"kind": "always"}
    kinds = [
        {"kind": "markov", "on": rng.choice(("0.1 s", "3 s", "1 h")), "off": "1 s"},
        {"kind": "diurnal", "start": "0.001 h", "duration": "1 h", "spread": "5 s"},
        {"kind": "diurnal", "start": 0, "duration": "3 s", "period": "6 s"},
    ]
    if count == 2:
        kinds.append({"kind": "trace", "path": "there.csv"})
    return rng.choice(kinds)


def _battery(rng: Random) -> Data:
    battery: Data = {
        "capacity": rng.choice(("20 J", "100 J", "20 Wh", "1 J")),
        "initial": rng.choice((1, 0.5, 0.2)),
        "cutoff": rng.choice((0, 0.1)),
        "restart": rng.choice((0.15, 0.5)),
        "charging": rng.choice((0, "5 W", "20 W")),
    }
    if rng.random() < 0.3:
        battery["harvest"] = "power.csv"
    return battery


def _compute(rng: Random, hardware: Any) -> Data:
    compute: Data = {
        "jitter": {
            "kind": rng.choice(("gamma", "lognormal", "shifted-exponential")),
            "cv": rng.choice((0.01, 0.3, 1)),
        }
    }
    if rng.random() < 0.3:
        compute["load"] = "load.csv"
    if hardware == "jetson-orin-nano":
        compute["frequency"] = rng.choice(
            (
                "full",
                {"kind": "fixed", "share_of_highest": 0.5},
                {"kind": "energy-optimal", "deadline": "10 s"},
            )
        )
    return compute


def _rounds_kind(rng: Random, *, several: bool) -> str:
    kinds = ["synchronous", "synchronous", "over-selection", "deadline", "asynchronous", "tiers"]
    kinds += ["centralised"] if rng.random() < 0.2 else []
    kinds += ["hierarchical"]
    kinds += [] if several else ["over-the-air"]
    return rng.choice(kinds)


def _rounds(rng: Random, kind: str, devices: int) -> Data:
    clients = rng.randrange(1, devices + 1)
    rounds: Data = {"kind": kind, "count": rng.choice((1, 3, 6))}
    if kind == "centralised":
        return rounds
    rounds["clients"] = clients
    if kind == "over-selection":
        rounds["take"] = rng.randrange(1, clients + 1)
    if kind == "deadline":
        rounds["deadline"] = rng.choice(("1 ms", "0.5 s", "5 s"))
        rounds["late"] = rng.choice(("drop", "fold"))
    if kind == "asynchronous":
        rounds["buffer"] = rng.choice((1, 2, 5))
        rounds |= rng.choice(({}, {"oldest": 1}))
    if kind == "tiers":
        rounds |= {"tiers": rng.randrange(1, min(3, devices) + 1), "clients": 0}
    if kind == "hierarchical":
        rounds |= {"count": 4, "cloud_every": rng.choice((1, 2, 4))}
    else:
        rounds["until"] = rng.choice(("8 s", "8 s", "8 s", "3 s", "1 ms"))
    rounds["select"] = rng.choice(
        (
            "random",
            "random",
            "all",
            "round-robin",
            "best-channel",
            {"kind": "energy-aware", "reserve": 0.1},
            {"kind": "fedcs", "deadline": rng.choice(("0.1 s", "9 s")), "solve": "greedy"},
            {"kind": "fedcs", "deadline": "9 s", "solve": "exact"},
            {"kind": "tifl", "tiers": min(2, devices)},
        )
    )
    return rounds


def _backhaul(rng: Random, *, edges: bool) -> Data:
    trunk = {"capacity": rng.choice(("2 Mbit/s", "10 Gbit/s")), "latency": rng.choice((0, "1 s"))}
    if not edges:
        links = [{"hub": "switch", "ends": ["cells"], "latency": "1 ms"}]
        return {"links": [{"hub": "server", "ends": ["switch"], **trunk}, *links]}
    return {
        "edge_servers": ["edge"],
        "links": [
            {"hub": "server", "ends": ["edge"], **trunk},
            {"hub": "edge", "ends": ["cells"], "latency": "1 ms"},
        ],
    }
