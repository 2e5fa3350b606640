"""Keys of a scenario that are not as they seem, each said in one line before it runs."""

from collections import Counter
from collections.abc import Iterator
from math import log10
from pathlib import Path
from typing import Any, Final

from channel_models import (
    CYCLIC_PREFIX,
    AttenuatedShannon,
    RMa,
    RMaAV,
    UMa,
    UMaAV,
    UMi,
    UMiAV,
    symbol_duration,
)
from wfl_sim.config.errors import Location
from wfl_sim.device_models.availability import TraceAvailability
from wfl_sim.device_models.mobility.trace import Trace
from wfl_sim.radio.allocation import MinimumEnergy, MinimumMakespan
from wfl_sim.radio.allocation.allocator import ALLOCATORS
from wfl_sim.radio.bands.cochannel import shares_bands
from wfl_sim.radio.cell import CellConfig
from wfl_sim.radio.channel.propagation import FROZEN, PATHLOSSES
from wfl_sim.radio.power.base_station_power import EarthModel
from wfl_sim.rounds import Asynchronous, Centralised, OverTheAir
from wfl_sim.scenario.loading import Loaded
from wfl_sim.scenario.scenario import Scenario
from wfl_sim.simulation.round_remarks import (
    edge_remarks,
    robust_remarks,
    stale_remarks,
    warm_up_remarks,
)

_LOUDEST: Final = 4.0
"""W: terminals of TS 38.101 radiate 35 dBm at most, stations of Wi-Fi 36 dBm."""
_LATE: Final = 0.01
"""Share of the power beyond the cyclic prefix from which that is said: 20 dB below the rest."""
_FLAT: Final = 0.2
"""Delay spread times bandwidth at which inverting each block takes 9 % more power than the mean."""
_MEANT: Final = 50.0
"""No power of a device is a larger number of dBm; more W are meant as they are."""


def trace_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield the keys of traces that do not fit their group or the clock of the run, and how."""
    for number, group in enumerate(scenario.devices):
        for key, trace in (("availability", group.availability), ("mobility", group.mobility)):
            if not isinstance(trace, TraceAvailability | Trace):
                continue
            if unused := trace.unused(group.count):
                yield ("devices", number, key), f"{Path(trace.path).name} has {unused}"


def frozen_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield the groups that do not move at all where fading follows the Doppler shift."""
    follows = any(cell.channel.follows_speed for cell in scenario.base_stations)
    for number, group in enumerate(scenario.devices):
        if follows and group.pace == 0:
            yield (
                ("devices", number, "speed"),
                f"{FROZEN} for the whole run (`static` has no fading, `block` draws anew)",
            )


def loud_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield the powers of devices that were perhaps meant in dBm and are read in W."""
    for number, group in enumerate(scenario.devices):
        if _LOUDEST < group.power <= _MEANT:
            yield (
                ("devices", number, "power"),
                f"{group.power:g} W are {10 * log10(group.power) + 30:.1f} dBm, more than any "
                f"class of terminal has (write `{group.power:g} dBm` if that is meant)",
            )


def burst_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield what the average load misses, where rounds send to all devices at one moment."""
    averaged = scenario.interference == "load-average" and scenario.load_memory > 0
    waits = not isinstance(scenario.rounds, Asynchronous | Centralised)
    if averaged and waits and shares_bands(scenario.base_stations):
        yield (
            ("interference",),
            f"the load of neighbours is an average over {scenario.load_memory:g} s, so the bursts "
            "of synchronous rounds meet too little of it (`load_memory: 0 s` takes the moment)",
        )


def sector_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield the base stations that are charged for a whole site each, where they share one."""
    sites = Counter(cell.position for cell in scenario.base_stations)
    for number, cell in enumerate(scenario.cells):
        station, most = cell.station, max(sites.values())
        shares = most if scenario.layout is not None else sites[cell.position]
        if not isinstance(station, EarthModel) or station.transceivers is not None:
            continue
        if station.type in ("macro", "rrh") and shares > 1:
            yield (
                ("cells", number, "station"),
                f"each of {shares} cells at one place is charged for the transceivers of a site "
                "(`transceivers: 2` are those of a sector)",
            )


def wifi_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield the access points that share their channel with others, whom they do not hear here."""
    channels = Counter(cell.carrier for cell in scenario.base_stations if cell.wifi is not None)
    for number, cell in enumerate(scenario.cells):
        if cell.wifi is not None and (others := channels[cell.carrier] - 1):
            yield (
                ("cells", number, "wifi"),
                f"{others} more access points are on this carrier, and neither contend nor "
                "interfere with it: each has a channel of its own",
            )


def modem_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield the modems whose states are those of NR, where stations contend for a channel."""
    if any(cell.wifi is not None for cell in scenario.base_stations):
        for number, group in enumerate(scenario.devices):
            if group.modem is not None:
                yield (
                    ("devices", number, "modem"),
                    "the states of TR 38.840 know no contention: over Wi-Fi a sender draws that of "
                    "its mean radiated power as long as a transfer lasts, which is too much",
                )


def rate_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield the uplinks that have the default constants of a rate, which are the downlink's."""
    for number, cell in enumerate(scenario.cells):
        if getattr(cell.uplink.rate, "map", cell.uplink.rate) == AttenuatedShannon():
            yield (
                ("cells", number, "uplink", "rate"),
                "attenuated-shannon has the constants of the downlink unless given: those of the "
                "uplink are `attenuation: 0.4, cap: 2` (TR 36.942 Annex A)",
            )


def height_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield base stations at heights for which a path loss of TR 38.901 was not fitted."""
    for number, cell in enumerate(scenario.cells):
        model = cell.channel.pathloss
        if isinstance(model, UMa | UMi | UMaAV | UMiAV) and cell.cellular:
            fitted = model.default_base_height
            if cell.base_height != fitted and cell.channel.link_gains is None:
                yield (
                    ("cells", number, "height"),
                    f"{PATHLOSSES.label(model)} is of base stations at {fitted:g} m (TR 38.901 "
                    f"Table 7.4.1-1): at {cell.base_height:g} m its formulas are extrapolated",
                )


def twin_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield the cells that no device can tell from one before, which therefore serves them."""
    seen: dict[tuple[Any, ...], int] = {}
    for number, cell in enumerate(scenario.cells if scenario.layout is None else ()):
        place = (cell.position, cell.carrier, cell.antenna, cell.base_height, cell.bias)
        first = seen.setdefault((*place, cell.downlink.power, cell.channel.pathloss), number)
        if first != number and cell.wired is None:
            yield (
                ("cells", number, "position"),
                f"cells {first} and {number} have one place, carrier, power and antenna: devices "
                f"measure the same of both and attach to cell {first}",
            )


def entry_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield the walls that TR 38.901 does not give to a rural cell."""
    indoor = any(group.indoor for group in scenario.devices)
    for number, cell in enumerate(scenario.cells if indoor else ()):
        rural = isinstance(cell.channel.pathloss, RMa | RMaAV)
        if rural and cell.channel.entry.model == "high":
            text = "TR 38.901 7.4.3.1 has walls of low loss alone in rural cells"
            yield ("cells", number, "channel", "entry", "model"), text


def echo_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield the channels whose paths outlast the cyclic prefix, which disturbs nothing here."""
    for number, cell in enumerate(scenario.cells):
        if not cell.cellular or cell.ideal_blocks is not None or cell.standard == "nb-iot":
            continue
        prefix = CYCLIC_PREFIX * symbol_duration(cell.subcarrier_spacing)
        late = 0.0
        for law in _fadings(cell):
            if (profile := getattr(law, "delay_profile", None)) is not None:
                beyond = profile.delays * law.delay_spread > prefix
                late = max(late, float(profile.tap_powers[beyond].sum()))
        if late > _LATE:
            yield (
                ("cells", number, "subcarrier_spacing"),
                f"{late:.1%} of the power comes later than the cyclic prefix of {prefix * 1e6:.2g} "
                "us, and the interference between symbols that it makes is left out",
            )


def flat_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield the bands that sums over the air take as flat, and whose channels are not."""
    cells = scenario.base_stations if isinstance(scenario.rounds, OverTheAir) else ()
    for number, cell in enumerate(cells):
        spreads = [
            profile.rms_delay_spread() * law.delay_spread
            for law in _fadings(cell)
            if (profile := getattr(law, "delay_profile", None)) is not None
        ]
        if (spread := max(spreads, default=0.0)) * cell.bandwidth > _FLAT:
            yield (
                ("cells", number, "channel", "fading"),
                f"over the air the band is taken as flat, and at a delay spread of "
                f"{spread * 1e9:.3g} ns its blocks fade apart: the error of the average is too "
                "small (docs/rounds.md)",
            )


def _fadings(cell: CellConfig) -> list[Any]:
    """Return the laws of fading that the links of a cell may have."""
    condition = getattr(cell.channel.pathloss, "condition", "mixed")
    drawn = {"nlos": cell.fadings[:1], "los": cell.fadings[1:]}.get(condition, cell.fadings)
    return [getattr(each, "fading", each) for each in drawn]


def window_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield the transports whose windows hide from an allocator what it plans by."""
    for number, cell in enumerate(scenario.cells):
        for side in (cell.uplink, cell.downlink):
            plans = isinstance(side.allocator, MinimumEnergy | MinimumMakespan)
            if cell.transport is not None and plans:
                yield (
                    ("cells", number, "transport"),
                    f"{ALLOCATORS.label(side.allocator)} plans with the bits of the present window "
                    "alone, so the first ones of a transfer take its time and may miss a deadline",
                )


def scenario_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield the keys that are not as they seem, each with a line."""
    for remark in (
        trace_remarks,
        frozen_remarks,
        burst_remarks,
        loud_remarks,
        sector_remarks,
        wifi_remarks,
        modem_remarks,
        rate_remarks,
        height_remarks,
        twin_remarks,
        entry_remarks,
        echo_remarks,
        flat_remarks,
        window_remarks,
        robust_remarks,
        stale_remarks,
        warm_up_remarks,
        edge_remarks,
    ):
        yield from remark(scenario)


def located_remarks(loaded: Loaded) -> Iterator[str]:
    """Yield these lines with the place in the file of the key that each is about."""
    for path, text in scenario_remarks(loaded.scenario):
        yield str(loaded.document.error(path, text))
