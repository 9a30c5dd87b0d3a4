"""``metalev probe`` on a lab's client: what it measures of a server on a node."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from metalev.lab.host import Host, Node
from metalev.lab.lab import Lab
from metalev.lab.process import Process
from metalev.lab.topology import home_network

PORT = "8080"
PATIENCE = 60
SERVER = """
import http.server, sys
class Server(http.server.ThreadingHTTPServer):
    address_family = 10  # AF_INET6, which serves IPv4 as well
    request_queue_size = 500
http.server.test(http.server.SimpleHTTPRequestHandler, Server, port=int(sys.argv[1]), bind="::")
"""
WITHOUT_CAPABILITY = ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", "--no-new-privs"]


class Probing:
    """A probe that runs on a host."""

    def __init__(self, host: Host, target: str, *options: str, log: Path, through: Sequence[str] = ()) -> None:
        command = [*through, sys.executable, "-m", "metalev", "probe", target, *options]
        self._process: Process = host.spawn(command, log=log)

    def wait(self) -> tuple[int, str]:
        """Its exit status and its output, once it has ended by itself."""
        return self._process.wait(PATIENCE), self._process.output()

    def interrupt(self) -> tuple[int, str]:
        """The same after a Ctrl-C."""
        os.kill(self._process.pid, signal.SIGINT)
        return self.wait()


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(home_network(nodes=2, pods_per_node=1, ipv6=True)) as lab:
        for node in lab.nodes.values():
            node.spawn([sys.executable, "-c", SERVER, PORT])
        for node in lab.nodes.values():
            await_server(lab.client, f"{node.address}:{PORT}")
        yield lab


@pytest.fixture
def node(lab: Lab) -> Iterator[Node]:
    one = lab.node("node1")
    yield one
    one.mend()


def await_server(client: Host, target: str) -> None:
    """Wait until a connect to it is answered."""
    retry = ["--retry", str(PATIENCE), "--retry-delay", "1", "--retry-all-errors"]
    client.run(["curl", "-s", *retry, f"http://{target}/"], timeout=PATIENCE)


def found(result: tuple[int, str]) -> dict[str, Any]:
    """What a probe printed as JSON."""
    status, said = result
    assert status == 0, said
    return dict(json.loads(said))


@pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])
def test_who_answers_is_seen_and_called_as_the_operator_says(lab: Lab, node: Node, tmp_path: Path, family: int) -> None:
    target = f"{node.address}:{PORT}" if family == 4 else f"[{node.address6}]:{PORT}"
    options = ("--duration", "1s", "--name", f"{node.mac}=node1", "-o", "json")
    told = found(Probing(lab.client, target, *options, log=tmp_path / "log").wait())
    assert told["connects"]["answered"] >= 1
    assert {(span["mac"], span["name"]) for span in told["answers"]} == {(node.mac, "node1")}
    assert told["doubleAnswers"] == 0


def test_a_cable_that_was_out_is_a_gap_in_connects_and_answers_and_costs_no_connection(
    lab: Lab, node: Node, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with lab.client.capture() as tape:
        probing = Probing(lab.client, f"{node.address}:{PORT}", "-o", "json", log=log)
        tape.wait_for(lambda frame: frame.arp is not None and frame.arp.sender == node.address, PATIENCE)
        await_server(lab.client, f"{node.address}:{PORT}")
        node.cut()
        lab.client.who_has(node.address, timeout=1.5)
        node.mend()
        await_server(lab.client, f"{node.address}:{PORT}")
    told = found(probing.interrupt())
    assert told["longestSilenceMs"] >= 1400
    assert told["longestSilence"] in [{"from": gap["from"], "to": gap["to"]} for gap in told["gaps"]]
    assert len(told["answers"]) >= 2
    assert {span["mac"] for span in told["answers"]} == {node.mac}
    assert told["held"]["lost"] == 0


def test_without_the_capability_it_connects_all_the_same_and_says_what_is_missing(
    lab: Lab, node: Node, tmp_path: Path
) -> None:
    target, log = f"{node.address}:{PORT}", tmp_path / "log"
    status, said = Probing(lab.client, target, "--duration", "1s", log=log, through=WITHOUT_CAPABILITY).wait()
    assert status == 0
    assert "that needs CAP_NET_RAW" in said
    assert " answered, 0 refused" in said


def test_an_address_behind_a_router_is_connected_to_and_not_asked_for(lab: Lab, node: Node, tmp_path: Path) -> None:
    pod = node.pods[0].address
    told = found(Probing(lab.node("node2"), f"{pod}:80", "--duration", "1s", "-o", "json", log=tmp_path / "log").wait())
    assert told["connects"]["answered"] >= 1
    assert told["answers"] == []
    assert "behind a router" in told["notAsked"]


def test_a_port_that_nobody_serves_is_a_failure_with_the_count_of_refusals(
    lab: Lab, node: Node, tmp_path: Path
) -> None:
    status, said = Probing(lab.client, f"{node.address}:81", "--duration", "1s", log=tmp_path / "log").wait()
    assert status == 1
    assert "nothing was ever answered" in said


def test_an_interface_that_is_not_there_is_named(lab: Lab, node: Node, tmp_path: Path) -> None:
    target, log = f"{node.address}:{PORT}", tmp_path / "log"
    status, said = Probing(lab.client, target, "--interface", "eth9", log=log).wait()
    assert (status, "cannot be asked for on eth9: " in said) == (2, True)
