"""Which nodes may announce a Service, in which order, and why the others may not.

MetalLB's rules and order (its speaker's ``ShouldAnnounce``), computed from API objects alone, so that every node comes
to the same answer. What a node *can* do at the moment is not asked here: each says that for itself in its beacons.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from hashlib import sha256

from msgspec import Struct

from metalev.decide.pools import PoolIndex, check_pools
from metalev.decide.unread import NO_ADVERTISEMENT, was_announced
from metalev.decide.wishes import shares
from metalev.model.address import IPAddress
from metalev.model.cluster import EXCLUDE_LABEL, OUT_OF_SERVICE_TAINT, Node
from metalev.model.meta import Name, any_matches
from metalev.model.ownership import Candidate, Preempt
from metalev.model.pools import L2Advertisement, Pool
from metalev.model.services import EndpointSlice, Service, TrafficPolicy
from metalev.model.snapshot import Snapshot


class Why(StrEnum):
    """Why a node does not announce a Service; MetalLB's word where it has one."""

    NO_ADDRESS = "noIPAllocated"
    NOT_ALLOWED = "ipNotAllowed"
    NO_ADVERTISEMENT = NO_ADVERTISEMENT
    SHARED = "sharedIPWithServiceSelector"
    NETWORK_UNAVAILABLE = "nodeNetworkUnavailable"
    EXCLUDED = "nodeLabeledExcludeBalancers"
    OUT_OF_SERVICE = "nodeOutOfService"
    NO_ENDPOINTS = "noEndpoints"
    NO_LOCAL_ENDPOINTS = "noLocalEndpoints"
    NOT_OWNER = "notOwner"
    METALLB = "announcedByMetalLB"


# What a person can do about it; where there is nothing, the word says enough.
ADVICE: Mapping[Why, str] = {
    Why.NOT_ALLOWED: "the address is in no pool",
    Why.NO_ADVERTISEMENT: "no L2Advertisement is for the pool, the Service and the node: create one, or widen its "
    "selectors",
    Why.SHARED: "an L2Advertisement with serviceSelectors announces no address that may be shared: remove them, or the "
    "Service's metallb.io/allow-shared-ip",
    Why.NETWORK_UNAVAILABLE: "the node's condition NetworkUnavailable is true: look at its CNI plug-in",
    Why.EXCLUDED: f"remove the label {EXCLUDE_LABEL} from a node, or start the controller and every speaker with "
    "--ignore-exclude-lb",
    Why.OUT_OF_SERVICE: f"the node has the taint {OUT_OF_SERVICE_TAINT}: remove it when the node is back",
    Why.NO_ENDPOINTS: "no endpoint of the Service is ready on any node: look at its pods and its selector",
    Why.METALLB: "a speaker of MetalLB still announces it; metalev takes over when the last such pod is gone",
    Why.NO_LOCAL_ENDPOINTS: "externalTrafficPolicy is Local, and no ready endpoint of the Service is on the node: run "
    "a pod there, or use Cluster",
}


class Foreign(Struct, frozen=True):
    """A speaker of MetalLB: whether it goes by its memberlist, and whether it has come up."""

    gossips: bool = True
    ready: bool = True


class Announcement(Struct, frozen=True):
    """Who may announce a Service.

    ``candidates`` are in the order in which they are asked, for the Service's first address; ``excluded`` says why each
    other node is not among them. ``interfaces`` are those of the node that asked, and empty means every one. While it
    ``gives_way``, the candidates only keep what they announce, until a speaker of MetalLB that comes up is heard.
    ``serves``: the node that asked is advertised from and has what it takes to serve the traffic, so it may go on with
    what it announces until somebody relieves it. ``preempt`` is what the advertisements say, if they say anything.
    """

    candidates: tuple[Candidate, ...] = ()
    excluded: Mapping[str, Why] = {}
    interfaces: tuple[str, ...] = ()
    gives_way: bool = False
    serves: bool = False
    preempt: Preempt | None = None


class Topology:
    """Nodes, pools and advertisements, matched once for all Services.

    ``node`` is the one that asks: only the interfaces depend on it. ``ignore_exclude_lb`` makes nothing of the label by
    which nodes are kept from announcing; every speaker and the controller have to be told the same.
    """

    def __init__(
        self,
        nodes: Iterable[Node],
        pools: Iterable[Pool],
        advertisements: Iterable[L2Advertisement],
        node: str,
        *,
        ignore_exclude_lb: bool = False,
        foreign: Mapping[str, Foreign] = {},
        unread: bool = False,
        legacy_unread: bool = False,
    ) -> None:
        """``foreign``: the nodes where a speaker of MetalLB runs.

        ``unread``: not everything can be read. Then an address of no known pool is of the one that its Service's status
        names; so a speaker that starts beside a broken pool announces what the others announce. ``legacy_unread``: this
        goes for MetalLB's old ConfigMap, whose pools of layer 2 are announced from every node and interface. So is what
        it gave, as far as the Services' statuses say that it was announced.
        """
        self._foreign = foreign
        self._unread = unread
        self._nodes = sorted(nodes, key=lambda one: one.name)
        self._whatever = _Matched(L2Advertisement(Name("", "")), self._nodes) if legacy_unread else None
        usable = check_pools(pools)[0]
        self._pools = PoolIndex(usable)
        self._pool_named = {pool.name.name: pool for pool in usable}
        self._advertisements = [_Matched(one, self._nodes) for one in sorted(advertisements, key=lambda one: one.name)]
        self._node = node
        self._unfit = {one.name.name: why for one in self._nodes if (why := _unfit(one, ignore_exclude_lb)) is not None}

    def announcement(self, service: Service, slices: Iterable[EndpointSlice]) -> Announcement:
        """Who may announce ``service``, which holds at least one address and has the endpoints of ``slices``."""
        addresses = service.status.addresses
        if not addresses:
            return self._nobody(Why.NO_ADDRESS)
        pool = self._pools.pool_of(addresses[0])
        if pool is None and self._unread:
            pool = pool_by_status(service, self._pool_named)
        if pool is None:
            return self._nobody(Why.NOT_ALLOWED)
        matching = [one for one in self._advertisements if one.is_for(pool, service)]
        if not matching and self._whatever is not None and was_announced(service):
            matching = [self._whatever]
        if shares(service) and any(one.spec.service_selectors for one in matching):
            return self._nobody(Why.SHARED)
        serving = {endpoint.node for one in slices for endpoint in one.endpoints if endpoint.serves}
        excluded = self._excluded(service, matching, serving)
        eligible = [name for one in self._nodes if (name := one.name.name) not in excluded]
        scored = [Candidate(name, sum(one.scores.get(name, 0) for one in matching)) for name in eligible]
        candidates = in_order(scored, addresses[0])
        interfaces = _interfaces(matching, self._node)
        if self._foreign and any(one.node in self._foreign for one in candidates):
            return self._beside_metallb(candidates, excluded, interfaces)
        local = service.traffic_policy is TrafficPolicy.LOCAL
        advertised = any(self._node in one.nodes for one in matching)
        serves = advertised and bool(serving) and (not local or self._node in serving)
        preempt = calmest(one.preempt for one in matching)
        return Announcement(candidates, excluded, interfaces, serves=serves, preempt=preempt)

    def _beside_metallb(
        self, candidates: tuple[Candidate, ...], excluded: dict[str, Why], interfaces: tuple[str, ...]
    ) -> Announcement:
        """Who may announce while speakers of MetalLB run on some of the ``candidates``, so that nobody answers twice.

        MetalLB's speakers know each other by their memberlist, in which ours are not: as long as one of them may, the
        first of them announces. Without a memberlist they go by the list of Nodes, and the first of all announces.

        One that comes up answers some seconds after it was started, or never. Until then ours go on, if they do: it
        is heard when it begins, and not before its pod is ready it counts as if it had been.
        """
        theirs = {one.node: self._foreign[one.node] for one in candidates if one.node in self._foreign}
        excluded.update(dict.fromkeys(theirs, Why.METALLB))
        ours = tuple(one for one in candidates if one.node not in theirs)
        if candidates[0].node not in theirs and not any(one.gossips for one in theirs.values()):
            return Announcement(ours, excluded, interfaces)
        if not any(one.ready for one in theirs.values()):
            return Announcement(ours, excluded, interfaces, gives_way=bool(ours))
        excluded.update((one.node, Why.METALLB) for one in ours)
        return Announcement((), excluded, interfaces)

    def _excluded(self, service: Service, matching: list[_Matched], serving: set[str]) -> dict[str, Why]:
        advertised = set().union(*(one.nodes for one in matching))
        local = service.traffic_policy is TrafficPolicy.LOCAL
        excluded: dict[str, Why] = {}
        for node in self._nodes:
            name = node.name.name
            if name in self._unfit:
                excluded[name] = self._unfit[name]
            elif not serving:
                excluded[name] = Why.NO_ENDPOINTS
            elif name not in advertised:
                excluded[name] = Why.NO_ADVERTISEMENT
            elif local and name not in serving:
                excluded[name] = Why.NO_LOCAL_ENDPOINTS
        return excluded

    def _nobody(self, why: Why) -> Announcement:
        return Announcement(excluded={one.name.name: why for one in self._nodes})


def fit_nodes(snapshot: Snapshot, *, ignore_exclude_lb: bool = False) -> frozenset[str]:
    """The nodes from which some L2Advertisement would announce, whatever it is for."""
    advertisements = snapshot.l2_advertisements.values()
    return frozenset(
        node.name.name
        for node in snapshot.nodes.values()
        if _unfit(node, ignore_exclude_lb) is None
        and any(any_matches(one.node_selectors, node.labels) for one in advertisements)
    )


def pool_by_status(service: Service, pools: Mapping[str, Pool]) -> Pool:
    """The pool that the status of ``service`` names; of one that is not among ``pools`` only the name is known."""
    name = service.status.pool
    return pools.get(name) or Pool(Name("", name))


def in_order(candidates: Iterable[Candidate], address: IPAddress) -> tuple[Candidate, ...]:
    """The higher score first, then ascending sha256(node + "#" + address).

    It is MetalLB's order: taking its place moves no address.
    """
    suffix = f"#{address}"
    return tuple(sorted(candidates, key=lambda one: (-one.score, sha256((one.node + suffix).encode()).digest())))


class _Matched:
    """An advertisement with the nodes that it names: those that may announce, and those that it prefers."""

    def __init__(self, spec: L2Advertisement, nodes: Iterable[Node]) -> None:
        self.spec = spec
        self.preempt = preempt_of(spec)
        self.nodes = {one.name.name for one in nodes if any_matches(spec.node_selectors, one.labels)}
        self.scores: dict[str, int] = {}
        for preference in spec.preferences:
            for one in nodes:
                if preference.selector.matches(one.labels):
                    self.scores[one.name.name] = self.scores.get(one.name.name, 0) + preference.weight

    def is_for(self, pool: Pool, service: Service) -> bool:
        """Whether it announces ``service``, whose address is of ``pool``."""
        spec = self.spec
        every_pool = not spec.pools and not spec.pool_selectors
        by_label = any(selector.matches(pool.labels) for selector in spec.pool_selectors)
        return (every_pool or pool.name.name in spec.pools or by_label) and any_matches(
            spec.service_selectors, service.labels
        )


def calmest(policies: Iterable[Preempt | None]) -> Preempt | None:
    """Of several that disagree the one under which the fewest moves are made; whoever says nothing has no say."""
    said = set(policies) - {None}
    return next((one for one in Preempt if one in said), None) if said else None


def preempt_of(advertisement: L2Advertisement) -> Preempt | None:
    """What an advertisement says, if it is a word that there is."""
    return next((one for one in Preempt if one == advertisement.preempt), None)


def _unfit(node: Node, ignore_exclude_lb: bool) -> Why | None:
    if node.network_unavailable:
        return Why.NETWORK_UNAVAILABLE
    if node.out_of_service:
        return Why.OUT_OF_SERVICE
    return Why.EXCLUDED if node.excluded and not ignore_exclude_lb else None


def _interfaces(matching: Iterable[_Matched], node: str) -> tuple[str, ...]:
    """The union of what the advertisements for ``node`` name; one that names none means every interface."""
    lists = [one.spec.interfaces for one in matching if node in one.nodes]
    return tuple(sorted(set().union(*lists))) if all(lists) else ()
