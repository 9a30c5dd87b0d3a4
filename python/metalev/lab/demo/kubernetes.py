"""The story with kubectl: metalev on a real Kubernetes gives a tutorial's Service an address, and moves it.

The control plane, kube-proxy and kubectl are the real programs; nodes, Pods, a router and a client are network
namespaces. Every command is run as it is shown, and every step checks that what it tells has happened.
"""

from __future__ import annotations

import shlex
from ipaddress import IPv4Address
from pathlib import Path

from metalev.lab import prober
from metalev.lab.demo.narrator import Narrator, expect
from metalev.lab.demo.stage import REQUESTS, manifest, tally
from metalev.lab.host import Node
from metalev.lab.kubernetes.cluster import SYSTEM, KubernetesLab
from metalev.lab.ledger import work_directory

FIRST_ADDRESS = IPv4Address("192.168.1.200")


def main() -> None:
    """Tell the whole story; raises ``LabError`` if reality does not follow it."""
    narrator = Narrator()
    narrator.say(
        "Starting a Kubernetes: etcd, kube-apiserver, kube-controller-manager, and three nodes with kube-proxy ..."
    )
    with work_directory() as directory, KubernetesLab(Path(directory)) as cluster:
        Story(cluster, narrator).tell()


class Story:
    """The chapters, in their order."""

    def __init__(self, cluster: KubernetesLab, narrator: Narrator) -> None:
        self._cluster = cluster
        self._narrator = narrator
        self._client = cluster.client

    def tell(self) -> None:
        """All of it."""
        self.metalev_is_installed()
        self.a_service_is_pending()
        address = self.it_gets_an_address()
        announcer = self.a_client_reaches_the_pods(address)
        self.the_announcer_dies(address, announcer)
        self.it_comes_back(address, announcer)
        self._narrator.chapter("Done")
        self._narrator.say("Everything above was checked while it was shown. The cluster is removed again.")

    def metalev_is_installed(self) -> None:
        """By one command, as on any cluster."""
        tell, cluster = self._narrator, self._cluster
        tell.chapter("metalev is installed")
        installed = cluster.install()
        kinds = sorted({line.partition("/")[0].partition(".")[0] for line in installed})
        tell.show("$ kubectl apply -k deploy", [f"{len(installed)} objects: {', '.join(kinds)}"])
        self._kubectl("get", "nodes")
        self._kubectl("get", "pods", "-n", SYSTEM, "-o", "wide")
        expect("a speaker runs on every node", holds=set(cluster.programs("speaker")) == set(cluster.nodes))

    def a_service_is_pending(self) -> None:
        """A Deployment and a Service, before there is any address to give."""
        tell, cluster = self._narrator, self._cluster
        tell.chapter("A Deployment and a Service of type LoadBalancer, and no address to give")
        self._apply("deployment-nginx.yaml")
        self._show_and_apply("service-nginx.yaml")
        cluster.wait_for_pods("app=nginx", 6)
        said: list[str] = []

        def told() -> bool:
            """And not by speakers of which some have not yet said that they hear the others."""
            said[:] = self._why().splitlines()
            return "IPAddressPool" in "".join(said) and "may be dead" not in "".join(said)

        cluster.wait_for("the Service is told why it waits", told)
        pending = self._kubectl("get", "service", "nginx-lb")
        tell.show("$ metalev why nginx-lb", said)
        expect("a Service without a pool has no address", holds="<pending>" in pending[-1])

    def it_gets_an_address(self) -> IPv4Address:
        """The pool arrives."""
        tell, cluster = self._narrator, self._cluster
        tell.chapter("A pool: the Service gets an address")
        self._show_and_apply("pool.yaml")
        (address,) = cluster.wait_for_addresses("nginx-lb")
        cluster.wait_for_announcer(address)
        self._kubectl("get", "service", "nginx-lb")
        cluster.wait_for("the events are written", lambda: {"IPAllocated", "nodeAssigned"} <= set(self._reasons()))
        self._kubectl("get", "events", "--field-selector", "involvedObject.name=nginx-lb")
        expect(f"it gets {FIRST_ADDRESS}", holds=address == FIRST_ADDRESS)
        return FIRST_ADDRESS

    def a_client_reaches_the_pods(self, address: IPv4Address) -> Node:
        """ARP, then HTTP, by a kube-proxy."""
        tell, cluster, client = self._narrator, self._cluster, self._client
        tell.chapter("A client on the same network reaches the Pods through it")
        announcer = cluster.wait_for_announcer(address)
        client.forget_neighbours()
        cluster.wait_for("kube-proxy passes it on", lambda: self._ask(address) is not None)
        answers = [answer for _ in range(REQUESTS) if (answer := self._ask(address)) is not None]
        tell.show(f"client$ for i in {{1..{REQUESTS}}}; do curl -s http://{address}; done", tally(answers))
        expect("every request is answered", holds=len(answers) == REQUESTS)
        expect("Pods on several nodes answer", holds=len({node for _, node in answers}) > 1)
        tell.run(client, "ip", "neigh", "show", str(address))
        expect("the client's neighbour is the announcer", holds=client.neighbour(address) == announcer.mac)
        tell.result(f"{address} is announced by {announcer.name} ({announcer.mac}) and by nobody else")
        return announcer

    def the_announcer_dies(self, address: IPv4Address, announcer: Node) -> None:
        """A power cut; the addresses move long before Kubernetes notices."""
        tell, cluster = self._narrator, self._cluster
        tell.chapter(f"{announcer.name} loses its power")
        probing = prober.start(self._client, f"{address}:80", log=cluster.directory / "prober.log")
        cluster.kill(announcer.name)
        successor = cluster.wait_for_announcer(address)
        report = prober.finish(probing)
        pods = cluster.pods("component=speaker", SYSTEM)
        (speaker,) = (pod["metadata"]["name"] for pod in pods if pod["spec"]["nodeName"] == successor.name)
        took: list[str] = []

        def told() -> bool:
            log = cluster.plane.kubectl("logs", "-n", SYSTEM, speaker).splitlines()
            took[:] = [line for line in log if f"took {address} " in line]
            return bool(took)

        cluster.wait_for(f"{successor.name} tells that it took {address}", told)
        tell.show(f"$ kubectl logs -n {SYSTEM} {speaker} | grep took", took[-1:])
        expect("another node answers", holds=successor.name != announcer.name)
        expect("the cause is the missed beacons", holds="cause=missed-beacons" in took[-1])
        tell.run(self._client, "ip", "neigh", "show", str(address))
        tell.result(
            f"{successor.name} answers for {address}; the longest silence for new connections was "
            f"{report.longest_silence_ms:.0f} ms (a connect every 10 ms)"
        )
        cluster.wait_for("the event is written", lambda: any(successor.name in text for text in self._messages()))
        self._kubectl("get", "events", "--field-selector", "involvedObject.name=nginx-lb")
        took_s = cluster.wait_for("Kubernetes notices", lambda: not cluster.is_ready(announcer.name), timeout=120)
        self._kubectl("get", "nodes")
        tell.say(f"Kubernetes itself noticed {took_s:.0f} s later, and took the node's Pods out of the Service.")
        tell.show("$ metalev status", self._metalev("status"))
        tell.show("$ metalev why nginx-lb", self._metalev("why", "nginx-lb"))

    def it_comes_back(self, address: IPv4Address, former: Node) -> None:
        """A node that returns takes nothing back."""
        tell, cluster = self._narrator, self._cluster
        tell.chapter(f"{former.name} comes back")
        owner = cluster.wait_for_announcer(address)
        cluster.revive(former.name)
        cluster.wait_for(f"{former.name} is Ready", lambda: cluster.is_ready(former.name), timeout=120)
        cluster.wait_for_pods("component=speaker", len(cluster.nodes), SYSTEM)
        self._kubectl("get", "pods", "-n", SYSTEM, "-l", "component=speaker", "-o", "wide")
        expect("nothing moves", holds=cluster.wait_for_announcer(address) == owner)
        tell.result(
            f"{former.name} is Ready, and {owner.name} still answers for {address}: no connection was lost for it"
        )

    # ===== what a user does and sees =====

    def _kubectl(self, *arguments: str) -> list[str]:
        lines = self._cluster.plane.kubectl(*arguments).rstrip().splitlines()
        self._narrator.show(f"$ {shlex.join(['kubectl', *arguments])}", [line.rstrip() for line in lines])
        return lines

    def _show_and_apply(self, file: str) -> None:
        self._narrator.show(f"$ cat {file}", manifest(file).splitlines())
        self._apply(file)

    def _apply(self, file: str) -> None:
        lines = self._cluster.plane.kubectl("apply", "-f", "-", stdin=manifest(file)).splitlines()
        self._narrator.show(f"$ kubectl apply -f {file}", lines)

    def _metalev(self, *arguments: str) -> list[str]:
        done = self._cluster.metalev(*arguments)
        return done.stdout.rstrip().splitlines()

    def _why(self) -> str:
        return "\n".join(self._metalev("why", "nginx-lb"))

    def _reasons(self) -> list[str]:
        return self._events("reason")

    def _messages(self) -> list[str]:
        return self._events("message")

    def _events(self, field: str) -> list[str]:
        """One field of each event of the Service."""
        of_service = ("--field-selector", "involvedObject.name=nginx-lb")
        path = f"jsonpath={{range .items[*]}}{{.{field}}}{{'\\n'}}{{end}}"
        return self._cluster.plane.kubectl("get", "events", *of_service, "-o", path).splitlines()

    def _ask(self, address: IPv4Address) -> tuple[str, str] | None:
        """The Pod and the node that answer."""
        page = self._client.run(["curl", "-s", "-m", "2", f"http://{address}/"], check=False).stdout
        said = dict(line.split(": ", 1) for line in page.splitlines())
        return (said["Server name"], said["Node"]) if said else None
