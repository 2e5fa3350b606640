"""What is wrong with a device is one located line."""

import pytest

from wfl_sim.config.errors import ScenarioError
from wfl_sim.scenario.loading import load
from wfl_sim.simulation.run import prepare

AREA = "    area: {radius: 300 m}\n"


def refusal(files, added):
    file = files.changed(AREA, f"{AREA}    {added}\n")
    with pytest.raises(ScenarioError) as caught:
        load(file)
    return files.short(caught.value)


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ("battery: -5 Wh", "battery: must be greater than 0 J, got -5 Wh"),
        ("battery: 20 W", "battery: '20 W' is not in J (write for example 20 Wh)"),
        ("battery: true", "battery: must be a number or a text such as '20 Wh', got True"),
        (
            "battery: {capacity: 20 Wh, cutof: 5 %}",
            "battery.cutof: unknown key 'cutof', did you mean 'cutoff'?",
        ),
        ("battery: {cutoff: 5 %}", "battery.capacity: is required and missing"),
        (
            "battery: {capacity: 20 Wh, initial: 5 %, cutoff: 10 %}",
            "battery.initial: must be greater than cutoff 0.1, got 0.05",
        ),
        (
            "battery: {capacity: 20 Wh, cutoff: 30 %}",
            "battery.restart: must be greater than cutoff 0.3, got 0.2",
        ),
        (
            "battery: {capacity: 1 mJ, cutoff: 10 %, restart: 15 %, charging: 5 W}",
            "battery.capacity: must be at least 0.1 J, so that 5 W charge it from cutoff to "
            "restart in 1 ms or more, got 0.001 J",
        ),
        (
            "battery: {capacity: 20 Wh, harvest: sun.csv}",
            "battery.harvest: no such file: sun.csv",
        ),
        ("away_power: -1 W", "away_power: must be at least 0 W, got -1 W"),
        (
            "availability: markof",
            "availability: unknown availability 'markof', did you mean 'markov'?",
        ),
        ("availability: {kind: markov, on: 5 s}", "availability.off: is required and missing"),
        (
            "availability: {kind: diurnal, start: 22 h, duration: 24 h}",
            "availability.duration: must be less than period 86400 s, got 86400 s",
        ),
    ],
)
def test_a_wrong_device_is_one_line(files, added, message):
    assert refusal(files, added) == f"s.yaml:24: devices.0.{message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must have a header and at least one row"),
        ("start (s),end (s)\n0,1\n", "1: needs one column 'power', header is 'start (s),end (s)'"),
        (
            "start (s),end (s),power\n0,1,2\n",
            "1: column 'power' must name its unit, as in 'power (W)'",
        ),
        (
            "start (s),end (s),power (J)\n0,1,2\n",
            "2: power: '2 J' is not in W (write for example 23 dBm)",
        ),
        ("start (s),end (s),power (W)\n0,1,x\n", "2: power must be a number, got 'x'"),
        ("start (s),end (s),power (W)\n0,1\n", "2: power must be a number, got 'nothing'"),
        ("start (s),end (s),power (W)\n0,1,-3\n", "2: power: must be at least 0 W, got -3 W"),
        (
            "start (h),end (h),power (W)\n0,1,2\n1.5,2,2\n",
            "3: a gap: starts at 5400 s, must start at 3600 s, where the row before ends",
        ),
        (
            "start (s),end (s),power (W)\n0,2,2\n1,3,2\n",
            "3: an overlap: starts at 1 s, must start at 2 s, where the row before ends",
        ),
        (
            "start (s),end (s),power (W)\n0,1,2,5\n",
            "2: must have at most the 3 cells of the header, got 4",
        ),
        ("start (s),end (s),power (W)\n0,0,2\n", "2: end must be after start 0 s, got 0 s"),
    ],
)
def test_a_wrong_harvest_is_one_line(files, text, message):
    (files.folder / "sun.csv").write_text(text)
    line = "s.yaml:24: devices.0.battery.harvest: sun.csv:"
    found = refusal(files, "battery: {capacity: 20 Wh, harvest: sun.csv}")
    assert found == f"{line} {message}" if text == "" else f"{line}{message}"


def test_a_trace_that_is_no_text_is_one_line(files):
    (files.folder / "sun.csv").write_bytes(b"\xff\xfe")
    found = refusal(files, "battery: {capacity: 20 Wh, harvest: sun.csv}")
    assert found == "s.yaml:24: devices.0.battery.harvest: sun.csv: must be a text in UTF-8"


def test_a_folder_is_no_trace(files):
    (files.folder / "sun").mkdir()
    found = refusal(files, "battery: {capacity: 20 Wh, harvest: sun}")
    assert found == "s.yaml:24: devices.0.battery.harvest: is a folder, not a file: sun"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "device,start (s)\n0,1\n",
            "1: needs one column 'end' (columns: device, start (s), end (s)), header is "
            "'device,start (s)'",
        ),
        ("device,start (s),end (s)\n0.5,0,1\n", "2: device must be an integer, got 0.5"),
        (
            "device,start (s),end (s)\n0,0,5\n1,0,9\n0,4,6\n",
            "4: start must be at least 5 s, where the row before of device 0 ends, got 4 s",
        ),
    ],
)
def test_a_wrong_recording_is_one_line(files, text, message):
    (files.folder / "there.csv").write_text(text)
    found = refusal(files, "availability: {kind: trace, path: there.csv}")
    assert found == f"s.yaml:24: devices.0.availability: there.csv:{message}"


def test_devices_numbered_from_one_are_one_line(files):
    (files.folder / "there.csv").write_text("device,start (s),end (s)\n1,0,5\n2,0,5\n3,0,5\n")
    found = refusal(files, "availability: {kind: trace, path: there.csv}")
    assert "must number devices from 0 on: it has no row of device 0, and rows of device 3" in found


def test_a_recording_of_others_is_one_line(files):
    (files.folder / "there.csv").write_text("device,start (s),end (s)\n70,0,5\n")
    found = refusal(files, "availability: {kind: trace, path: there.csv}")
    assert "devices.0.availability" in found
    assert "nobody is ever there" in found
    assert "\n" not in found


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ("precision: fp17", "precision: must be one of"),
        ("weights: int3", "weights: must be one of"),
        ("memory: swap", "memory: must be one of 'report', 'exclude', got 'swap'"),
        ("frequency: energy-optimal", "frequency.deadline: is required and missing"),
        ("jitter: lognormal", "jitter.cv: is required and missing"),
        ("jitter: {kind: lognormal, cv: -1}", "jitter.cv: must be greater than 0, got -1"),
        ("load: busy.csv", "load: busy.csv:2: load: must be at most 1, got 1.5"),
        ("load: full.csv", "load: full.csv: load is 1 throughout, so no update ever ends"),
        ("table: none.csv", "table: no such file: none.csv"),
        ("table: half.csv", "table: half.csv:1: column 'power (W)' is missing"),
        ("table: zero.csv", "table: zero.csv:2: power (W) must be a number above 0, got '0'"),
        ("table: twice.csv", "table: twice.csv:4: measures m 1x1 on h as line 2 does: keep one"),
        ("table: part.csv", "table: part.csv:2: batch must be a whole number, got '1.5'"),
    ],
)
def test_a_wrong_way_to_compute_is_one_line(files, added, message):
    head = "model,batch,tokens,tokens_per_second,hardware,source"
    for name, text in {
        "busy.csv": "start (s),end (s),load\n0,1,1.5\n",
        "full.csv": "start (s),end (s),load\n0,1,1\n",
        "half.csv": f"{head}\nm,1,1,1,h,s\n",
        "zero.csv": f"{head},power (W)\nm,1,1,1,h,s,0\n",
        "twice.csv": f"{head},power (W)\nm,1,1,1,h,s,1\nm,1,1,1,g,s,1\nm,1,1,2,h,s,1\n",
        "part.csv": f"{head},power (W)\nm,1.5,1,1,h,s,1\n",
    }.items():
        (files.folder / name).write_text(text)
    found = refusal(files, f"compute: {{{added}}}")
    assert found.startswith(f"s.yaml:24: devices.0.compute.{message}")


@pytest.mark.parametrize(
    ("added", "message"),
    [
        (
            "dvfs: {highest: 1 GHz, lowest: 2 GHz, static_power: 1 W}",
            "dvfs.lowest: must be at most",
        ),
        ("dvfs: {highest: 1 GHz, lowest: 1 MHz, static_power: 90 W}", "dvfs.static_power: must be"),
        (
            "thermal: {resistance: 5, time_constant: 9 s, throttle: 60 °C, resume: 70 °C, "
            "throttled: 0.5}",
            "thermal.resume: must lie between ambient 25 °C and throttle 60 °C, got 70 °C",
        ),
        ("thermal: {resistance: 5, time_constant: 9 s}", "thermal.throttle: is required"),
        (
            "thermal: {resistance: 5 W, time_constant: 9 s}",
            "thermal.resistance: '5 W' is not in K/W (write for example 5 K/W)",
        ),
        ("thermal: {resistance: 5 K/W, time_constant: 9 s}", "thermal.throttle: is required"),
        (
            "thermal: {resistance: 5, time_constant: 9 s, throttle: hot, resume: 50 °C, "
            "throttled: 0.5}",
            "thermal.throttle: 'hot' is not a quantity",
        ),
        ("peaks: {fp8: 1 TFLOP/s}", "peaks.fp8"),
    ],
)
def test_wrong_hardware_is_one_line(files, added, message):
    hardware = f"hardware: {{base: jetson-orin-nano, {added}}}"
    file = files.changed("hardware: jetson-orin-nano", hardware)
    with pytest.raises(ScenarioError) as caught:
        load(file)
    assert files.short(caught.value).startswith(f"s.yaml:22: devices.0.hardware.{message}")


def test_a_clock_needs_hardware_that_has_one(files):
    clock = "    compute: {frequency: {kind: fixed, share_of_highest: 1}}\n"
    (loaded,) = load(
        files.changed(AREA, AREA + clock), settings=["devices.0.hardware=raspberry-pi-5"]
    )
    with pytest.raises(ScenarioError) as caught:
        prepare(loaded, print)
    assert files.short(caught.value) == (
        "s.yaml:24: devices.0.compute.frequency: needs hardware with `dvfs`, raspberry-pi-5 "
        "has none"
    )
