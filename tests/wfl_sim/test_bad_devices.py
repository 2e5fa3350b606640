"""What is wrong with a device is one located line."""

import pytest

from wfl_sim.loading import ScenarioError, load

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
        ("start (s),end (s),power (W)\n0,0,2\n", "2: end must be after start 0 s, got 0 s"),
    ],
)
def test_a_wrong_harvest_is_one_line(files, text, message):
    (files.folder / "sun.csv").write_text(text)
    line = "s.yaml:24: devices.0.battery.harvest: sun.csv:"
    found = refusal(files, "battery: {capacity: 20 Wh, harvest: sun.csv}")
    assert found == f"{line} {message}" if text == "" else f"{line}{message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("device,start (s)\n0,1\n", "1: needs one column 'end', header is 'device,start (s)'"),
        ("device,start (s),end (s)\n0.5,0,1\n", "2: device must be an integer, got 0.5"),
        (
            "device,start (s),end (s)\n0,0,5\n1,0,9\n0,4,6\n",
            "4: start must be after 5 s, where the row before of device 0 ends, got 4 s",
        ),
    ],
)
def test_a_wrong_recording_is_one_line(files, text, message):
    (files.folder / "there.csv").write_text(text)
    found = refusal(files, "availability: {kind: trace, path: there.csv}")
    assert found == f"s.yaml:24: devices.0.availability: there.csv:{message}"
