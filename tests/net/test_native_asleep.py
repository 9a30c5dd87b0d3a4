"""A speaker whose process does not run answers nobody, and answers nothing late."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest
from tests.net.cable import cable

from metalev.lab import arp
from metalev.lab.arp import Frame
from metalev.lab.capture import Capture
from metalev.lab.namespace import LabError, Namespace

VIP = IPv4Address("192.0.2.10")
ASKER = "02:00:00:00:00:63"
SPEAKER = f"""
import signal
from ipaddress import ip_address
from metalev.adapters.native import NativeOwnership
from metalev.model.cluster import BeaconKey
from metalev.model.ownership import Candidate, Group, OwnershipTable

vip = ip_address("{VIP}")
ownership = NativeOwnership("a", interfaces=["eth0"])
ownership.set(OwnershipTable(keys=(BeaconKey(1, b"x" * 32),), groups=(Group(vip, (vip,), (Candidate("a"),)),)))
count = lambda *_: print("dropped", ownership.counters().dropped.get("announceIP", 0), flush=True)
signal.signal(signal.SIGUSR1, count)
while True:
    for fact in ownership.facts(1):
        print(fact.kind, flush=True)
"""


@pytest.fixture
def wire() -> Iterator[Namespace]:
    """A namespace with a cable between ``eth0``, where the speaker is, and ``far0``."""
    with cable(f"asleep-{os.getpid()}") as namespace:
        yield namespace


@pytest.fixture
def speaker(wire: Namespace) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the VIP and prints the kinds of its facts, one a line.

    By SIGUSR1 it prints how many questions were dropped because the VIP was not held.
    """
    command = wire.inside([sys.executable, "-c", SPEAKER])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        wait_for("took", process)
        yield process
        process.kill()


@pytest.fixture
def tape(wire: Namespace) -> Iterator[Capture]:
    with Capture(wire, "far0") as capture:
        yield capture


def wait_for(kind: str, process: subprocess.Popen[str]) -> None:
    """Read on until this kind of fact; the test's own time limit is the limit."""
    assert process.stdout is not None
    assert any(line.strip() == kind for line in process.stdout), f"the speaker ended without saying {kind!r}"


def stop(process: subprocess.Popen[str]) -> None:
    """Stop it as a debugger would, and wait until it has stopped."""
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)


def ask(wire: Namespace) -> None:
    with wire.socket(socket.AF_PACKET, socket.SOCK_RAW) as asker:
        asker.bind(("far0", 0))
        asker.send(arp.request(ASKER, IPv4Address("192.0.2.20"), VIP))


def is_answer(frame: Frame) -> bool:
    return frame.arp is not None and frame.arp.operation == arp.REPLY and frame.arp.target_mac == ASKER


def test_speaker_that_runs_answers(wire: Namespace, speaker: subprocess.Popen[str], tape: Capture) -> None:
    ask(wire)
    assert tape.wait_for(is_answer).arp is not None


def test_speaker_that_is_stopped_answers_nobody(wire: Namespace, speaker: subprocess.Popen[str], tape: Capture) -> None:
    stop(speaker)
    ask(wire)
    with pytest.raises(LabError):
        tape.wait_for(is_answer, timeout=1)


def test_what_was_asked_during_a_sleep_is_never_answered(
    wire: Namespace, speaker: subprocess.Popen[str], tape: Capture
) -> None:
    stop(speaker)
    ask(wire)
    with pytest.raises(LabError):
        tape.wait_for(is_answer, timeout=1)  # longer than the speaker's promise to its peers lasts
    speaker.send_signal(signal.SIGCONT)
    wait_for("overslept", speaker)
    wait_for("took", speaker)  # it listened first
    ask(wire)
    tape.wait_for(is_answer)
    assert len([frame for frame in tape.frames if is_answer(frame)]) == 1
    speaker.send_signal(signal.SIGUSR1)
    assert speaker.stdout is not None
    dropped = next(line for line in speaker.stdout if line.startswith("dropped"))
    assert dropped == "dropped 0\n", "it was thrown away unread"
