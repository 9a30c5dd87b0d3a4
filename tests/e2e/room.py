"""What one test makes in the cluster, and what it sees there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from tests.e2e.cluster import SYSTEM, Cluster, Object, wait_for

HOME, OTHER = "e2e", "e2e-other"
METALLB = f"/apis/metallb.io/v1beta1/namespaces/{SYSTEM}"
OWN_KINDS = ("ipaddresspools", "l2advertisements", "bgpadvertisements", "communities", "bfdprofiles")
ANNOUNCED_FROM = "metallb.io/ip-allocated-from-pool"


class Told(NamedTuple):
    """An event."""

    type: str
    reason: str
    message: str
    by: str
    times: int = 1


class Room:
    """A cluster with pods, and no pool, advertisement or Service but those that the test makes."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    # ===== what is made =====

    def pool(self, name: str, *addresses: str, **spec: Any) -> None:
        """An IPAddressPool of these addresses or ranges, as ``labels`` and ``spec`` say, that the controller knows."""
        metadata = {"name": name, "namespace": SYSTEM, "labels": spec.pop("labels", {})}
        ranges = [one if set(one) & set("-/") else f"{one}-{one}" for one in addresses]
        self.cluster.apply(_metallb("IPAddressPool", metadata, {"addresses": ranges, **spec}))
        wait_for(f"the controller counts {name}", lambda: self.pool_status(name))

    def take(self, number: int = 1, *, ipv6: int = 0) -> list[str]:
        """Addresses for a pool, that no other test has now."""
        return [*self.cluster.ranges.take(4, number), *self.cluster.ranges.take(6, ipv6)]

    def pool_of(self, number: int = 1, *, ipv6: int = 0, name: str = "first-pool", **spec: Any) -> list[str]:
        """A pool of so many new addresses."""
        addresses = self.take(number, ipv6=ipv6)
        self.pool(name, *addresses, **spec)
        return addresses

    def advertise(self, name: str = "example", **spec: Any) -> None:
        """An L2Advertisement."""
        self.cluster.apply(_metallb("L2Advertisement", {"name": name, "namespace": SYSTEM}, spec))

    def service(
        self,
        name: str,
        *,
        namespace: str = HOME,
        labels: dict[str, str] | None = None,
        annotations: dict[str, str] | None = None,
        **spec: Any,
    ) -> None:
        """A Service of type LoadBalancer for the Pods ``app: web``, of IPv4, unless ``spec`` says otherwise."""
        self.cluster.apply(service(name, labels=labels, annotations=annotations, **spec), namespace=namespace)

    def change(self, name: str, patch: str, *, namespace: str = HOME) -> None:
        """``kubectl patch`` a Service, by a merge patch."""
        self.cluster.kubectl("patch", "service", name, "-n", namespace, "--type=merge", "-p", patch)

    def show(self, name: str, *addresses: str, namespace: str = HOME) -> None:
        """Write these addresses into a Service's status, as another controller would."""
        patch = json.dumps({"status": {"loadBalancer": {"ingress": [{"ip": one} for one in addresses]}}})
        subject = ("service", name, "-n", namespace, "--subresource=status")
        self.cluster.kubectl("patch", *subject, "--type=merge", "-p", patch)

    def annotate(self, name: str, annotation: str, *, namespace: str = HOME) -> None:
        """``kubectl annotate`` a Service: ``key=value``, or ``key-``."""
        self.cluster.kubectl("annotate", "service", name, "-n", namespace, "--overwrite", annotation)

    def delete(self, name: str, *, namespace: str = HOME) -> None:
        """``kubectl delete`` a Service."""
        self.cluster.kubectl("delete", "service", name, "-n", namespace)

    @contextmanager
    def labelled(self, kind: str, name: str, label: str) -> Iterator[None]:
        """An object of the cluster has the label ``key=value`` for a while."""
        self.cluster.kubectl("label", kind, name, "--overwrite", label)
        try:
            yield
        finally:
            self.cluster.kubectl("label", kind, name, f"{label.partition('=')[0]}-")

    # ===== what is seen =====

    def seen(self, name: str, namespace: str = HOME) -> Object:
        """The Service as the API has it."""
        return self.cluster.read(f"/api/v1/namespaces/{namespace}/services/{name}")

    def held(self, name: str, namespace: str = HOME) -> list[str]:
        """The addresses in its status."""
        ingress = self.seen(name, namespace).get("status", {}).get("loadBalancer", {}).get("ingress", ())
        return [entry["ip"] for entry in ingress]

    def address(self, name: str, namespace: str = HOME) -> str:
        """Its one address, once it has one."""
        (found,) = wait_for(f"{name} has an address", lambda: self.held(name, namespace))
        return found

    def addresses(self, name: str, count: int = 2) -> list[str]:
        """Its addresses, once it has so many."""
        return wait_for(f"{name} has {count}", lambda: held if len(held := self.held(name)) == count else None)

    def wait_for_address(self, name: str, address: str) -> None:
        """Until this is the only address that it has."""
        wait_for(f"{name} has {address}", lambda: self.held(name) == [address])

    def wait_for_none(self, name: str, namespace: str = HOME) -> None:
        """Until its status has no address."""
        wait_for(f"{name} has no address", lambda: not self.held(name, namespace))

    def pool_name(self, name: str) -> str:
        """The pool that its annotation names."""
        return str(self.seen(name)["metadata"].get("annotations", {}).get(ANNOUNCED_FROM, ""))

    def events(self, name: str, namespace: str = HOME) -> list[Told]:
        """What ``kubectl get events`` has about the Service that now has this name."""
        uid = self.seen(name, namespace)["metadata"]["uid"]
        path = f"/api/v1/namespaces/{namespace}/events?fieldSelector=involvedObject.uid%3D{uid}"
        return [
            Told(one["type"], one["reason"], one["message"], one.get("source", {}).get("component", ""), one["count"])
            for one in self.cluster.items(path)
        ]

    def told(self, name: str, reason: str, namespace: str = HOME) -> Told:
        """The event with this reason, once it is there."""
        return wait_for(
            f"an event {reason} of {name}",
            lambda: next((one for one in self.events(name, namespace) if one.reason == reason), None),
        )

    def refused(self, name: str) -> str:
        """Why a Service that waits gets no address, without the words that each such event begins with."""
        event = self.told(name, "AllocationFailed")
        assert self.held(name) == []
        assert (event.type, event.by) == ("Warning", "metallb-controller")
        prefix = f'Failed to allocate IP for "{HOME}/{name}": '
        assert event.message.startswith(prefix)
        return event.message.removeprefix(prefix)

    def announcer(self, address: str, other_than: str = "") -> str:
        """The one node that answers for the address, once there is one (``other_than`` this one)."""

        def found() -> str | None:
            nodes = self.cluster.announcers(address)
            return nodes[0] if len(nodes) == 1 and nodes[0] != other_than else None

        return wait_for(f"one node answers for {address}{other_than and f', not {other_than}'}", found)

    def wait_for_announcer(self, address: str, node: str) -> None:
        """Until this node is the one that answers."""
        wait_for(f"{node} answers for {address}", lambda: self.cluster.announcers(address) == [node])

    def wait_for_silence(self, address: str) -> None:
        """Until nobody answers for the address."""
        wait_for(f"nobody answers for {address}", lambda: not self.cluster.announcers(address))

    def l2_status(self, name: str) -> list[Object]:
        """The statuses of the ServiceL2Statuses of a Service."""
        label = f"metallb.io%2Fservice-name%3D{name},metallb.io%2Fservice-namespace%3D{HOME}"
        return [
            one.get("status", {}) for one in self.cluster.items(f"{METALLB}/servicel2statuses?labelSelector={label}")
        ]

    def wait_for_status(self, name: str, node: str) -> None:
        """Until the one ServiceL2Status of a Service names this node."""
        wait_for(f"{name} is {node}'s", lambda: [one.get("node") for one in self.l2_status(name)] == [node])

    def page(self, address: str, path: str = "/", port: int = 80) -> str:
        """What curl gets, once it gets something."""
        return wait_for(f"curl is answered by {address}", lambda: self.cluster.curl(address, path, port))

    def pool_status(self, name: str) -> Object:
        """The status of a pool."""
        return dict(self.cluster.read(f"{METALLB}/ipaddresspools/{name}").get("status", {}))

    def configuration(self, name: str = "controller") -> Object:
        """The status of a ConfigurationState."""
        return dict(self.cluster.read(f"{METALLB}/configurationstates/{name}").get("status", {}))

    def pods(self, app: str, namespace: str = HOME) -> list[Object]:
        """The Pods with the label ``app``."""
        return self.cluster.items(f"/api/v1/namespaces/{namespace}/pods?labelSelector=app%3D{app}")

    # ===== and goes =====

    def clear(self) -> None:
        """Remove what tests make, all of it."""
        for namespace in (HOME, OTHER):
            self.cluster.delete_all(f"/api/v1/namespaces/{namespace}/services")
        for kind in OWN_KINDS:
            self.cluster.delete_all(f"{METALLB}/{kind}")
        self.cluster.delete_all(f"/api/v1/namespaces/{SYSTEM}/configmaps/config")
        self.cluster.ranges.used()


def service(
    name: str, *, labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None, **spec: Any
) -> Object:
    """The same as :meth:`Room.service`, not yet applied."""
    usual = {
        "type": "LoadBalancer",
        "selector": {"app": "web"},
        "ipFamilyPolicy": "SingleStack",
        "ports": [{"name": "http", "port": 80}],
    }
    metadata = {"name": name, "labels": labels or {}, "annotations": annotations or {}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": usual | spec}


def web(name: str, replicas: int, port: int = 80, **pod: Any) -> Object:
    """A Deployment of web servers that tell who they are, and who asks: by HTTP, and by UDP at port 53."""
    container = {
        "name": "web",
        "image": "registry.k8s.io/e2e-test-images/agnhost:2.53",
        "args": ["netexec", f"--http-port={port}", "--udp-port=53"],
        "ports": [{"containerPort": port}, {"containerPort": 53, "protocol": "UDP"}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], **pod}},
        },
    }


def _metallb(kind: str, metadata: Object, spec: Object) -> Object:
    return {"apiVersion": "metallb.io/v1beta1", "kind": kind, "metadata": metadata, "spec": spec}
