"""Texts that no scenario is: each is one short line, at once."""

import os

import pytest

from tests.fixtures.scenario_files import GOOD
from wfl_sim.config.csv_tables import read_rows
from wfl_sim.config.documents import read_yaml
from wfl_sim.config.errors import ScenarioError, one_line
from wfl_sim.scenario.loading import load


def refusal(files, text, *settings):
    with pytest.raises(ScenarioError) as caught:
        load(files.write(text), settings=settings)
    message = files.short(caught.value)
    assert len(message) < 1200
    assert message.isprintable()
    return message


def laughs(line, count=40):
    return "a0: &a0 {k: v}\n" + "".join(
        line.format(i=i, before=i - 1) + "\n" for i in range(1, count)
    )


@pytest.mark.parametrize(
    "text",
    [
        laughs("a{i}: &a{i} {{x: *a{before}, y: *a{before}}}"),
        laughs("a{i}: &a{i} [*a{before}, *a{before}]"),
        laughs("a{i}: &a{i}\n  <<: [*a{before}, *a{before}]\n  k{i}: v"),
    ],
)
def test_aliases_do_not_multiply_without_end(files, text):
    assert refusal(files, text).endswith(
        "must have at most 50,000 values, those that aliases repeat included"
    )


@pytest.mark.parametrize("text", ["a: " + "[" * 2000, "a:\n  " + "- " * 2000, "a: " + "[" * 150])
def test_a_document_has_a_depth(files, text):
    text += "]" * text.count("[")
    assert refusal(files, text).endswith("must have at most 100 levels")


def test_a_document_has_a_size(files):
    long = files.write("a: " + "b" * 140_000)
    with pytest.raises(ScenarioError, match="must have at most 128 KiB, got 137: put long lists"):
        read_yaml(long)
    assert "must have at most 128 KiB" in refusal(files, GOOD, f"label={'b' * 140_000}")


def test_a_pipe_or_a_device_is_not_waited_for(files):
    pipe = files.folder / "pipe.yaml"
    os.mkfifo(pipe)
    for file in (pipe, files.folder / "zero.yaml"):
        if file is not pipe:
            file.symlink_to("/dev/zero")
        with pytest.raises(ScenarioError, match="is a pipe or a device, not a file"):
            read_yaml(file)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("label: !!bool maybe", "label: 'maybe' is no bool"),
        ("label: !!float x", "label: 'x' is no float"),
        ("label: !!int 0b2", "label: '0b2' is no int"),
        ("label: 1" + "0" * 310, "label: must be an integer of 64 bits, got '1000000000"),
        ("label: 1" + "0" * 5000, "label: '1000000000"),
        ('label: "\\U00110000"', "not valid YAML: chr() arg not in range(0x110000)"),
        ('label: "\\ud800"', "label: must be a text without control characters"),
        ('label: "\\e[31m"', "label: must be a text without control characters"),
        ("label: ok\n%YAML 1.1\n---\n", "not valid YAML"),
        ("carbon: ~nosuchuser/x", "carbon: '~nosuchuser' is no user with a home folder"),
        ("extends: ~nosuchuser/x", "extends: '~nosuchuser' is no user with a home folder"),
        (f"extends: {'a' * 5000}", "extends: 'aaaaa"),
        ("carbon: ''", "carbon: must name a file, got an empty text"),
        ("carbon: {path: ' '}", "carbon.path: must name a file, got an empty text"),
        (f"carbon: {'a' * 5000}", "carbon: File name too long"),
        (f"{'a' * 900}: 1", ": unknown key 'aaaaa"),
        (f"interference: {'a' * 100_000}", "interference: must be one of"),
    ],
)
def test_what_the_parser_cannot_make_of_a_text_is_a_line(files, line, message):
    found = refusal(files, f"{GOOD}{line}\n")
    assert message in found


@pytest.mark.parametrize("key", ["carbon", "devices.0.battery.harvest", "devices.0.compute.table"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff", "must be a text in UTF-8"),
        (b"a" * 200_000, "is no CSV file: field larger than field limit"),
    ],
)
def test_a_table_that_cannot_be_read_is_a_line(files, key, content, message):
    table = files.folder / "t.csv"
    table.write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read: Is a directory"):
        read_rows(files.folder, {})
    settings = [f"{key}={table}"]
    if "harvest" in key:
        settings.insert(0, "devices.0.battery={capacity: 1 J}")
    assert f"t.csv: {message}" in refusal(files, GOOD, *settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("devices.0.hardware={base: {}}", "devices.0.hardware.base: unknown hardware an empty"),
        ("devices.0.hardware=~nosuchuser/x.yaml", "'~nosuchuser' is no user with a home"),
        ("devices.0.count=1000001", "devices.0.count: must be at most 1000000, got 1000001"),
        ("devices.0.speed=12 km/s", "devices.0.speed: fading would be sampled every 7.14e-07 s, "),
        ("cells.0.channel.fading={kind: block, duration: 1 ns}", "channel.fading: fading w"),
        ("evaluation.interval=1e-6 s", "evaluation.interval: must be at least 0.001 s, got 1e-6 s"),
        ("rounds={kind: asynchronous, count: 1, buffer: 2147483647}",
         "rounds.buffer: must be at most 300, a hundred updates of each device at work"),
        ("cells.0.uplink.allocator={kind: minimum-energy, within: 1e10 s}",
         "cells.0.uplink.allocator.within: must be at most 3600 s, got 1e10 s"),
        ("devices.0.availability={kind: markov, on: 1 us, off: 1 us}",
         "devices.0.availability.on: must be at least 0.001 s, got 1 us"),
        ("devices.0.mobility={kind: gauss-markov, interval: 1 us}",
         "devices.0.mobility.interval: must be at least 0.001 s, got 1 us"),
        ("rounds.count=2147483648", "rounds.count: must be at most 2147483647"),
        ("sweep={seeds: [1], grid: {rounds.count: [" + ",".join(map(str, range(1, 10002))) + "]}}",
         "sweep: must have at most 10,000 runs, got 10,001"),
    ],
)  # fmt: skip
def test_what_no_machine_could_simulate_has_bounds(files, settings, message):
    assert message in refusal(files, GOOD, settings)


def test_very_many_mistakes_take_no_time(files):
    many = "".join(f"k{i}: 1\n" for i in range(3000))
    assert refusal(files, GOOD + many).startswith("s.yaml:24: k0: unknown key 'k0' (known: ")


def test_a_line_is_printable_and_short():
    assert one_line("a\nb\x1b[31m") == "a\\nb\\x1b[31m"
    assert len(one_line("x" * 100_000)) == 1005
