"""A small stand-in for kube-proxy in nftables mode: what a node's kernel does with packets for a Service.

Same rules as the real one, in its own words where they exist: ClusterIP and load-balancer addresses are translated to a
random ready pod; externalTrafficPolicy Cluster masquerades what comes from outside, Local keeps the client's address,
uses the node's own pods and drops where it has none (but what comes from inside the cluster may use all);
sessionAffinity remembers each client per endpoint. No NodePorts, no health-check ports, no topology hints.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from msgspec import Struct

from metalev.lab import nft
from metalev.lab.host import Node
from metalev.model.address import IPNetwork
from metalev.model.services import EndpointSlice, Port, Service, TrafficPolicy

TABLE = "kube_proxy"
MASQUERADE = "0x4000"  # kube-proxy's default mark bit
DNAT = -100  # "dstnat", a name that nft does not take for the output hook
BEFORE_DNAT = -110  # what nobody serves is refused before a connection entry is translated


class Target(Struct, frozen=True, order=True):
    """One pod's socket behind a Service's port."""

    address: str
    port: int
    node: str
    ready: bool
    serving: bool


class Table(Struct, frozen=True):
    """The whole table: the rules of each chain, and the names of the sets that remember clients."""

    family: str
    chains: dict[str, list[str]]
    affinity_sets: list[str]

    def render(self, stale_chains: Iterable[str] = (), stale_sets: Iterable[str] = ()) -> str:
        """As nftables text, one transaction: rules are replaced, what is stale goes, other sets keep their clients."""
        kind = "ipv4_addr" if self.family == "ip" else "ipv6_addr"
        lines = [f"add table {self.family} {TABLE}", f"flush table {self.family} {TABLE}"]
        lines += [f"delete chain {self.family} {TABLE} {name}" for name in sorted(stale_chains)]
        lines += [f"delete set {self.family} {TABLE} {name}" for name in sorted(stale_sets)]
        lines.append(f"table {self.family} {TABLE} {{")
        lines += [f"  set {name} {{ type {kind}; flags dynamic,timeout; }}" for name in self.affinity_sets]
        for name, rules in self.chains.items():
            lines += [f"  chain {name} {{", *(f"    {rule}" for rule in rules), "  }"]
        return "\n".join([*lines, "}", ""])


def apply(node: Node, services: Sequence[Service], slices: Sequence[EndpointSlice], cluster_cidr: IPNetwork) -> None:
    """Make the node's kernel serve exactly ``services``, at once: no packet sees half of a change."""
    table = build(services, slices, node.name, cluster_cidr)
    stale_chains = nft.names(node.namespace, table.family, TABLE, "chain") - set(table.chains)
    stale_sets = nft.names(node.namespace, table.family, TABLE, "set") - set(table.affinity_sets)
    nft.load(node.namespace, table.render(stale_chains, stale_sets))


def ruleset(services: Sequence[Service], slices: Sequence[EndpointSlice], node: str, pod_cidr: IPNetwork) -> str:
    """The table of ``node`` as nftables text, for the family of ``pod_cidr``, the cluster's whole pod network."""
    return build(services, slices, node, pod_cidr).render()


def build(services: Sequence[Service], slices: Sequence[EndpointSlice], node: str, pod_cidr: IPNetwork) -> Table:
    """Work out the table of ``node``."""
    builder = _Builder(node, pod_cidr)
    for service in sorted(services, key=lambda service: service.name):
        for port in service.ports:
            builder.add(service, port, targets_of(service, port, slices, pod_cidr.version))
    return builder.table()


def targets_of(service: Service, port: Port, slices: Sequence[EndpointSlice], family: int) -> list[Target]:
    """The pods behind one port; a slice's port belongs to the Service's port of the same name."""
    return sorted(
        {
            Target(endpoint.addresses[0], int(target.port), endpoint.node, endpoint.ready is not False, endpoint.serves)
            for item in slices
            if item.service == service.name and item.family == family
            for target in item.ports
            if (target.name, target.protocol) == (port.name, port.protocol)
            for endpoint in item.endpoints
        }
    )


class _Builder:
    """Collects the chains of one table."""

    def __init__(self, node: str, pod_cidr: IPv4Network | IPv6Network) -> None:
        self._node = node
        self._pod_cidr = pod_cidr
        self._ip = "ip" if pod_cidr.version == 4 else "ip6"
        self._chains: dict[str, list[str]] = {}
        self._affinity_sets: list[str] = []
        self._translated: list[str] = []
        self._unserved: list[str] = []

    def add(self, service: Service, port: Port, targets: list[Target]) -> None:
        """One port of a Service, by its cluster addresses and by its load-balancer addresses."""
        name = f"{service.name}/{port.protocol.lower()}/{port.port}"
        usable = _usable(targets)
        internal = [self._key(ip, port) for ip in service.cluster_ips if ip.version == self._pod_cidr.version]
        external = [self._key(ip, port) for ip in service.status.addresses if ip.version == self._pod_cidr.version]
        if not usable:
            self._unserved += [f"{key} : goto reject-unserved" for key in internal + external]
            return
        here = _usable([target for target in targets if target.node == self._node])
        self._add_internal(name, internal, usable, service.session_affinity_seconds)
        if service.traffic_policy is TrafficPolicy.LOCAL:
            self._add_external_local(name, external, here, service.session_affinity_seconds)
        else:
            self._chains[f"external-{name}"] = ["jump mark-for-masquerade", f"goto service-{name}"]
        self._translated += [f"{key} : goto external-{name}" for key in external]
        for target in sorted({*usable, *here}):
            self._add_endpoint(name, port, target, service.session_affinity_seconds)

    def table(self) -> Table:
        """Everything that was added, behind the kernel's hooks."""
        accept = "policy accept;"
        hooks = {
            "drop-or-reject-forwarded": [
                f"type filter hook prerouting priority {BEFORE_DNAT}; {accept}",
                "ct state new jump unserved",
            ],
            "drop-or-reject-own": [
                f"type filter hook output priority {BEFORE_DNAT}; {accept}",
                "ct state new jump unserved",
            ],
            "translate-forwarded": [f"type nat hook prerouting priority {DNAT}; {accept}", "jump services"],
            "translate-own": [f"type nat hook output priority {DNAT}; {accept}", "jump services"],
            "masquerade-marked": [
                f"type nat hook postrouting priority srcnat; {accept}",
                f"meta mark & {MASQUERADE} == {MASQUERADE} masquerade",
            ],
        }
        common = {
            "mark-for-masquerade": [f"meta mark set meta mark | {MASQUERADE}"],
            "reject-unserved": ["meta l4proto tcp reject with tcp reset", "reject"],
            "drop-external": [f"{self._ip} saddr {self._pod_cidr} return", "fib saddr type local return", "drop"],
            "unserved": self._lookup(self._unserved),
            "services": self._lookup(self._translated),
        }
        # A chain is named by others before it is filled: nft resolves names within one transaction in any order.
        return Table(self._ip, {**common, **self._chains, **hooks}, sorted(self._affinity_sets))

    def _add_internal(self, name: str, keys: list[str], usable: list[Target], affinity: int | None) -> None:
        from_outside = f"{self._ip} saddr != {self._pod_cidr} jump mark-for-masquerade"
        self._chains[f"service-{name}"] = self._pick(name, usable, affinity)
        self._chains[f"cluster-ip-{name}"] = [from_outside, f"goto service-{name}"]
        self._translated += [f"{key} : goto cluster-ip-{name}" for key in keys]

    def _add_external_local(self, name: str, keys: list[str], local: list[Target], affinity: int | None) -> None:
        """What comes from inside the cluster is not bound to the node, as in kube-proxy."""
        self._chains[f"external-{name}"] = [
            f"{self._ip} saddr {self._pod_cidr} goto service-{name}",
            "fib saddr type local jump mark-for-masquerade",
            f"fib saddr type local goto service-{name}",
            *self._pick(name, local, affinity),
        ]
        if not local:
            self._unserved += [f"{key} : goto drop-external" for key in keys]

    def _pick(self, name: str, targets: list[Target], affinity: int | None) -> list[str]:
        """One of the targets: the one that the client had before, or any."""
        if not targets:
            return []
        chains = [f"endpoint-{_endpoint_name(name, target)}" for target in targets]
        known = [
            f"{self._ip} saddr @affinity-{_endpoint_name(name, target)} goto {chain}"
            for target, chain in zip(targets, chains, strict=True)
            if affinity is not None
        ]
        choices = ", ".join(f"{index} : goto {chain}" for index, chain in enumerate(chains))
        return [*known, f"numgen random mod {len(chains)} vmap {{ {choices} }}"]

    def _add_endpoint(self, name: str, port: Port, target: Target, affinity: int | None) -> None:
        endpoint = _endpoint_name(name, target)
        host = target.address if self._ip == "ip" else f"[{target.address}]"
        rules = [f"{self._ip} saddr {target.address} jump mark-for-masquerade"]  # a pod that reaches itself
        if affinity is not None:
            self._affinity_sets.append(f"affinity-{endpoint}")
            rules.append(f"update @affinity-{endpoint} {{ {self._ip} saddr timeout {affinity}s }}")
        rules.append(f"meta l4proto {port.protocol.lower()} dnat to {host}:{target.port}")
        self._chains[f"endpoint-{endpoint}"] = rules

    def _key(self, address: object, port: Port) -> str:
        return f"{address} . {port.protocol.lower()} . {port.port}"

    def _lookup(self, verdicts: list[str]) -> list[str]:
        if not verdicts:
            return []
        return [f"{self._ip} daddr . meta l4proto . th dport vmap {{ {', '.join(verdicts)} }}"]


def _usable(targets: list[Target]) -> list[Target]:
    """The ready ones; if there is none, those that still serve while they terminate."""
    return [target for target in targets if target.ready] or [target for target in targets if target.serving]


def _endpoint_name(service_port: str, target: Target) -> str:
    """As kube-proxy, dots between the groups of an IPv6 address: a name in nft has no colon."""
    return f"{service_port}__{ip_address(target.address).exploded.replace(':', '.')}/{target.port}"
