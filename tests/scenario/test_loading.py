"""Scenario files: what loads, and the one line that says what does not."""

import pytest

from tests.fixtures.scenario_files import GOOD
from wfl_sim.config.errors import LocatedError, ScenarioError
from wfl_sim.scenario.loading import load

MODEL = "model: {kind: synthetic, payload: 2 Mbit, flops_per_step: 20 GFLOP}"
ALL = "5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 60, 70, 80, 90, 100"


def refusal(files, file, **options):
    with pytest.raises(ScenarioError) as caught:
        load(file, **options)
    return files.short(caught.value)


def test_the_good_scenario_loads(files):
    (loaded,) = load(files.write())
    assert loaded.scenario.name == "good"
    assert loaded.scenario.cells[0].bandwidth == 10e6
    assert loaded.scenario.method.lora.rank == 8
    assert loaded.scenario.device_count == 3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        # misspelt keys, at every depth
        ("name: good", "namee: good", "1: namee: unknown key 'namee', did you mean 'name'?"),
        ("rank: 8", "rnak: 8", "7: method.lora.rnak: unknown key 'rnak', did you mean 'rank'?"),
        (
            "bandwidth:",
            "bandwidthh:",
            "15: cells.0.bandwidthh: unknown key 'bandwidthh', did you mean 'bandwidth'?",
        ),
        (
            "bandwidth:",
            "block_snr:",
            "15: cells.0.block_snr: unknown key 'block_snr', did you mean 'uplink.block_snr'?",
        ),
        (
            "profile:",
            "profle:",
            "18: cells.0.channel.fading.profle: unknown key 'profle', did you mean 'profile'?",
        ),
        (
            "radius: 300 m",
            "radios: 300 m",
            "23: devices.0.area.radios: unknown key 'radios', did you mean 'radius'?",
        ),
        (
            "hardware: jetson-orin-nano",
            "hardware: {base: jetson-orin-nano, memry: 8 GB}",
            "22: devices.0.hardware.memry: unknown key 'memry', did you mean 'memory'?",
        ),
        # misspelt kinds
        (
            "kind: synchronous",
            "kind: synchronos",
            "10: rounds.kind: unknown rounds 'synchronos', did you mean 'synchronous'?",
        ),
        (
            "allocator: proportional-fair",
            "allocator: proportional-fare",
            "19: cells.0.uplink.allocator: unknown allocator 'proportional-fare', "
            "did you mean 'proportional-fair'?",
        ),
        (
            "hardware: jetson-orin-nano",
            "hardware: jetson-orin-nan",
            "22: devices.0.hardware: unknown hardware 'jetson-orin-nan', "
            "did you mean 'jetson-orin-nano'?",
        ),
        (
            "profile: tdl-a",
            "profile: tdl-z",
            "18: cells.0.channel.fading.profile: must be one of 'flat', 'tdl-a', 'tdl-b', 'tdl-c', "
            "'tdl-d', 'tdl-e', got 'tdl-z'",
        ),
        # units
        (
            "bandwidth: 10 MHz",
            "bandwidth: 20 dBm",
            "15: cells.0.bandwidth: '20 dBm' is not in Hz (write for example 20 MHz)",
        ),
        (
            "bandwidth: 10 MHz",
            "bandwidth: wide",
            "15: cells.0.bandwidth: 'wide' is not a quantity (write for example 20 MHz)",
        ),
        # impossible values
        (
            "bandwidth: 10 MHz",
            "bandwidth: -10 MHz",
            "15: cells.0.bandwidth: must be greater than 0 Hz, got -10 MHz",
        ),
        (
            "bandwidth: 10 MHz",
            "bandwidth: 11 MHz",
            f"15: cells.0.bandwidth: must be one of {ALL} MHz at 30 kHz in FR1, got 11 MHz",
        ),
        (
            "bandwidth: 10 MHz",
            "bandwidth: .nan",
            "15: cells.0.bandwidth: must be a number of Hz, got NaN",
        ),
        (
            "carrier: 3.5 GHz",
            "carrier: 100 MHz",
            "14: cells.0.carrier: must be at least 5e+08 Hz, got 1e+08 Hz",
        ),
        (
            "clients: 2",
            "clients: 4",
            "12: rounds.clients: must be at most the number of devices, 3, got 4",
        ),
        ("rank: 8", "rank: 0", "7: method.lora.rank: must be at least 1, got 0"),
        ("count: 2", "count: 0", "11: rounds.count: must be at least 1, got 0"),
        ("count: 3", "count: 0", "21: devices.0.count: must be at least 1, got 0"),
        ("seed: 3", "seed: -1", "2: seed: must not be negative, got -1"),
        (
            "name: good",
            "name: a/b",
            "1: name: must be one word of letters, digits, . _ + -, got 'a/b'",
        ),
        (
            "name: good",
            "name: ..",
            "1: name: must be one word of letters, digits, . _ + -, got '..'",
        ),
        ("lr: 2e-3", "lr: .nan", "8: method.local.lr: must be finite, got nan"),
        ("lr: 2e-3", "momentum: 0.5", "8: method.local.momentum: belongs to optimizer: sgd"),
        (
            "radius: 300 m",
            "radius: 30 m",
            "23: devices.0.area.min_distance: must be smaller than radius 30 m, got 35 m, "
            "the default",
        ),
        (
            "radius: 300 m",
            "radius: 300 m, min_distance: 3 m",
            "23: devices.0.area.min_distance: must be at least 10 m for UMa, got 3 m",
        ),
        (
            "hardware: jetson-orin-nano",
            "hardware: {base: jetson-orin-nano, utilisation: 0}",
            "22: devices.0.hardware.utilisation: must be greater than 0, got 0",
        ),
        # several values where one is asked for
        (
            "seed: 3",
            "seed: [1, 2]",
            "2: seed: must be an integer, got [1, 2]; values for several runs stand in "
            "`sweep.seeds`",
        ),
        (
            "lr: 2e-3",
            "lr: [1e-3, 2e-3]",
            "8: method.local.lr: must be a number, got [0.001, 0.002]; values for several runs "
            "stand in `sweep.grid`",
        ),
        ("lr: 2e-3", "lr: []", "8: method.local.lr: must be a number, got an empty list"),
        ("lr: 2e-3", "lr: [{a: 1}]", "8: method.local.lr: must be a number, got [{'a': 1}]"),
        # kinds of value
        ("rank: 8", "rank: true", "7: method.lora.rank: must be an integer, got true"),
        ("rank: 8", "rank: 8.0", "7: method.lora.rank: must be an integer, got 8.0"),
        ("rank: 8", "rank: '8'", "7: method.lora.rank: must be an integer, got '8'"),
        ("rank: 8", "rank:", "7: method.lora.rank: must be an integer, got nothing"),
        ("lr: 2e-3", "lr: fast", "8: method.local.lr: must be a number, got 'fast'"),
        (
            "bandwidth: 10 MHz",
            "bandwidth: true",
            "15: cells.0.bandwidth: must be a number or a text such as '20 MHz', got True",
        ),
        ("name: good", "name: 8", "1: name: must be a text, got 8 (write it in quotes)"),
        (
            "area: {radius: 300 m}",
            "area: 300 m",
            "23: devices.0.area: unknown area '300 m' (known: cells, positions, rectangle, ring)",
        ),
        (
            "uplink: {allocator: proportional-fair}",
            "uplink: {allocator: 3}",
            "19: cells.0.uplink.allocator: must be a kind of allocator (assigned, "
            "earliest-deadline, equal, fixed, hungarian, max-ci, minimum-energy, "
            "minimum-makespan, proportional-fair, round-robin, water-filling, weighted) or a "
            "mapping with `kind`, got 3",
        ),
        (
            "    rank: 8",
            "    targets: query",
            "7: method.lora.targets: must be a list, got 'query'",
        ),
        (
            "radius: 300 m",
            "centre: [1 m]",
            "23: devices.0.area.centre: has too few items, got ['1 m']",
        ),
        (
            "radius: 300 m",
            "centre: [1, 2, 3]",
            "23: devices.0.area.centre: must have 2 items, got [1, 2, 3]",
        ),
        # what is missing
        ("name: good\n", "", "1: name: is required and missing"),
        (
            "  count: 2\n",
            "",
            "9: rounds.count: is missing: how many rounds, or `until`, a simulated time",
        ),
        ("    hardware: jetson-orin-nano\n", "", "21: devices.0.hardware: is required and missing"),
        (
            MODEL,
            "model: {pretrained: builtin:tiny-bert}",
            "1: data: is missing: a pretrained model learns from data",
        ),
        # files
        (
            "hardware: jetson-orin-nano",
            "hardware: board.yaml",
            "22: devices.0.hardware: board.yaml: no such file",
        ),
        (
            MODEL,
            "model: {pretrained: ./nothing}",
            "3: model.pretrained: no such folder: nothing",
        ),
        (
            MODEL,
            "model: {pretrained: builtin:tiny-bret}",
            "3: model: unknown builtin model 'tiny-bret', did you mean 'tiny-bert'? "
            "(known: helpfulness, safety, tiny-bert, tiny-gpt2, tiny-gpt2-instruct)",
        ),
        (
            MODEL,
            f"{MODEL}\ndata: {{kind: csv, path: x.csv}}",
            "4: data.path: no such file: x.csv",
        ),
        (
            MODEL,
            f"{MODEL}\ndata: {{kind: newswire, partition: {{kind: dirichlet, alpha: 0}}}}",
            "4: data.partition.alpha: must be positive and finite, got 0.0",
        ),
        (
            MODEL,
            f"{MODEL}\ndata: {{kind: csv, path: s.yaml, text: 3}}",
            "4: data.text: must be a text or a list, got 3 (write it in quotes)",
        ),
        (
            MODEL,
            f"{MODEL}\ndata: {{kind: csv, path: s.yaml, text: [title, 3]}}",
            "4: data.text.1: must be a text, got 3 (write it in quotes)",
        ),
    ],
)
def test_bad_input_is_one_located_line(files, old, new, message):
    assert refusal(files, files.changed(old, new)) == f"s.yaml:{message}"


def test_what_is_wrong_in_other_sections_is_named(files):
    file = files.changed("lr: 2e-3", "lr: fast")
    text = file.read_text().replace("radius: 300 m", "radius: wide")
    file.write_text(text.replace("name: good", "nam: good"))
    message = refusal(files, file)
    assert message.endswith("name'? (wrong as well: method.local.lr, devices.0.area.radius)")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("cells", "[]", "cells: at least one cell is needed"),
        ("devices", "[]", "devices: at least one group of devices is needed"),
        (
            "devices",
            "{}",
            "devices: must be a list (each item begins with '- '), got an empty mapping",
        ),
        ("devices", "", "devices: must be a list, got nothing"),
        (
            "devices",
            "{count: 3}",
            "devices: must be a list (each item begins with '- '), got {'count': 3}",
        ),
        (
            "devices",
            "[3]",
            "devices.0: must be a mapping of keys (count, hardware, power, area, ...) to values, "
            "got 3",
        ),
        (
            "cells",
            "[{tdd: DDDSU}]",
            "cells.0.tdd: must be a mapping of keys (pattern, special) to values, got 'DDDSU'",
        ),
    ],
)
def test_empty_and_misshapen_lists(files, key, value, message):
    kept = GOOD.split("cells:")[0]
    other = "devices" if key == "cells" else "cells"
    good = {"cells": "cells: [{}]\n", "devices": "devices: [{count: 3, hardware: edge-server}]\n"}
    text = f"{kept}{good[other]}{key}: {value}\n"
    assert refusal(files, files.write(text)) == f"s.yaml:14: {message}"


def test_a_broken_hardware_file_names_its_own_line(files):
    files.write("# mine\npeak: 1 TFLOP/s\nutilisation: 2\n", "board.yaml")
    file = files.changed("hardware: jetson-orin-nano", "hardware: board.yaml")
    assert refusal(files, file) == (
        "s.yaml:22: devices.0.hardware: board.yaml:3: utilisation: must be at most 1, got 2 (a "
        "bare number is a fraction, write for example 25 %)"
    )


def test_a_problem_found_later_is_located_too(files):
    (loaded,) = load(files.write())
    problem = LocatedError("is too far away", "devices", 0, "area")
    assert files.short(loaded.error(problem)) == "s.yaml:23: devices.0.area: is too far away"


def test_a_later_problem_that_names_a_key_is_about_that_key(files):
    text = GOOD + "data: {kind: newswire, tokens: 40}\n"
    (loaded,) = load(files.write(text))
    problem = LocatedError("tokens must be at most 32 for 'x', got 40", "model")
    assert files.short(loaded.error(problem)) == (
        "s.yaml:24: data.tokens: must be at most 32 for 'x', got 40"
    )


def test_paths_start_from_the_file_that_holds_them(files, monkeypatch):
    files.write("text,label\na,b\n", "sub/x.csv")
    (files.folder / "sub/net").mkdir()
    files.write("data: {kind: csv, path: x.csv}\nmodel: {pretrained: net}\n", "sub/base.yaml")
    text = GOOD.replace(MODEL, "extends: sub/base.yaml")
    monkeypatch.chdir("/")
    (loaded,) = load(files.write(text))
    assert loaded.scenario.data.path == str(files.folder / "sub/x.csv")
    assert loaded.scenario.model.pretrained == str(files.folder / "sub/net")


def test_a_name_that_is_no_folder_stays_a_name(files):
    file = files.changed(MODEL, "model: {pretrained: org/net}\ndata: newswire")
    assert load(file)[0].scenario.model.pretrained == "org/net"


def test_a_path_on_the_command_line_starts_from_the_working_directory(files, monkeypatch):
    files.write("text,label\na,b\n", "here/x.csv")
    monkeypatch.chdir(files.folder / "here")
    (loaded,) = load(files.write(), settings=["data={kind: csv, path: x.csv}"])
    assert loaded.scenario.data.path == str(files.folder / "here/x.csv")


def test_keys_can_be_laid_over_what_is_written_short(files):
    settings = [
        "devices.0.battery=20 Wh",
        "devices.0.battery.initial=0.5",
        "devices.0.hardware.memory=4 GB",
    ]
    (loaded,) = load(files.write(), settings=settings)
    group = loaded.scenario.devices[0]
    assert (group.battery.capacity, group.battery.initial) == (72_000.0, 0.5)
    assert (group.hardware.name, group.hardware.memory) == ("jetson-orin-nano", 4e9)
    settings = ["devices.0.battery=20 Wh", "devices.0.battery.capacity=5 Wh"]
    (loaded,) = load(files.write(), settings=settings)
    assert loaded.scenario.devices[0].battery.capacity == 18_000.0
    with pytest.raises(
        ScenarioError, match=r"devices\.0\.battery\.initial: must be at most 1, got 5"
    ):
        load(files.write(), settings=["devices.0.battery=20 Wh", "devices.0.battery.initial=5"])
    with pytest.raises(ScenarioError, match=r"devices\.0\.battery.* 'kind'"):
        load(files.write(), settings=["devices.0.battery={kind: good, capacity: 20 Wh}"])
