"""The story: a Service gets an address, is reached by it, and keeps it when its node dies and when its pools change.

Three nodes, a router, a client and six pods, each a network namespace; real ARP and Neighbour Discovery, real TCP, the
real kernel's packet filter. Every step checks that what it tells has happened, and the demo fails if not.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from metalev.lab import prober
from metalev.lab.cluster import LabCluster
from metalev.lab.demo.narrator import Narrator, expect, reason_of
from metalev.lab.demo.stage import REQUESTS, Stage, tally
from metalev.lab.host import Node
from metalev.lab.ledger import work_directory
from metalev.lab.topology import home_network

FIRST_ADDRESS = IPv4Address("192.168.1.200")
PRODUCTION = range(200, 206)  # 192.168.1.200-192.168.1.205
SERVICES_TO_EXHAUST = 8  # of eleven addresses, three are taken by then
DUAL_POOL = """\
    - name: dual
      protocol: layer2
      addresses:
      - 192.168.1.220-192.168.1.221
      - fd00:192:168:1::200-fd00:192:168:1::20f
"""


def main() -> None:
    """Tell the whole story; raises ``LabError`` if reality does not follow it."""
    narrator = Narrator()
    narrator.say("Building the lab: node1, node2, node3, a router, a client and six pods as network namespaces ...")
    with work_directory() as directory:
        cluster = LabCluster(home_network(nodes=3, pods_per_node=2, ipv6=True), Path(directory))
        with cluster:
            Story(Stage(cluster, narrator)).tell()


class Story:
    """The chapters, in their order."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._cluster = stage.cluster
        self._narrator = stage.narrator
        self._client = stage.client

    def tell(self) -> None:
        """All of it."""
        self.a_service_is_pending()
        address = self.it_gets_an_address()
        announcer = self.a_client_reaches_the_pods(address)
        self.the_announcer_dies(address, announcer)
        self.the_config_map_takes_over(address)
        self.the_pools_are_exhausted_and_grow()
        self.a_client_reaches_the_pods_by_ipv6()
        self._narrator.chapter("Done")
        self._narrator.say("Everything above was checked while it was shown. The lab is removed again.")

    def a_service_is_pending(self) -> None:
        """A Service before there is any address to give."""
        tell, cluster = self._narrator, self._cluster
        tell.chapter("A Service of type LoadBalancer, and nobody to give it an address")
        self._stage.copy("service-nginx.yaml", "nginx-lb")
        self._stage.copy("service-nginx-sticky.yaml", "nginx-lb-sticky")
        cluster.start()
        cluster.wait_for("the Services are known", lambda snapshot: len(snapshot.services) == 2)
        tell.services(self._stage.services())
        expect("a Service without a pool has no address", holds=not cluster.status("nginx-lb").addresses)

    def it_gets_an_address(self) -> IPv4Address:
        """The pool arrives."""
        tell, cluster = self._narrator, self._cluster
        tell.chapter("A pool: every Service gets an address")
        self._stage.show_and_copy("pool.yaml")
        address = cluster.wait_for_address("nginx-lb")
        cluster.wait_for_address("nginx-lb-sticky")
        tell.services(self._stage.services())
        expect(f"the first Service gets {FIRST_ADDRESS}", holds=address == FIRST_ADDRESS)
        return address

    def a_client_reaches_the_pods(self, address: IPv4Address) -> Node:
        """ARP, then HTTP."""
        tell, client = self._narrator, self._client
        tell.chapter("A client on the same network reaches the pods through it")
        announcer = self._cluster.wait_for_announcer(address)
        client.forget_neighbours()
        pods = self._stage.ask(address)
        tell.show(f"client$ for i in {{1..{REQUESTS}}}; do curl -s http://{address}; done", tally(pods))
        expect("pods on several nodes answer", holds=len({node for _, node in pods}) > 1)
        sticky = self._stage.ask(self._cluster.wait_for_address("nginx-lb-sticky"))
        expect("sessionAffinity ClientIP leads to one pod", holds=len(set(sticky)) == 1)
        tell.say(f"With sessionAffinity ClientIP, all {REQUESTS} requests went to {sticky[0][0]}.")
        tell.run(client, "ip", "neigh", "show", str(address))
        expect("the client's neighbour is the announcer", holds=client.neighbour(address) == announcer.mac)
        tell.result(f"{address} is announced by {announcer.name} ({announcer.mac}) and by nobody else")
        return announcer

    def the_announcer_dies(self, address: IPv4Address, announcer: Node) -> None:
        """A power cut, with the controller stopped before."""
        tell, cluster = self._narrator, self._cluster
        tell.chapter(f"The controller is stopped, then {announcer.name} loses its power")
        cluster.stop_controller()
        with work_directory() as directory:
            probing = prober.start(self._client, f"{address}:80", log=Path(directory) / "prober.log")
            announcer.kill()
            successor = cluster.wait_for_announcer(address)
            report = prober.finish(probing)
        speaker = cluster.speaker(successor.name)
        speaker.wait_for(f"took {address} ")  # it tells a moment after it answers
        took = [line for line in speaker.output().splitlines() if f"took {address} " in line]
        tell.show(f"{successor.name}$ the speaker's log", took[-1:])
        tell.run(self._client, "ip", "neigh", "show", str(address))
        expect("another node answers", holds=successor.name != announcer.name)
        expect("the cause is the missed beacons", holds="cause=missed-beacons" in took[-1])
        expect("the client has learnt the new way", holds=self._client.neighbour(address) == successor.mac)
        tell.result(
            f"{successor.name} answers for {address}; the longest silence for new connections was "
            f"{report.longest_silence_ms:.0f} ms (a connect every 10 ms)"
        )
        self._stage.reschedule("nginx-lb", "nginx-lb-sticky", without=announcer.name)

    def the_config_map_takes_over(self, address: IPv4Address) -> None:
        """The pools of MetalLB before 0.13, in place of the resources, and a Service that chooses one."""
        tell, cluster = self._narrator, self._cluster
        tell.chapter("Two pools in MetalLB's ConfigMap instead, and a Service that names one")
        cluster.start_controller()
        self._stage.show_and_copy("config-map.yaml")
        cluster.manifests.remove("pool")
        tell.show("$ rm pool.yaml", [])
        self._stage.show_and_copy("service-web-prod.yaml", "web-prod")
        chosen = cluster.wait_for_address("web-prod")
        tell.services(self._stage.services())
        expect("web-prod is in the pool that it names", holds=chosen.packed[-1] in PRODUCTION)
        expect("nginx-lb keeps its address", holds=cluster.wait_for_address("nginx-lb") == address)
        tell.result(f"web-prod got {chosen} of the pool production; nginx-lb kept {address}")

    def the_pools_are_exhausted_and_grow(self) -> None:
        """As many Services as addresses, and one more."""
        tell, cluster = self._narrator, self._cluster
        tell.chapter("Eleven addresses, twelve Services: the pools are exhausted, then one is grown")
        *names, last = (f"app{number}" for number in range(1, SERVICES_TO_EXHAUST + 2))
        for name in names:
            self._stage.expose(name)
            cluster.wait_for_address(name)
        self._stage.expose(last)
        cluster.wait_for("the last Service is told why it waits", lambda _: bool(reason_of(self._stage.service(last))))
        tell.services(self._stage.services())
        expect("the twelfth Service is pending", holds=not cluster.status(last).addresses)
        expect("it is told why", holds="no available IPs" in reason_of(self._stage.service(last)))
        tell.say("The pool development grows by two addresses, in an editor:")
        self._stage.edit(
            "config-map.yaml", "      - 192.168.1.206-192.168.1.210", "      - 192.168.1.206-192.168.1.212"
        )
        address = cluster.wait_for_address(last)
        tell.services([self._stage.service(last)])
        announcer = cluster.wait_for_announcer(cluster.wait_for_address("nginx-lb"))
        tell.result(f"{last} got {address} as soon as there was one; nginx-lb stayed with {announcer.name}")

    def a_client_reaches_the_pods_by_ipv6(self) -> None:
        """A pool of both families, and a Service that wants an address of each."""
        tell, cluster, client = self._narrator, self._cluster, self._client
        tell.chapter("IPv6: a Service with an address of each family")
        self._stage.edit("config-map.yaml", "    address-pools:\n", f"    address-pools:\n{DUAL_POOL}")
        self._stage.show_and_copy("service-nginx-dual.yaml", "nginx-dual", families=(4, 6))
        four, six = cluster.wait_for_addresses("nginx-dual", count=2)
        assert isinstance(six, IPv6Address)
        tell.services([self._stage.service("nginx-dual")])
        announcer = cluster.wait_for_announcer(six)
        client.forget_neighbours()
        tell.show(
            f"client$ for i in {{1..{REQUESTS}}}; do curl -6 -s http://[{six}]; done", tally(self._stage.ask(six))
        )
        tell.run(client, "ip", "-6", "neigh", "show", str(six))
        expect("the client's neighbour is the announcer", holds=client.neighbour(six) == announcer.mac)
        expect("the IPv4 address is there as well", holds=cluster.wait_for_announcer(four) == announcer)
        tell.result(f"{six} and {four} are announced by {announcer.name}, together")
