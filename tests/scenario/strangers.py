"""What hosts do that are none of ours, and what metalev says of it."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from ipaddress import IPv6Address
from types import TracebackType
from typing import Any, Self

import yaml

from metalev.lab import arp, links, ndp
from metalev.lab.arp import Frame
from metalev.lab.capture import packet_socket, receive
from metalev.lab.cluster import LabCluster
from metalev.lab.host import Host
from metalev.lab.lab import SWITCH
from metalev.model.address import IPAddress

PATIENCE = 120.0
WAKE_S = 0.2


class Answering:
    """A host that answers every question for some addresses by its own MAC address, probes too, while it is open.

    The addresses are of one family.
    """

    def __init__(self, host: Host, addresses: Collection[IPAddress]) -> None:
        self._host = host
        self._addresses = frozenset(addresses)
        of_ipv4 = any(address.version == 4 for address in addresses)
        kind = arp.ETHERTYPE_ARP if of_ipv4 else ndp.ETHERTYPE_IPV6
        self._socket = packet_socket(host.namespace, links.UPLINK, kind)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="answering", daemon=True)

    def __enter__(self) -> Self:
        self._socket.settimeout(WAKE_S)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                frame = receive(self._socket)
            except TimeoutError:
                continue
            answer = None if frame.outgoing else self._answer(frame)
            if answer is not None:
                self._socket.send(answer)

    def _answer(self, frame: Frame) -> bytes | None:
        if (asked := frame.arp) and asked.operation == arp.REQUEST and asked.target in self._addresses:
            return arp.reply(self._host.mac, asked.target, asked.sender_mac, asked.sender)
        if (sought := frame.ndp) and sought.kind == ndp.SOLICITATION and sought.target in self._addresses:
            if sought.source.is_unspecified:
                return ndp.advertisement(self._host.mac, sought.target)
            return ndp.answer(self._host.mac, sought.target, frame.source, sought.source)
        return None


def broadcasts_lost(cluster: LabCluster) -> AbstractContextManager[None]:
    """The switch carries no ARP request to everybody from one node to another; beacons get through."""
    return _lost(cluster, f"ether daddr {arp.BROADCAST} arp operation request")


def solicitations_lost(cluster: LabCluster, address: IPv6Address) -> AbstractContextManager[None]:
    """The switch carries nothing from one node to another that is for the group at which an address is asked for."""
    group = "33:33:" + ndp.solicited_node(address).packed[-4:].hex(":")
    return _lost(cluster, f"ether daddr {group}")


@contextmanager
def _lost(cluster: LabCluster, what: str) -> Iterator[None]:
    switch = cluster.lab.namespace_of(SWITCH)
    ports = "{ " + ", ".join(f'"{name}"' for name in cluster.lab.nodes) + " }"
    rule = f"iifname {ports} oifname {ports} {what} drop"
    chain = f"chain forward {{\n type filter hook forward priority 1;\n {rule}\n }}"
    switch.run(["nft", "-f", "-"], stdin=f"table bridge broadcasts {{\n {chain}\n}}\n")
    try:
        yield
    finally:
        switch.run(["nft", "delete", "table", "bridge", "broadcasts"])


def said(cluster: LabCluster, text: str) -> list[str]:
    """The lines of all speakers and the controller that have this text."""
    programs = [cluster.controller, *(cluster.speaker(name) for name in cluster.lab.nodes)]
    return [line for program in programs for line in program.output().splitlines() if text in line]


def events(cluster: LabCluster) -> str:
    """Reason and message of each, a line for one."""
    found = (yaml.safe_load(path.read_text()) for path in cluster.state.glob("*/events/*.yaml"))
    return "\n".join(f"{event['reason']} {event['message']}" for event in found)


def states(cluster: LabCluster) -> list[dict[str, Any]]:
    """What each speaker says of itself."""
    return [yaml.safe_load(path.read_text())["status"] for path in cluster.state.glob("*/state.yaml")]


def problems(cluster: LabCluster, text: str) -> list[str]:
    """The problems of all speakers that have this text."""
    return [one for state in states(cluster) for one in state["problems"] if text in one]


def nodes_that_answer(cluster: LabCluster, asker: Host, address: IPAddress) -> list[str]:
    """The nodes that answer for an address, whoever else does."""
    nodes = {node.mac: name for name, node in cluster.lab.nodes.items()}
    return [nodes[mac] for mac in asker.who_has(address) if mac in nodes]


def in_conflict(cluster: LabCluster, mac: str = "") -> bool:
    """Whether any speaker says of any address that somebody else has it, or that the one with this MAC address does."""
    found = [conflict for state in states(cluster) for conflict in state["conflicts"]]
    return any(not mac or conflict["mac"] == mac for conflict in found)


def samples(cluster: LabCluster, pattern: str) -> float:
    """The sum of the samples of all speakers whose names match."""
    found = (cluster.metrics(name) for name in cluster.lab.nodes)
    return sum(value for each in found for name, value in each.items() if re.fullmatch(pattern, name))
