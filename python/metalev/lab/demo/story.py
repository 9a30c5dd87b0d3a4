"""The story: a Service gets an address, is reached by it, and keeps it when its node dies.

Three nodes, a router, a client and six pods, each a network namespace; real ARP, real TCP, the real kernel's packet
filter. Every step checks that what it tells has happened, and the demo fails if not.
"""

from __future__ import annotations

import re
import tempfile
from importlib.resources import files
from ipaddress import IPv4Address
from pathlib import Path

from metalev.lab import prober
from metalev.lab.cluster import LabCluster
from metalev.lab.demo.narrator import Narrator, expect, reason_of
from metalev.lab.host import Node
from metalev.lab.manifests import endpoint_slice
from metalev.lab.manifests import service as service_manifest
from metalev.lab.topology import home_network
from metalev.model.meta import Name
from metalev.model.services import Service

FIRST_ADDRESS = IPv4Address("192.168.1.200")
POOL_SIZE = 11  # 192.168.1.200-192.168.1.210
REQUESTS = 12
HTTP = {"": 80}


def main() -> None:
    """Tell the whole story; raises ``LabError`` if reality does not follow it."""
    narrator = Narrator()
    narrator.say("Building the lab: node1, node2, node3, a router, a client and six pods as network namespaces ...")
    with tempfile.TemporaryDirectory(prefix="metalev-demo-") as directory:
        cluster = LabCluster(home_network(nodes=3, pods_per_node=2), Path(directory))
        with cluster:
            Story(cluster, narrator).tell()


class Story:
    """The chapters, in their order."""

    def __init__(self, cluster: LabCluster, narrator: Narrator) -> None:
        self._cluster = cluster
        self._narrator = narrator
        self._client = cluster.lab.client

    def tell(self) -> None:
        """All of it."""
        self.a_service_is_pending()
        address = self.it_gets_an_address()
        announcer = self.a_client_reaches_the_pods(address)
        self.the_announcer_dies(address, announcer)
        self.the_pool_is_exhausted_and_grows()
        self._narrator.chapter("Done")
        self._narrator.say("Everything above was checked while it was shown. The lab is removed again.")

    def a_service_is_pending(self) -> None:
        """A Service before there is any address to give."""
        tell, cluster = self._narrator, self._cluster
        tell.chapter("A Service of type LoadBalancer, and nobody to give it an address")
        self._copy("service-nginx.yaml", "nginx-lb")
        self._copy("service-nginx-sticky.yaml", "nginx-lb-sticky")
        cluster.start()
        cluster.wait_for("the Services are known", lambda snapshot: len(snapshot.services) == 2)
        tell.services(self._services())
        expect("a Service without a pool has no address", holds=not cluster.status("nginx-lb").addresses)

    def it_gets_an_address(self) -> IPv4Address:
        """The pool arrives."""
        tell, cluster = self._narrator, self._cluster
        tell.chapter("A pool: every Service gets an address")
        tell.show("$ cat pool.yaml", _manifest("pool.yaml").splitlines())
        self._copy("pool.yaml")
        address = cluster.wait_for_address("nginx-lb")
        cluster.wait_for_address("nginx-lb-sticky")
        tell.services(self._services())
        expect(f"the first Service gets {FIRST_ADDRESS}", holds=address == FIRST_ADDRESS)
        return address

    def a_client_reaches_the_pods(self, address: IPv4Address) -> Node:
        """ARP, then HTTP."""
        tell, client = self._narrator, self._client
        tell.chapter("A client on the same network reaches the pods through it")
        announcer = self._cluster.wait_for_announcer(address)
        client.forget_neighbours()
        pods = self._ask(address)
        tell.show(f"client$ for i in {{1..{REQUESTS}}}; do curl -s http://{address}; done", _tally(pods))
        expect("pods on several nodes answer", holds=len({node for _, node in pods}) > 1)
        sticky = self._ask(self._cluster.wait_for_address("nginx-lb-sticky"))
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
        with tempfile.TemporaryDirectory(prefix="metalev-demo-") as directory:
            probing = prober.start(self._client, f"{address}:80", log=Path(directory) / "prober.log")
            announcer.kill()
            successor = cluster.wait_for_announcer(address)
            report = prober.finish(probing)
        took = [line for line in cluster.speaker(successor.name).output().splitlines() if f"took {address}" in line]
        tell.show(f"{successor.name}$ the speaker's log", took[-1:])
        tell.run(self._client, "ip", "neigh", "show", str(address))
        expect("another node answers", holds=successor.name != announcer.name)
        expect("the cause is the missed beacons", holds="cause=missed-beacons" in took[-1])
        expect("the client has learnt the new way", holds=self._client.neighbour(address) == successor.mac)
        tell.result(
            f"{successor.name} answers for {address}; the longest silence for new connections was "
            f"{report.longest_silence_ms:.0f} ms (a connect every 10 ms)"
        )
        self._reschedule(without=announcer)

    def the_pool_is_exhausted_and_grows(self) -> None:
        """As many Services as addresses, and one more."""
        tell, cluster = self._narrator, self._cluster
        tell.chapter("Eleven addresses, twelve Services: the pool is exhausted, then grown")
        cluster.start_controller()
        *names, last = (f"app{number}" for number in range(1, POOL_SIZE))
        for name in names:
            self._expose(name)
            cluster.wait_for_address(name)
        self._expose(last)
        cluster.wait_for("the last Service is told why it waits", lambda _: bool(reason_of(self._service(last))))
        tell.services(self._services())
        expect("the twelfth Service is pending", holds=not cluster.status(last).addresses)
        expect("it is told why", holds="no available IPs" in reason_of(self._service(last)))
        tell.say("The pool grows by two addresses, in an editor:")
        self._edit_pool()
        address = cluster.wait_for_address(last)
        tell.services([self._service(last)])
        announcer = cluster.wait_for_announcer(self._cluster.wait_for_address("nginx-lb"))
        tell.result(f"{last} got {address} as soon as there was one; nginx-lb stayed with {announcer.name}")

    # ===== what a user would do =====

    def _copy(self, file: str, service: str = "") -> None:
        self._cluster.manifests.path(Path(file).stem).write_text(_manifest(file))
        if service:
            pods = self._cluster.lab.topology.pods
            self._cluster.manifests.write(f"{service}-endpoints", endpoint_slice(service, pods, ports=HTTP))

    def _expose(self, name: str) -> None:
        manifest = service_manifest(name, cluster_ip=f"10.96.1.{name.removeprefix('app')}", ports={"http": 80})
        self._cluster.manifests.write(name, manifest)

    def _edit_pool(self) -> None:
        path = self._cluster.manifests.path("pool")
        before, after = "192.168.1.200-192.168.1.210", "192.168.1.200-192.168.1.212"
        path.write_text(path.read_text().replace(before, after))
        self._narrator.show("$ git diff pool.yaml", [f"-  - {before}", f"+  - {after}"])

    def _reschedule(self, without: Node) -> None:
        """What Kubernetes does some time later: the dead node's pods are no longer endpoints."""
        living = [(node, pod) for node, pod in self._cluster.lab.topology.pods if node.name != without.name]
        for service in ("nginx-lb", "nginx-lb-sticky"):
            self._cluster.manifests.write(f"{service}-endpoints", endpoint_slice(service, living, ports=HTTP))

    # ===== what is =====

    def _services(self) -> list[Service]:
        def in_order(service: Service) -> list[str | int]:
            return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", service.name.name)]

        return sorted(self._cluster.snapshot.services.values(), key=in_order)

    def _service(self, name: str) -> Service:
        return self._cluster.snapshot.services.get(Name("default", name)) or Service(Name("default", name))

    def _ask(self, address: IPv4Address) -> list[tuple[str, str]]:
        """Ask an address twelve times, each by a connection of its own: the pod and the node that answered."""
        answers = []
        for _ in range(REQUESTS):
            page = self._client.run(["curl", "--silent", "--fail", "--max-time", "5", f"http://{address}/"]).stdout
            said = dict(line.split(": ", 1) for line in page.splitlines())
            answers.append((said["Server name"], said["Node"]))
        return answers


def _manifest(file: str) -> str:
    return files("metalev.lab.demo").joinpath("manifests", file).read_text()


def _tally(answers: list[tuple[str, str]]) -> list[str]:
    return [f"{answers.count(answer):2} answers by {answer[0]} on {answer[1]}" for answer in sorted(set(answers))]
