"""No Python runs between a missed beacon and the gratuitous frame: an interpreter that is stuck delays no takeover."""

import os
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest
from tests.net.cable import cable

from metalev.lab.arp import Frame
from metalev.lab.capture import Capture
from metalev.lab.namespace import Namespace

VIP = IPv4Address("192.0.2.10")
SPEAKER = f"""
import ctypes, sys
from ipaddress import ip_address
from metalev.adapters.native import NativeOwnership
from metalev.model.cluster import BeaconKey
from metalev.model.ownership import Candidate, Group, OwnershipTable, Peer

me, peer, interface, port, wanted = sys.argv[1:]
vip = ip_address("{VIP}")
ownership = NativeOwnership(me, interfaces=[interface], port=int(port))
group = Group(vip, (vip,), (Candidate("a"), Candidate("b")))
ownership.set(OwnershipTable((Peer(peer),), (BeaconKey(1, b"x" * 32),), (group,)))
seen = []
while wanted not in seen:
    seen += [fact.kind for fact in ownership.facts(60)]
print(wanted, flush=True)
# A call into C that keeps the interpreter's lock, for ever: no Python runs in this process any more.
ctypes.PyDLL(None).pause()
"""


@pytest.fixture
def wire() -> Iterator[Namespace]:
    """A namespace with a cable from ``eth0``, where the successor is, to ``far0``, where the announcer is."""
    with cable(f"gil-{os.getpid()}") as namespace:
        yield namespace


def start(wire: Namespace, *arguments: str) -> subprocess.Popen[str]:
    """A speaker whose interpreter is stuck as soon as it has seen the last of ``arguments``."""
    process = subprocess.Popen(
        wire.inside([sys.executable, "-c", SPEAKER, *arguments]), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == arguments[-1]
    return process


def takeover(frame: Frame) -> bool:
    """Whether a gratuitous frame for the VIP comes in at the announcer's end: from the successor."""
    return frame.arp is not None and frame.arp.gratuitous and frame.arp.sender == VIP and not frame.outgoing


def test_an_interpreter_that_is_stuck_delays_no_takeover(wire: Namespace) -> None:
    announcer = start(wire, "a", "b", "far0", "7946", "took")
    successor = start(wire, "b", "a", "eth0", "7947", "peer heard")
    try:
        with Capture(wire, "far0") as tape:
            announcer.kill()
            tape.wait_for(takeover, timeout=60)
    finally:
        for process in (announcer, successor):
            process.kill()
        told, _ = successor.communicate()
        announcer.communicate()
    assert told == "", "the interpreter was not stuck"
