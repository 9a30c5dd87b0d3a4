"""How ``metalev drill`` is told what to do, and what it prints."""

from __future__ import annotations

import json
import os
import time
from argparse import ArgumentTypeError
from ipaddress import ip_address
from pathlib import Path

import pytest

from metalev.adapters.codec import Codec
from metalev.adapters.files import documents
from metalev.adapters.files.drills import FileDrills
from metalev.cli.drill import address, port, seconds
from metalev.cli.drilling import Course, course_text, dumped
from metalev.cli.following import Held
from metalev.model.drills import FORGOTTEN, Drill, DrillMode
from metalev.model.meta import Name

PROBE = {
    "longestSilenceMs": 139.0,
    "ownDelayMs": 2.0,
    "connects": {"sent": 300, "answered": 290},
    "held": {"established": 20, "lost": 10},
    "answers": [{"mac": "02:00:00:00:00:0a", "name": ""}, {"mac": "02:00:00:00:00:0b", "name": "node2"}],
    "doubleAnswers": 0,
    "longestUnansweredMs": 141.0,
    "notAsked": "",
}


def course(failure: str = "", probe: object = None) -> Course:
    held = [Held(0.0, "node1", 1, "first-candidate"), Held(0.4, "", 0, ""), Held(0.61, "node2", 2, "missed-beacons")]
    return Course("192.0.2.1", "silenced node1 for 5 s", held, failure, dict(PROBE) if probe else None)


def test_an_address_has_no_port() -> None:
    assert address("fd00::200") == ip_address("fd00::200")
    with pytest.raises(ArgumentTypeError, match=r"is no address: write 192\.168\.1\.200"):
        address("192.168.1.200:80")


def test_a_drill_lasts_at_most_half_a_minute() -> None:
    assert seconds("30") == 30
    with pytest.raises(ArgumentTypeError, match="is more than 30 seconds"):
        seconds("31")


def test_a_port_is_one_of_tcp() -> None:
    assert port("65535") == 65535
    with pytest.raises(ArgumentTypeError, match="is no port"):
        port("65536")


def test_the_table_says_who_held_the_address_when_and_why() -> None:
    assert course_text(course()) == (
        "\n192.0.2.1: silenced node1 for 5 s\n"
        "\n"
        "      AT  TERM  HELD BY\n"
        "   +0.00     1  node1  (first-candidate)\n"
        "   +0.40     -  nobody says that it has it\n"
        "   +0.61     2  node2  (missed-beacons)\n"
        "\n"
        "it went as it should"
    )


def test_what_a_probe_found_stands_below() -> None:
    said = course_text(course(probe=PROBE))
    assert "longest silence  139 ms (290 of 300 connects answered; the probe itself was up to 2 ms late)" in said
    assert "10 of 20 held ones lost" in said
    assert "02:00:00:00:00:0a, then 02:00:00:00:00:0b node2; 0 questions by two, and nobody for at most 141 ms" in said


def test_a_failure_is_the_last_line() -> None:
    assert course_text(course("nobody took it")).endswith("\nfailed: nobody took it")


def test_programs_get_the_same() -> None:
    said = json.loads(dumped(course()))
    assert said["held"][2] == {"at": 0.61, "node": "node2", "term": 2, "cause": "missed-beacons"}
    assert said["failure"] == ""


def test_a_drill_in_a_directory_is_a_manifest_that_is_read_as_it_was_written(tmp_path: Path) -> None:
    drill = Drill(
        Name("metallb-system", "drill-1"),
        address=ip_address("192.0.2.1"),
        nodes=("node1",),
        mode=DrillMode.CRASH,
        seconds=5,
    )
    drills = FileDrills(tmp_path)
    drills.order(drill)
    (path,) = tmp_path.iterdir()
    assert Codec("metallb-system").decode(documents.load_yaml(path.read_text())) == drill
    drills.withdraw(drill)
    drills.withdraw(drill)
    assert list(tmp_path.iterdir()) == []


def test_a_drill_clears_away_those_whose_command_was_killed_long_ago_and_no_other(tmp_path: Path) -> None:
    drills = FileDrills(tmp_path)
    old, recent, new = (Drill(Name("metallb-system", f"drill-{name}")) for name in ("old", "recent", "new"))
    drills.order(old)
    drills.order(recent)
    (tmp_path / "pools.yaml").write_text("")
    for name, age in (("metalev-drill-old", FORGOTTEN + 60), ("metalev-drill-recent", 40), ("pools", 99_999)):
        at = time.time() - age
        os.utime(tmp_path / f"{name}.yaml", (at, at))
    drills.order(new)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"metalev-drill-recent.yaml", "metalev-drill-new.yaml", "pools.yaml"}
