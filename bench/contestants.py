"""What announces the address in a comparison of failovers: metalev, or keepalived."""

from __future__ import annotations

import shutil
from ipaddress import IPv4Address
from pathlib import Path
from typing import Protocol

from metalev.adapters.native import BEACON_INTERVAL
from metalev.lab.cluster import LabCluster
from metalev.lab.host import Node
from metalev.lab.links import UPLINK
from metalev.lab.process import Process
from metalev.model.errors import StartError

PATIENCE = 60  # s, for a program to come up or to end


class Contestant(Protocol):
    """Runs on every node of a lab; one at a time."""

    @property
    def name(self) -> str:
        """What the report calls it."""
        ...

    @property
    def heartbeat(self) -> float:
        """Seconds between two signs of life."""
        ...

    def start(self) -> None:
        """Start it on every node, and wait until each knows the others."""
        ...

    def revive(self, node: Node) -> None:
        """Power the node on and start it there, and wait until it is a stand-by."""
        ...

    def leave(self, node: Node) -> None:
        """End it there in good order (SIGTERM), as an upgrade does, and do not wait for its end."""
        ...

    def come_back(self, node: Node) -> None:
        """Start it there after :meth:`leave`, and wait until it is a stand-by."""
        ...

    def process(self, node: Node) -> Process:
        """What runs on a node."""
        ...

    def stop(self) -> None:
        """End it everywhere."""
        ...


class Metalev:
    """The speakers with their default timing."""

    name = "metalev"
    heartbeat = BEACON_INTERVAL

    def __init__(self, cluster: LabCluster) -> None:
        self._cluster = cluster
        self._nodes = cluster.lab.nodes

    def start(self) -> None:
        """Start the speakers."""
        for name in self._nodes:
            self._cluster.start_speaker(name)
        for name in self._nodes:
            self._wait_for_peers(name)

    def revive(self, node: Node) -> None:
        """Start a speaker anew."""
        node.revive()
        self.come_back(node)

    def leave(self, node: Node) -> None:
        """End a speaker."""
        self._cluster.speaker(node.name).ask_to_end()

    def come_back(self, node: Node) -> None:
        """Start a speaker anew once its predecessor has ended."""
        self._cluster.speaker(node.name).wait(PATIENCE)
        self._cluster.start_speaker(node.name)
        self._wait_for_peers(node.name)

    def process(self, node: Node) -> Process:
        """A node's speaker."""
        return self._cluster.speaker(node.name)

    def stop(self) -> None:
        """Stop the speakers."""
        for name in self._nodes:
            self._cluster.speaker(name).terminate()

    def _wait_for_peers(self, name: str) -> None:
        for peer in self._nodes:
            if peer != name:
                self._cluster.speaker(name).wait_for(f"{peer} is heard on", PATIENCE)


class Keepalived:
    """VRRP routers with the address on ``eth0``, all ``BACKUP`` and ``nopreempt`` as ``sticky`` is in metalev.

    The priorities are the highest there are: so the skew time (RFC 5798 section 6.1) costs it next to nothing.
    ``advert`` is the seconds between two advertisements; below one it needs VRRP version 3.
    """

    def __init__(self, cluster: LabCluster, address: IPv4Address, advert: float, directory: Path) -> None:
        if shutil.which("keepalived") is None:
            raise StartError("keepalived is missing: apt-get install -y --no-install-recommends keepalived")
        self.name = f"keepalived, adverts every {advert:g} s"
        self._nodes = cluster.lab.nodes
        self._address = address
        self.heartbeat = advert
        self._directory = directory
        self._processes: dict[str, Process] = {}
        self._starts = 0

    def start(self) -> None:
        """Start a router on every node."""
        for node in self._nodes.values():
            self._spawn(node)

    def revive(self, node: Node) -> None:
        """Start a router anew, on a node that has forgotten the address as it would in a power cut."""
        self._forget_address(node)
        node.revive()
        self._spawn(node)

    def leave(self, node: Node) -> None:
        """End a router; it takes the address with it."""
        self._processes[node.name].ask_to_end()

    def come_back(self, node: Node) -> None:
        """Start a router anew once its predecessor has ended."""
        self._processes[node.name].wait(PATIENCE)
        self._forget_address(node)
        self._spawn(node)

    def process(self, node: Node) -> Process:
        """A node's router."""
        return self._processes[node.name]

    def stop(self) -> None:
        """Stop the routers, which take the address with them."""
        for process in self._processes.values():
            process.terminate()

    def _forget_address(self, node: Node) -> None:
        node.run(["ip", "address", "flush", "dev", UPLINK, "to", f"{self._address}/32"])

    def _spawn(self, node: Node) -> None:
        self._starts += 1
        place = self._directory / f"keepalived-{self.heartbeat:g}-{node.name}-{self._starts}"
        config = place.with_suffix(".conf")
        config.write_text(self._config(node))
        # Each needs process id files of its own: the defaults in /run are one set for the whole machine.
        own = ("-p", f"{place}.pid", "-r", f"{place}.vrrp.pid", "-c", f"{place}.checkers.pid")
        argv = ["keepalived", "-n", "-l", "-D", "-G", "-P", "-f", str(config), *own]
        process = node.spawn(argv, log=place.with_suffix(".log"))
        process.wait_for("Entering BACKUP STATE", PATIENCE)
        self._processes[node.name] = process

    def _config(self, node: Node) -> str:
        priority = 254 - list(self._nodes).index(node.name)
        return f"""\
global_defs {{
    router_id {node.name}
    vrrp_version 3
}}
vrrp_instance vip {{
    state BACKUP
    nopreempt
    interface {UPLINK}
    virtual_router_id 51
    priority {priority}
    advert_int {self.heartbeat:g}
    virtual_ipaddress {{
        {self._address}/32 dev {UPLINK}
    }}
}}
"""
