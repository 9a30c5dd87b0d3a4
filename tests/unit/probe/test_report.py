"""What a probe prints at its end."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from metalev.probe import report
from metalev.probe.run import Findings, Loss
from metalev.probe.timeline import Answers, Gap, Silences

STARTED = datetime(2026, 7, 1, 12, tzinfo=UTC)
NODE1, NODE2 = "02:00:c0:a8:01:0a", "02:00:c0:a8:01:0b"
NAMES = {NODE1: "node1"}


def name(mac: str) -> str:
    return NAMES.get(mac, "")


@pytest.fixture
def found() -> Findings:
    """Half a minute from second 100 on, in which node2 took over after 139 ms."""
    answers = Answers(pause=0.5)
    for at, mac in ((100.0, NODE1), (100.3, NODE1), (112.44, NODE2), (112.7, NODE2)):
        answers.ask()
        answers.answer(at, mac)
    gap = Gap(112.301, 112.44)
    return Findings(
        began=100.0,
        ended=130.0,
        attempts=3000,
        answered=2986,
        refused=0,
        unanswered=14,
        silences=Silences(100.0, 0.05, longest=gap, gaps=[gap]),
        own_delay=0.0021,
        held=20,
        losses=(Loss(112.45, "Connection reset by peer", lost=True),) * 10,
        held_lost=10,
        held_longest_silence=0.0,
        answers=answers,
    )


def test_the_table_says_the_silence_the_losses_and_who_answered(found: Findings) -> None:
    assert report.text(found, "192.168.1.200:80", name, not_asked="") == (
        "192.168.1.200:80, 30.0 s\n"
        "\n"
        "connects  3000 sent, 2986 answered, 0 refused, 14 unanswered\n"
        "silence   139 ms at most, from +12.301 s to +12.440 s; this probe was up to 2 ms late itself\n"
        "held      20 connections, 10 lost; 10 Connection reset by peer\n"
        "\n"
        "     FROM         TO  SILENT\n"
        "+12.301 s  +12.440 s  139 ms\n"
        "\n"
        "     FROM         TO  ANSWERS  ANSWERED BY\n"
        " +0.000 s   +0.300 s        2  02:00:c0:a8:01:0a  node1\n"
        "+12.440 s  +12.700 s        2  02:00:c0:a8:01:0b\n"
        "At most 12140 ms without an answer, from +0.300 s to +12.440 s."
    )


def test_programs_get_the_same_in_milliseconds_and_seconds_from_the_start(found: Findings) -> None:
    content = report.content(found, "192.168.1.200:80", name, started=STARTED, not_asked="")
    assert json.loads(json.dumps(content)) == content
    assert content["started"] == "2026-07-01T12:00:00+00:00"
    assert content["longestSilenceMs"] == 139.0
    assert content["gaps"] == [{"from": 12.301, "to": 12.44, "ms": 139.0}]
    assert (content["held"]["established"], content["held"]["lost"]) == (20, 10)
    assert content["answers"][0] == {"from": 0.0, "to": 0.3, "mac": NODE1, "name": "node1", "count": 2}


def test_why_nobody_was_asked_stands_in_the_place_of_who_answered(found: Findings) -> None:
    said = report.text(found, "192.168.1.200:80", name, not_asked="Nobody was asked.")
    assert said.endswith("139 ms\n\nNobody was asked.")


def test_a_segment_that_never_answered_is_said(found: Findings) -> None:
    found.answers.spans.clear()
    assert "Nobody answered any of 4 questions" in report.text(found, "192.168.1.200:80", name, not_asked="")


def test_questions_that_two_answered_are_said(found: Findings) -> None:
    found.answers.doubles = 3
    assert report.text(found, "x", name, not_asked="").endswith("3 of 4 questions were answered by two.")


def test_of_many_gaps_the_longest_are_shown_in_the_order_of_time(found: Findings) -> None:
    gaps = [Gap(100.0 + number, 100.1 + number + number / 100) for number in range(12)]
    found.silences.gaps[:] = gaps
    lines = report.text(found, "x", name, not_asked="").splitlines()
    shown = [line.split()[0] for line in lines if line.endswith(" ms")]
    assert shown == [f"+{number}.000" for number in range(2, 12)]
    assert "... and 2 shorter ones; -o json lists them" in lines
