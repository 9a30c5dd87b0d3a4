"""The Rust engine as Python sees it: its stub, its errors, the GIL, and what it does on a real wire."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.net.cable import cable

from metalev.adapters.clock import SystemClock
from metalev.adapters.native import DEFAULT_EXCLUDE, NativeOwnership, keep_capabilities
from metalev.lab.namespace import Namespace
from metalev.model.cluster import BeaconKey
from metalev.model.errors import StartError
from metalev.model.ownership import Candidate, Fact, FactKind, Group, OwnershipTable
from metalev.ports.ownership import AddressCounters, Ownership

ROOT = Path(__file__).parents[2]
VIP = ip_address("192.0.2.10")
SOLE = OwnershipTable(keys=(BeaconKey(1, b"x" * 32),), groups=(Group(VIP, (VIP,), (Candidate("a"),)),))


@pytest.fixture
def wire() -> Iterator[Namespace]:
    """A namespace with a cable between ``eth0`` and ``far0``."""
    with cable(f"native-{os.getpid()}") as namespace:
        namespace.run(["ip", "link", "set", "lo", "up"])
        yield namespace


@pytest.fixture
def ownership(wire: Namespace) -> Iterator[NativeOwnership]:
    started = wire.call(lambda: NativeOwnership("a", interfaces=["eth0"]))
    yield started
    started.stop()


def wait_for(ownership: Ownership, kind: FactKind) -> Fact:
    """The first fact of this kind; the test fails after a minute without."""
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        for fact in ownership.facts(1):
            if fact.kind is kind:
                return fact
    pytest.fail(f"no fact says {kind}")


def told(ownership: NativeOwnership, holds: Callable[[list[Fact]], bool]) -> list[Fact]:
    """All facts until that holds: they may come one by one. The test's own time limit is the limit."""
    found: list[Fact] = []
    while not holds(found):
        found += ownership.facts(60)
    return found


def refusal(wire: Namespace, start: Callable[[], object]) -> str:
    with pytest.raises(StartError) as caught:
        wire.call(start)
    return str(caught.value)


# ===== the stub =====


def test_stub_says_what_the_extension_has(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mypy.stubtest", "metalev._native", "--mypy-config-file", "pyproject.toml"]
    environment = os.environ | {"MYPY_CACHE_DIR": str(tmp_path), "MYPYPATH": "python"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_clock_of_facts_is_the_clock_of_the_program(ownership: NativeOwnership) -> None:
    fact = wait_for(ownership, FactKind.INTERFACE_UP)
    assert 0 <= SystemClock().now() - fact.at < 60


# ===== refusals =====


def test_missing_capability_is_named_with_its_cure(wire: Namespace) -> None:
    def start() -> None:
        keep_capabilities([])  # of this thread, which ends with the call
        NativeOwnership("a", interfaces=["eth0"])

    assert refusal(wire, start) == (
        "cannot open a raw socket: CAP_NET_RAW is missing; run as root, or give the process the capability "
        "(in a pod: securityContext.capabilities.add)"
    )


def test_capability_that_is_not_there_cannot_be_kept(wire: Namespace) -> None:
    def keep_twice() -> None:
        keep_capabilities(["CAP_NET_RAW"])
        keep_capabilities(["CAP_NET_RAW", "CAP_NET_ADMIN"])

    assert refusal(wire, keep_twice).startswith("cannot keep a capability: CAP_NET_ADMIN is missing; run as root")


def test_port_in_use_is_named(wire: Namespace, ownership: NativeOwnership) -> None:
    message = refusal(wire, lambda: NativeOwnership("b", interfaces=["eth0"]))
    assert message.startswith("UDP port 7946 is in use (another speaker on this host, or MetalLB's?); ")


def test_unknown_interface_is_named_beside_those_that_exist(wire: Namespace) -> None:
    message = refusal(wire, lambda: NativeOwnership("a", interfaces=["eth9"]))
    assert message.startswith("no interface named eth9; there are: ")
    assert "eth0" in message


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (lambda: NativeOwnership(""), "the node's name must have 1 to 253 octets"),
        (lambda: NativeOwnership("a", beacon_interval=-1), "beacon_interval must be a number of seconds, not -1"),
        (lambda: NativeOwnership("a", port=70000), "the beacon port must be 1 to 65535, not 70000"),
        (lambda: NativeOwnership("a", beacon_interval=0), "the beacon interval must be longer than zero"),
        (lambda: NativeOwnership("a", gratuitous_interval=-1), "refresh must be a number of seconds, not -1"),
        (lambda: NativeOwnership("a", exclude=["a("]), '"a(" is no regular expression'),
        (lambda: keep_capabilities(["CAP_FLY"]), "no capability is called CAP_FLY"),
    ],
)
def test_option_that_makes_no_sense_is_refused(wire: Namespace, start: Callable[[], object], message: str) -> None:
    assert message in refusal(wire, start)


def test_interfaces_of_containers_are_left_alone_by_default(wire: Namespace) -> None:
    wire.run(["ip", "link", "add", "veth7", "type", "veth", "peer", "name", "cali7"])
    wire.run(["ip", "link", "set", "veth7", "up"])
    wire.run(["ip", "link", "set", "cali7", "up"])
    started = wire.call(lambda: NativeOwnership("a", exclude=[*DEFAULT_EXCLUDE, "far"]))
    with ExitStack() as stack:
        stack.callback(started.stop)
        assert [fact.interface for fact in started.facts(10)] == ["eth0"]


def test_interfaces_of_containers_are_used_when_nothing_is_excluded(wire: Namespace) -> None:
    wire.run(["ip", "link", "add", "veth7", "type", "veth", "peer", "name", "cali7"])
    wire.run(["ip", "link", "set", "veth7", "up"])
    wire.run(["ip", "link", "set", "cali7", "up"])
    started = wire.call(lambda: NativeOwnership("a", exclude=()))
    with ExitStack() as stack:
        stack.callback(started.stop)
        everything = {"eth0", "far0", "veth7", "cali7"}
        told(started, lambda facts: everything <= {fact.interface for fact in facts})


def test_what_nobody_may_be_given_is_told(wire: Namespace) -> None:
    wire.run(["ip", "address", "add", "192.0.2.1/24", "dev", "eth0"])
    wire.run(["ip", "route", "add", "default", "via", "192.0.2.254"])
    started = wire.call(lambda: NativeOwnership("a", interfaces=["eth0"]))
    with ExitStack() as stack:
        stack.callback(started.stop)
        wanted = {FactKind.INTERFACE_UP, FactKind.GATEWAYS}
        facts = told(started, lambda facts: wanted <= {fact.kind for fact in facts})
    addresses = {fact.kind: fact.addresses for fact in facts}
    assert ip_address("192.0.2.1") in addresses[FactKind.INTERFACE_UP]
    assert addresses[FactKind.GATEWAYS] == (ip_address("192.0.2.254"),)


# ===== at work =====


def test_facts_come_as_values_of_the_model(ownership: NativeOwnership) -> None:
    ownership.set(SOLE)
    took = wait_for(ownership, FactKind.TOOK)
    assert (took.cause, took.group, took.addresses, took.term) == ("first-candidate", VIP, (VIP,), 1)


def test_counters_come_as_values_of_the_port(ownership: NativeOwnership) -> None:
    ownership.set(SOLE)
    wait_for(ownership, FactKind.TOOK)
    (row,) = ownership.counters().addresses
    assert row == AddressCounters(VIP, gratuitous_sent=row.gratuitous_sent)
    assert row.gratuitous_sent > 0


def test_waiting_for_facts_leaves_the_interpreter_to_others(ownership: NativeOwnership) -> None:
    wait_for(ownership, FactKind.INTERFACE_UP)
    started = time.monotonic()
    with ThreadPoolExecutor(max_workers=1) as thread:
        waiting = thread.submit(ownership.facts, 60)
        ownership.stop()  # could not even begin while another thread held the GIL for a minute
        assert waiting.result(timeout=60) == ()
    assert time.monotonic() - started < 30


def test_stop_yields_what_was_held_and_ends_the_facts(ownership: NativeOwnership) -> None:
    ownership.set(SOLE)
    wait_for(ownership, FactKind.TOOK)
    ownership.stop()
    assert [fact.kind for fact in ownership.facts(10)] == [FactKind.YIELDED]
    assert ownership.facts(60) == ()
    ownership.stop()
