"""The machines on the switch, and what can be done to them."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from subprocess import CompletedProcess

from metalev.lab import arp, interrupts, links, ndp
from metalev.lab.capture import Capture, packet_socket, receive
from metalev.lab.conntrack import forget_connections
from metalev.lab.faults import Direction
from metalev.lab.namespace import Namespace
from metalev.lab.process import Process
from metalev.lab.switch import Switch
from metalev.lab.topology import HostSpec, NodeSpec
from metalev.model.address import IPAddress


def mac_of(address: IPv4Address) -> str:
    """The MAC address of the host with ``address``: locally administered, its last bytes spell the address."""
    return f"02:00:{address.packed.hex(':')}"


class Host:
    """A machine with one interface, ``eth0``, on the switch."""

    def __init__(self, spec: HostSpec, namespace: Namespace, switch: Switch, env: Mapping[str, str]) -> None:
        self.name = spec.name
        self.address = spec.address
        self.address6 = spec.address6
        self.mac = mac_of(spec.address)
        self.namespace = namespace
        self.processes: list[Process] = []
        self._switch = switch
        self._env = env

    def run(
        self, argv: Sequence[str], *, stdin: str = "", timeout: float = 60, check: bool = True
    ) -> CompletedProcess[str]:
        """Run a command on it to its end; see :meth:`Namespace.run`."""
        return self.namespace.run(argv, stdin=stdin, timeout=timeout, check=check)

    def spawn(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, log: Path | None = None) -> Process:
        """Start a program on it that lives until it ends, is killed, or the lab is closed."""
        with interrupts.held():
            process = Process.start(self.namespace, argv, env={**(env or {}), **self._env}, log=log)
            self.processes.append(process)
        return process

    def spawn_module(self, module: str, *arguments: str, log: Path | None = None) -> Process:
        """Start ``python -m module`` by the interpreter that runs this."""
        return self.spawn([sys.executable, "-m", module, *arguments], log=log)

    def cut(self) -> None:
        """Pull its cable; :meth:`mend` is the inverse."""
        self._switch.unplug(self.name)

    def cut_one_way(self, direction: Direction) -> None:
        """Lose every frame that goes ``in`` to it, or ``out`` of it; its carrier stays."""
        self._switch.lose(self.name, direction)

    def mend(self) -> None:
        """Its cable is in and whole again, in both directions."""
        self._switch.replug(self.name)

    def pause(self) -> None:
        """Freeze its programs; its kernel goes on. :meth:`resume` is the inverse."""
        for process in self.processes:
            process.pause()

    def resume(self) -> None:
        """Let its programs go on."""
        for process in self.processes:
            process.resume()

    def neighbour(self, address: IPAddress) -> str | None:
        """The MAC address in its neighbour table for ``address``."""
        return links.neighbour(self.namespace, address)

    def pin_neighbour(self, address: IPAddress, mac: str) -> None:
        """Make it send to ``mac`` for ``address``, whoever answers."""
        links.pin_neighbour(self.namespace, address, mac)

    def forget_neighbours(self) -> None:
        """Empty its neighbour table."""
        links.forget_neighbours(self.namespace)

    def who_has(self, address: IPAddress, timeout: float = 0.3) -> list[str]:
        """Ask the segment once, and wait the whole ``timeout`` (s): the MAC addresses that answer, first one first.

        More than one means that two hosts hold the address. The host's own neighbour table may learn from the answers.
        """
        answers: dict[str, None] = {}
        ethertype = arp.ETHERTYPE_ARP if address.version == 4 else ndp.ETHERTYPE_IPV6
        with packet_socket(self.namespace, links.UPLINK, ethertype) as sock:
            deadline = time.monotonic() + timeout
            sock.send(self.question(address))
            while True:
                # Also when the time is up: what came while nobody let this process run has come.
                sock.settimeout(max(0.0, deadline - time.monotonic()))
                try:
                    frame = receive(sock)
                except (TimeoutError, BlockingIOError):
                    break
                if (mac := answer_in(frame, address)) is not None:
                    answers[mac] = None
        return list(answers)

    def question(self, address: IPAddress) -> bytes:
        """The Ethernet frame by which it asks everybody for ``address``."""
        if isinstance(address, IPv4Address):
            return arp.request(self.mac, self.address, address)
        assert self.address6 is not None, f"{self.name} has no IPv6 address: home_network(ipv6=True)"
        return ndp.solicitation(self.mac, self.address6, address)

    def send(self, *frames: bytes) -> None:
        """Put whole Ethernet frames on the segment, just as they are; ``frames`` has some that nobody should send."""
        with packet_socket(self.namespace, links.UPLINK, ethertype=0) as sock:
            for frame in frames:
                sock.send(frame)

    def capture(self, ethertype: int = arp.ETHERTYPE_ARP) -> Capture:
        """Record what passes its ``eth0``, as a context manager."""
        return Capture(self.namespace, links.UPLINK, ethertype)

    def socket(self, kind: socket.SocketKind = socket.SOCK_STREAM, *, family: int = socket.AF_INET) -> socket.socket:
        """A socket on it, for a test to hold a connection of its own."""
        return self.namespace.socket(family, kind)


class Node(Host):
    """A node of the cluster."""

    def __init__(self, spec: NodeSpec, namespace: Namespace, switch: Switch, env: Mapping[str, str]) -> None:
        super().__init__(spec, namespace, switch, env)
        self.pods = spec.pods
        self.pod_cidr = spec.pod_cidr
        self.pod_cidr6 = spec.pod_cidr6

    def kill(self) -> None:
        """A power cut: at once nothing leaves it any more, its programs are gone, its connections are forgotten.

        Its packet filter stays, as if a new kube-proxy had written the same when it comes back by :meth:`revive`.
        """
        self._switch.power_off(self.name)
        while self.processes:  # others may take some out meanwhile
            self.processes.pop().kill()
        forget_connections(self.namespace)

    def revive(self) -> None:
        """Power is back. The programs are not: spawn them again."""
        self._switch.power_on(self.name)


def answer_in(frame: arp.Frame, address: IPAddress) -> str | None:
    """The MAC address that a frame gives for ``address``, if it answers a question for it."""
    if (told := frame.arp) and told.operation == arp.REPLY and told.sender == address:
        return told.sender_mac
    if (advert := frame.ndp) and advert.kind == ndp.ADVERTISEMENT and advert.target == address:
        return advert.link_layer or frame.source
    return None
