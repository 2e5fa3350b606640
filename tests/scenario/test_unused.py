"""Keys that have no effect are said, those that have one are not; suggestions look deeper."""

import pytest

from tests.fixtures.scenario_files import GOOD
from wfl_sim.config.errors import ScenarioError
from wfl_sim.scenario.loading import load, remarks
from wfl_sim.scenario.resolve import to_yaml

TRAINED = GOOD.replace(
    "model: {kind: synthetic, payload: 2 Mbit, flops_per_step: 20 GFLOP}",
    "model: {pretrained: builtin:tiny-bert}\ndata: newswire",
)
BOARD = "{base: raspberry-pi-5, receive_power: 3 W}"
SLOW = "{base: raspberry-pi-5, bandwidth: 1 GB/s}"
OTHER = "{carrier: 2.1 GHz, subcarrier_spacing: 15 kHz, position: [300, 0]}"
THREE = "layout={kind: hexagonal, rings: 0, sectors: 3}"
NEAR = "devices.0.area={radius: 60 m, min_distance: 5 m}"
OFFICE = "cells.0.channel.pathloss=inh"
INSIDE = "{channel: {pathloss: inh, entry: {model: high}}}"
RISING = [*range(29)]
AIR = "rounds={kind: over-the-air, count: 2}"
NOTHING = "with a synthetic model, which trains nothing and has its payload given"


def said(files, *settings, text=GOOD):
    lines = remarks(load(files.write(text), settings=settings))
    return [line[line.index("has no effect") :] for line in lines if "has no effect" in line]


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (["load_memory=3 s"], "has no effect without `interference: load-average`"),
        (["load_memory=10 s"], None),
        (["load_memory=3 s", "interference=load-average"], "has no effect with one cell"),
        (
            ["backhaul={links: [{hub: a, ends: [server, cell-0]}], edge_servers: [a]}"],
            "hierarchical",
        ),
        (["backhaul={links: [{hub: a, ends: [server, cell-0]}]}"], None),
        (
            [
                "backhaul={links: [{hub: a, ends: [server, cell-0]}], edge_servers: [a]}",
                "rounds.kind=hierarchical",
                "rounds.count=2",
                "method.kind=fedit",
            ],
            None,
        ),
        (["method.lora.rank=4"], f"has no effect {NOTHING}"),
        (["method.adapter.bottleneck=32"], f"has no effect {NOTHING}"),
        (["method.local.steps=9"], None),
        (["method.local.lr=1e-4", "method.local.batch=3"], f"has no effect {NOTHING}; nor has"),
        (["payload.upload=fp16"], f"has no effect {NOTHING}"),
        (["cells.0.uplink.allocator=equal", "cells.0.uplink.averaging=1 s"], "looks at no average"),
        (["cells.0.uplink.averaging=1 s"], None),
        (["evaluation={every: 3}"], f"has no effect {NOTHING}"),
        (["server.robust=median", "method.kind=fedit"], f"has no effect {NOTHING}"),
        (["evaluation={interval: 9 s}"], f"has no effect {NOTHING}"),
        (["cells.0.bias=3 dB"], "has no effect where all cells have the same"),
        (
            ["cells.0.bias=3 dB", "layout={kind: hexagonal, rings: 1}"],
            "has no effect where all cells have the same",
        ),
        ([f"cells=[{{bias: 3 dB}}, {OTHER}]"], None),
        (["cells.0.channel.entry={model: high}"], "has no effect where no device is in a building"),
        (["cells.0.channel.entry={model: high}", "devices.0.indoor=0.5"], None),
        ([OFFICE, "devices.0.indoor=0.5"], "where all cells are in the building"),
        (
            [f"cells=[{INSIDE}, {OTHER}]", "devices.0.indoor=0.5"],
            "where the cell is in the building",
        ),
        (
            ["cells.0.channel.pathloss={kind: uma, condition: los, optional_nlos: true}"],
            "line of sight",
        ),
        (["cells.0.channel.pathloss={kind: uma, optional_nlos: true}"], None),
        (
            ["cells.0.channel.pathloss={kind: inh, condition: los, office: open}", NEAR],
            "`condition` fixes",
        ),
        (["cells.0.channel.pathloss={kind: inh, office: open}", NEAR], None),
        (["cells.0={height: 40 m, channel: {pathloss: macro}}"], "knows no heights"),
        (["cells.0={height: 40 m, antenna: sector, channel: {pathloss: macro}}"], None),
        (["cells.0.channel.pathloss=macro", "devices.0.height=9 m"], "knows no heights"),
        (["devices.0.height=9 m"], None),
        (["cells.0.channel.fading=block", "devices.0.speed=9 m/s"], "a pace of its own"),
        ([f"cells.0.uplink.rate={{kind: mcs, gap: 1 dB, thresholds: {RISING}}}"], "thresholds"),
        (["cells.0.uplink.rate={kind: mcs, gap: 1 dB}"], None),
        (["cells.0.uplink.rate={kind: mcs, modulation: 8}"], "no more bits a symbol"),
        (["cells.0.uplink.rate={kind: mcs, modulation: 8, table: 256qam}"], "no more bits"),
        (["cells.0.uplink.rate={kind: mcs, modulation: 4}"], None),
        (["cells.0.antenna={kind: panel, columns: 4}"], "fixed beams are ports"),
        (["cells.0.antenna={kind: panel, columns: 4, misalignment: 2 deg}"], None),
        (["cells.0.downlink.rateless=true", "rounds.clients=1"], "in rounds of one device"),
        (["cells.0.downlink.rateless=true"], None),
        (["cells.0.channel.fading={kind: block, delay_spread: 99 ns}"], "with a flat profile"),
        (["cells.0.channel.fading={kind: block, delay_spread: 99 ns, profile: tdl-a}"], None),
        (["cells.0.tdd={pattern: DU, special: [8, 4, 2]}"], "in a pattern without a special slot"),
        (["cells.0.tdd={special: [8, 4, 2]}"], None),
        (
            ["devices.0.modem=3 mW", f"devices.0.hardware={BOARD}"],
            "has no effect beside a `modem`, which has powers of its own",
        ),
        ([f"devices.0.hardware={BOARD}"], None),
        (["devices.0.battery={capacity: 1 Wh, restart: 0.5}"], "battery that is never charged"),
        (["devices.0.battery={capacity: 1 Wh, restart: 0.5, charging: 1 W}"], None),
        (["rounds.select=best-channel"], None),
        (["rounds.select=best-channel", "rounds.clients=0"], "where every device is asked"),
        (["cells.0.downlink.allocator=max-ci"], "one broadcast, alone on the band"),
        (["cells.0.downlink={allocator: max-ci, broadcast: false}"], None),
        (["cells.0.downlink.harq={}"], "to several, who report no failures"),
        (["cells.0.downlink={harq: {}, broadcast: false}"], None),
        (["cells.0.downlink.harq={}", "rounds.clients=1"], None),
        (["cells.0.antenna={kind: panel, misalignment: 2 deg, downtilt: 6 deg}"], "beam that"),
        (["cells.0.antenna={kind: panel, downtilt: 6 deg}"], None),
        (["cells.0.antenna={kind: omni, gain: 5 dB}", THREE], "antennas have a direction"),
        (["cells.0.antenna={kind: sector, boresight: 45 deg}", THREE], "to 30, 150 and 270"),
        (["cells.0.antenna={kind: sector, boresight: 45 deg}"], None),
        (["cells.0.antenna={kind: panel, downtilt: 6 deg}", THREE], None),
        (["cells.0.downlink={allocator: max-ci, csi_error: 0.1, broadcast: false}"], None),
        (["cells.0.uplink={allocator: equal, subband: 4}"], "shares are alike on all blocks"),
        (["cells.0.uplink={allocator: round-robin, subband: 4}"], None),
        (["cells.0.uplink={allocator: equal, subband: 4, block_snr: 0 dB}"], None),
        (["cells.0.uplink={allocator: minimum-makespan, csi_error: 0.1}"], "looks at no channel"),
        (
            [
                "cells.0.uplink={allocator: {kind: minimum-makespan, knowledge: instantaneous}, "
                "csi_error: 0.1}"
            ],
            None,
        ),
        (["cells.0.traffic=[{power: 10 dBm}]"], "on users that receive"),
        (["cells.0.traffic=[{power: 10 dBm, direction: uplink}]"], None),
        (
            ["rounds={kind: centralised, count: 2}", "method=fedit"],
            "in centralised training, which sends nothing",
        ),
        (["cells.0.downlink={allocator: max-ci, share: 0.5}"], None),
        (["cells.0.downlink.allocator=water-filling"], None),
        (["cells.0.downlink.allocator=max-ci", "cells.0.traffic=[{interval: 1 s}]"], None),
        (["cells.0.downlink.allocator=max-ci", "devices.0.mobility=random-waypoint"], None),
        (["cells.0.traffic=[{users: 2, size: 1 Mbit}]"], "on full buffers"),
        (["cells.0.traffic=[{users: 2, size: 1 Mbit, interval: 1 s, weight: 2}]"], "no weight"),
        (["cells.0.traffic=[{interval: 1 s, weight: 2, direction: uplink}]"], None),
        (["cells.0={wifi: {}, traffic: [{weight: 2}]}"], "beside `wifi` or `wired`"),
        (["cells.0.uplink.csi_delay=9 ms"], None),
        ([AIR, "method=fedit", "cells.0.uplink.loss={kind: constant, rate: 0.5}"], "over the air"),
        ([AIR, "method=fedit", "cells.0.downlink.header=0.5"], None),
        (["cells.0.uplink.csi_delay=9 ms", "cells.0.channel.fading=static"], "without fading"),
        (["cells.0.downlink.csi_error=0.1"], "looks at no channel, and a rate that follows"),
        (["cells.0.downlink={csi_error: 0.1, rate: mcs}"], None),
        (["cells.0.uplink={csi_error: 0.1, allocator: equal, block_snr: 0 dB}"], None),
        (["cells.0.uplink={csi_error: 0.1, allocator: equal}"], "looks at no channel"),
        (["cells.0.traffic=[{users: 2, reserved: 0.2, weight: 2}]"], "among the users of a slice"),
        (["devices.0.speed=9 m/s"], None),
        (["cells.0={wired: 1 Gbit/s, uplink: {csi_error: 0.1}}"], "beside `wifi` or `wired`"),
        (["cells.0={wired: 1 Gbit/s, channel: {fading: static}}"], "the one cell is `wired`"),
        (["cells.0={wired: 1 Gbit/s, uplink: {outside: 1 pW}}"], "the one cell is `wired`"),
        (["cells.0={wired: 1 Gbit/s, uplink: {header: 0.1}}"], None),
        (["cells.0={wifi: {}, downlink: {power: 20 dBm, noise_figure: 9 dB}}"], None),
        (["devices.0.away_power=1 W"], "has no effect for devices that are always there"),
        (["devices.0.away_power=1 W", "devices.0.battery=1 Wh"], "that are always there"),
        (["devices.0.away_power=1 W", "devices.0.mobility=random-waypoint"], None),
        (["devices.0.away_power=1 W", "devices.0.reach=exclude"], None),
        (
            ["devices.0.away_power=1 W", "devices.0.availability={kind: markov, on: 9, off: 9}"],
            None,
        ),
        (["cells.0={wired: 1 Gbit/s}", "devices.0.power=10 dBm"], "the one cell is `wired`"),
        (["cells.0={wired: 1 Gbit/s}", "devices.0.reach=outage"], "the one cell is `wired`"),
        ([f"cells=[{{}}, {OTHER}]", "interference=load-average"], "no two cells share a band"),
        ([f"cells=[{{}}, {OTHER}]", "interference=none"], None),
        (["devices.0.compute.weights=nf4"], "of which no bytes are `frozen`"),
        (["devices.0.compute.weights=nf4", "model.memory=9 kB", "model.frozen=8 kB"], None),
        (["devices.0.compute.memory=exclude"], "which fits everywhere"),
        (["model.traffic_per_step=1 kB", f"devices.0.hardware={SLOW}"], None),
        (
            ["rounds.clients=1", "rounds.select=energy-aware"],
            "has no effect where no device has a battery: it is `random`",
        ),
        (["rounds.clients=1", "rounds.select=energy-aware", "devices.0.battery=1 Wh"], None),
        (["rounds.clients=0", "rounds.select=energy-aware"], "where every device is asked"),
        (["rounds.select={kind: oort, alpha: 3}"], "has no effect without a `preferred`"),
        (["rounds.select={kind: oort, alpha: 3, preferred: 1 s}"], None),
        (["server.staleness={kind: delta, exponent: 2}"], f"has no effect {NOTHING}"),
    ],
)
def test_what_has_no_effect_is_said(files, settings, line):
    found = said(files, *settings)
    assert len(found) == (line is not None)
    assert line is None or line in found[0]


def test_a_rank_that_changes_what_is_sent_has_an_effect(files):
    """Devices of another rank send another share of what the method's own rank makes."""
    method = "method={kind: hetlora, lora: {rank: 4}}"
    assert said(files, method, "devices.0.rank=2") == []
    (line,) = said(files, method)
    assert line == f"has no effect {NOTHING}"


def test_with_training_others_have_none(files):
    """Beside a table of measured steps; and rules of privacy without noise."""
    table = files.folder / "t.csv"
    table.write_text(
        "model,batch,tokens,tokens_per_second,power (W),hardware,source\n"
        "m,8,16,9,3,raspberry-pi-5,us\n"
    )
    settings = ["devices.0.hardware={base: raspberry-pi-5, peak: 99 GFLOP/s}"]
    assert said(files, *settings, text=TRAINED) == []
    settings += ["devices.0.compute.precision=fp32", f"devices.0.compute.table={table}"]
    (line,) = said(files, *settings, text=TRAINED)
    assert line == (
        "has no effect beside a `table` of measured seconds and watts; "
        "nor has devices.0.hardware.peak"
    )
    (line,) = said(files, "evaluation={every: 3, interval: 9 s}", text=TRAINED)
    assert line == "has no effect beside `interval`"
    (line,) = said(files, "privacy={clip: 1.0, delta: 1e-6}", text=TRAINED)
    assert line == "has no effect without a `noise_multiplier`"
    (line,) = said(files, "privacy={}", text=TRAINED)
    assert line == "has no effect without a `clip` and without `secure_aggregation`"
    assert (
        said(files, "privacy={secure_aggregation: {}}", "server.weights=equal", text=TRAINED) == []
    )
    (line,) = said(files, "privacy={clip: 1.0, accountant: pld}", text=TRAINED)
    assert line == "has no effect without a `noise_multiplier`"
    (line,) = said(files, "data={kind: newswire, concept_shift: 0.01}", text=TRAINED)
    assert line == "has no effect on so few devices: the share is none of them"


ONE = ["method=fedit", "rounds={kind: asynchronous, count: 2}"]
NOISE = "privacy={clip: 1.0, noise_multiplier: 1.0, noise: local}"


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (["method=fedit", "server={robust: median, weights: equal}"], "beside `robust`, which"),
        ([*ONE, "server.weights=equal"], "where an aggregation has one upload"),
        ([*ONE, "server.weights=equal", NOISE], None),
        (
            ["method=fedit", "rounds={kind: centralised, count: 2}", "server.weights=equal"],
            "where an aggregation has one upload",
        ),
        (["method=fedit", "server={robust: median, weights: equal}", NOISE], None),
        (["method=fedit", "rounds.clients=2", "server.weights=equal"], None),
        (["method=local-only", "rounds.clients=2", "server.weights=equal"], "shares no part"),
        (["method=scaffold", "rounds.clients=2", "server.weights=equal"], "weigh the same"),
        (["method=fedalt", "rounds.clients=2", "server.weights=equal"], "weigh the same"),
    ],
)
def test_weights_have_no_effect_where_nothing_is_weighed(files, settings, line):
    found = [each for each in said(files, *settings, text=TRAINED) if "centralised" not in each]
    assert len(found) == (line is not None)
    assert line is None or line in found[0]


def test_an_allocator_of_one_broadcast_has_no_use_for_knowledge(files):
    alone = "cells.0.downlink={allocator: max-ci, csi_error: 0.1, subband: 2}"
    assert len(said(files, alone)) == 2
    both = remarks(load(files.write(GOOD), settings=[alone]))
    assert "cells.0.downlink.csi_error: has no effect" in both[0]
    assert both[1].endswith("alone on the band; nor has cells.0.downlink.subband")
    assert said(files, alone.replace("}", ", broadcast: false}")) == []


WAITS = "has no effect in rounds that wait for all or drop what is late"


@pytest.mark.parametrize(
    ("rounds", "staleness", "line"),
    [
        ("{kind: synchronous, count: 2}", "{kind: delta, exponent: 2}", WAITS),
        ("{kind: synchronous, count: 2}", "mixing", None),
        ("{kind: synchronous, count: 2}", "{kind: mixing, alpha: 0.5, exponent: 2}", WAITS),
        ("{kind: joint-plan, count: 2, within: 9 s}", "{kind: delta, exponent: 2}", WAITS),
        ("{kind: deadline, count: 2, deadline: 9 s}", "{kind: delta, exponent: 2}", WAITS),
        (
            "{kind: deadline, count: 2, deadline: 9 s, late: fold}",
            "{kind: delta, exponent: 2}",
            None,
        ),
        ("{kind: asynchronous, count: 2}", "{kind: mixing, exponent: 2}", None),
    ],
)
def test_staleness_has_no_effect_where_nothing_is_stale(files, rounds, staleness, line):
    """But for alpha of `mixing`, which moves the shared state by so much of a fresh upload, too."""
    settings = [f"rounds={rounds}", f"server.staleness={staleness}", "method=fedit"]
    if "joint-plan" in rounds:
        settings.append("cells.0.uplink.allocator=assigned")
    found = said(files, *settings, text=TRAINED)
    assert len(found) == (line is not None)
    assert line is None or line in found[0]


@pytest.mark.parametrize(
    ("method", "line"),
    [
        ("{kind: pfit, algorithm: dpo, weight: 0.9}", "with `dpo`, which learns from pairs"),
        ("{kind: pfit, algorithm: dpo, temperature: 2}", None),
        ("{kind: pfit, weight: 0.9}", None),
        ("{kind: pfit, algorithm: {kind: ppo, adapt: 0.2}}", "without a `target_kl`"),
        ("{kind: pfit, algorithm: {kind: ppo, adapt: 0.2, target_kl: 3}}", None),
        ("{kind: pfit, algorithm: {kind: ppo, target_kl: 3}, local: {steps: 1}}", "one step, or"),
        ("{kind: pfit, algorithm: {kind: ppo, target_kl: 3, kl: 0}}", "or `kl: 0`"),
        (
            "{kind: pfit, algorithm: {kind: grpo, minibatches: 1, clip: 0.1}}",
            "before which no probability has changed",
        ),
        ("{kind: pfit, algorithm: {kind: ppo, minibatches: 1, clip: 0.1}}", None),
        ("{kind: pwff, lora: {dropout: 0.1}}", "with an `algorithm`: nothing drops out"),
        ("{kind: local-only, weight: 0.9, temperature: 2}", "without an `algorithm`; nor has"),
        ("{kind: local-only, lora: {rank: 4}}", None),
        ("{kind: local-only, layers: 1, lora: {rank: 4}}", "beside `layers`, which learn"),
        ("{kind: pwff, attention: {pattern: local}}", "at `ratio: 1`, which keeps all pairs"),
        ("{kind: pfit, attention: {pattern: local, ratio: 0.5}}", None),
        ("{kind: pftt, head: private}", "with a language model, which has no head"),
    ],
)
def test_keys_of_a_method_that_its_algorithm_does_not_use(files, method, line):
    text = TRAINED.replace("tiny-bert}\ndata: newswire", "tiny-gpt2-instruct}\ndata: instruct")
    first, last = text.index("method:"), text.index("rounds:")
    found = said(files, text=f"{text[:first]}method: {method}\n{text[last:]}")
    assert len(found) == (line is not None)
    assert line is None or line in found[0]


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (["method=local-only", "payload.upload=int8"], "with a method that shares no part"),
        (["privacy={clip: 1.0, cohort: 3}"], "since the rounds tell the size of a cohort"),
        (["method=fedavg", "model.activations=1 GB"], "where all weights learn"),
        (["method=fedit", "model.activations=1 GB"], None),
        (["method=fedit", "model.activations=1 GB", "data=instruct"], "with answers"),
    ],
)
def test_keys_that_methods_and_rounds_leave_without_effect(files, settings, line):
    found = said(files, *settings, text=TRAINED)
    assert len(found) == (line is not None)
    assert line is None or line in found[0]


def test_with_training_these_keys_have_an_effect(files):
    settings = ["method.lora.rank=4", "method.local.batch=3", "payload.upload=fp16"]
    assert said(files, *settings, text=TRAINED) == []


def test_what_has_an_effect_in_one_variant_is_fine(files):
    text = (
        GOOD
        + "load_memory: 3 s\n"
        + "layout: {kind: hexagonal, rings: 1}\n"
        + "sweep: {variants: {a: {interference: load-average}, b: }}\n"
    )
    assert said(files, text=text) == []
    (line,) = said(files, text=text.replace("load-average", "none"))
    assert line == "has no effect without `interference: load-average`"


@pytest.mark.parametrize("settings", [[], ["cells.0={wifi: {}}"], ["devices.0.modem=3 mW"]])
def test_what_follows_from_other_keys_counts_as_not_written(files, settings):
    """The catalogue's bandwidth of a board and a cell's overhead: every file of a run has them."""
    (loaded,) = load(files.write(), settings=settings)
    (again,) = load(files.write(to_yaml(loaded.scenario)))
    assert again.scenario.cells[0].channel.entry is not None
    assert not remarks([again])


def test_the_line_has_its_place_and_is_there_once(files):
    file = files.write(GOOD + "load_memory: 3 s\nsweep: {seeds: [1, 2, 3]}\n")
    (line,) = remarks(load(file))
    assert files.short(line).startswith("s.yaml:24: load_memory: has no effect without")


def test_points_of_a_sweep_that_are_one_scenario_are_said(files):
    """What the sweep sets is laid over its variants, so that these two only seem to differ."""
    axes = "grid: {cells.0.bandwidth: [5 MHz, 10 MHz]}, seeds: [1, 2]"
    variants = "variants: {base: , wide: {cells.0.bandwidth: 40 MHz}}"
    (line,) = remarks(load(files.write(f"{GOOD}sweep: {{{variants}, {axes}}}\n")))
    alike = "base bandwidth=5 MHz and wide bandwidth=5 MHz are one scenario"
    assert line.endswith(f"{alike}; so are 3 other groups of runs")
    assert not remarks(load(files.write(f"{GOOD}sweep: {{{axes}}}\n")))


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("method.lr", "'local.lr'"),
        ("method.rank", "'lora.rank'"),
        ("method.stepss", "'local.steps'"),
        ("cells.0.allocator", "'uplink.allocator' or 'downlink.allocator'"),
        ("bandwidth", "'cells.0.bandwidth'"),
        ("cells.0.bandwidht", "'bandwidth'"),
    ],
)
def test_suggestions_look_one_level_deeper(files, key, meant):
    with pytest.raises(ScenarioError, match=rf"unknown key .*, did you mean {meant}\?$"):
        load(files.write(), settings=[f"{key}=1"])


def test_beside_gains_from_a_file_the_large_scale_has_none(files):
    (files.folder / "gains.csv").write_text("device,gain (dB)\n0,-90\n1,-95\n2,-99\n")
    gains = f"cells.0.channel={{gains: {files.folder / 'gains.csv'}%s}}"
    assert said(files, gains % "") == []
    assert said(files, gains % ", fading: static, pathloss: umi") == []
    (line,) = said(files, gains % ", shadowing: {sigma: 6 dB}")
    assert line == "has no effect beside whole gains from a file"
    (line,) = said(files, gains % "", "cells.0.antenna=sector")
    assert line == "has no effect beside whole gains from a file"
